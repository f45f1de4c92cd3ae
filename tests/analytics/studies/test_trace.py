"""analyse_trace beside its anode effects, which test_anode_effect.py covers."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.studies.trace import analyse_trace
from plant.batch import SECOND
from plant.model import AnodeEffectRule

RULE = AnodeEffectRule()
NAN = float("nan")


def analysed(volts, amps=600.0, target=3.95, seconds=None):
    times = np.arange(len(volts)) if seconds is None else np.asarray(seconds)
    return analyse_trace(times * SECOND, volts, amps, target, RULE)


def test_steady_hour():
    result = analysed([3.95] * 3600)
    assert result.energy_kWh == pytest.approx(2370.0)
    assert result.charge_kAh == pytest.approx(600.0)
    assert result.voltage_V == pytest.approx(3.95)
    assert (result.aef, result.aem_min, result.aed_min) == (0, 0, None)
    assert (result.aeo_positive_mV, result.aeo_algebraic_mV) == (0, 0)
    assert result.completeness == 1.0
    assert result.anode_effects == result.spikes == result.low_voltage_candidates == []


def test_charge_weighted_voltage_and_energy():
    result = analysed([4.0, 2.0], [600.0, 0.0])
    assert result.energy_kWh == pytest.approx(2400 / 3600)
    assert result.voltage_V == 4.0


def test_frequency_duration_minutes_over_a_day():
    volts = np.full(86400, 3.95)
    for start in (10_000, 40_000):
        volts[start : start + 90] = 25.0
    result = analysed(volts)
    assert result.aef == pytest.approx(2.0)
    assert result.aed_min == pytest.approx(1.5)
    assert result.aem_min == pytest.approx(3.0)
    assert result.aeo_positive_mV == pytest.approx(1000 * 180 * 21.05 / 86400)


def test_without_target_there_is_no_overvoltage():
    result = analysed([30.0] * 20, target=None)
    assert result.aeo_positive_mV is None
    assert result.aeo_algebraic_mV is None
    assert result.low_voltage_candidates == []
    assert len(result.anode_effects) == 1


def test_order_and_duplicates_do_not_matter():
    rng = np.random.default_rng(0)
    volts = 3.95 + 0.1 * rng.standard_normal(500)
    volts[100:150] = 25.0
    order = rng.permutation(500)
    plain = analysed(volts)
    shuffled = analysed(volts[order], seconds=np.arange(500)[order])
    assert shuffled == plain
    doubled = analysed([*volts, 99.0], seconds=[*range(500), 120])
    assert doubled == plain  # of two the first counts


def test_missing_rows_and_nan_are_the_same():
    volts = np.full(100, 3.95)
    rows = np.setdiff1d(np.arange(100), np.arange(40, 60))
    with_nan = volts.copy()
    with_nan[40:60] = NAN
    gone, blank = analysed(volts[rows], seconds=rows), analysed(with_nan)
    assert gone == blank
    assert gone.completeness == 0.8
    assert gone.charge_kAh == pytest.approx(600 * 80 / 3600)
    short = analysed(np.where((np.arange(100) >= 40) & (np.arange(100) < 50), NAN, 3.95))
    assert short.charge_kAh == pytest.approx(600 * 100 / 3600)  # ten seconds are bridged
    assert short.completeness == 0.9


def test_current_may_be_missing_on_its_own():
    amps = np.full(100, 600.0)
    amps[50:] = NAN
    result = analysed([3.95] * 100, amps)
    assert result.charge_kAh == pytest.approx(600 * 50 / 3600)
    nothing = analysed([3.95] * 10, NAN)
    assert (nothing.energy_kWh, nothing.voltage_V) == (0.0, None)


def test_the_last_sample_stands_for_the_median_step():
    result = analysed([4.0] * 4, seconds=[0, 5, 10, 15])
    assert result.charge_kAh == pytest.approx(600 * 20 / 3600)


def test_one_row():
    result = analysed([4.0])
    assert result.charge_kAh == pytest.approx(600 / 3600)
    assert result.completeness == 1.0


def test_low_voltage_candidates_are_apart():
    volts = np.full(600, 3.95)
    volts[100:159] = 4.5  # 59 s
    volts[200:260] = 4.5  # 60 s
    volts[300:400] = 4.35  # exactly at the excess: not above it
    volts[450:470] = 25.0
    result = analysed(volts)
    spans = [(c.start // SECOND, c.end // SECOND) for c in result.low_voltage_candidates]
    assert spans == [(200, 260)]
    assert result.low_voltage_candidates[0].mean_V == pytest.approx(4.5)
    assert result.aem_min * 600 / 86400 == pytest.approx(20 / 60)


def test_averaged_data_hide_a_spike_and_say_so():
    """A second of 25 V is a spike at 1 Hz; in 10 s averages it stays below the threshold."""
    rng = np.random.default_rng(0)
    volts = 3.95 + 0.01 * rng.standard_normal(600)
    volts[302] = 25.0
    volts[100:140] = 25.0
    plain = analysed(volts)
    assert len(plain.anode_effects) == 1
    assert len(plain.spikes) == 1
    assert plain.notes == []
    means = volts.reshape(-1, 10).mean(axis=1)
    averaged = analysed(means, seconds=np.arange(60) * 10)
    assert len(averaged.anode_effects) == 1
    assert averaged.spikes == []
    assert averaged.interval_s == averaged.averaging_s == 10
    assert "read every 10 s, longer than t_on of 3 s" in averaged.notes[0]
    assert averaged.aem_min == pytest.approx(plain.aem_min, rel=0.3)
    repeated = analysed(np.repeat(means, 10))  # written once a second all the same
    assert repeated.interval_s == 1
    assert repeated.averaging_s == 10
    assert "averaged over 10 s" in repeated.notes[0]
    assert "uncertain by 10 s" in repeated.notes[0]


def test_a_constant_trace_has_no_averaging_interval():
    result = analysed([3.95] * 600)
    assert result.averaging_s is None
    assert result.notes == []


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "UTC"])
def test_midnight_in_the_site_s_zone(zone):
    """The count belongs to the day it begins, minutes to the day they fall in."""
    z = ZoneInfo(zone)
    midnight = int(datetime(2026, 3, 8, tzinfo=z).timestamp())
    seconds = np.arange(midnight - 600, midnight + 1200)
    volts = np.full(len(seconds), 3.95)
    for start, end in ((-60, 30), (100, 130), (1100, 1160)):
        volts[600 + start : 600 + end] = 25.0
    result = analyse_trace(seconds * SECOND, volts, 600.0, 3.95, RULE, z)
    days = [(d.date, d.anode_effects, d.minutes) for d in result.days]
    assert days == [("2026-03-07", 1, 1.0), ("2026-03-08", 1, pytest.approx(2.0))]
    assert sum(e.above_s for e in result.anode_effects) / 60 == pytest.approx(3.0)


def test_a_day_of_23_hours_is_one_day():
    z = ZoneInfo("Europe/Oslo")
    start = int(datetime(2026, 3, 28, tzinfo=z).timestamp())
    seconds = np.arange(start, start + 3 * 86400, 60)
    result = analyse_trace(seconds * SECOND, np.full(len(seconds), 3.95), 600.0, 3.95, RULE, z)
    assert [d.date for d in result.days] == [
        "2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31",
    ]  # fmt: skip


def test_as_dict_has_the_promised_keys():
    document = analysed([3.95] * 5 + [25.0] * 5 + [3.95] * 5).as_dict()
    assert list(document) == [
        "energy_kWh", "charge_kAh", "voltage_V", "anode_effects", "spikes",
        "low_voltage_candidates", "aef", "aed_min", "aem_min", "aeo_positive_mV",
        "aeo_algebraic_mV", "completeness", "days", "interval_s", "averaging_s", "notes",
    ]  # fmt: skip
    assert list(document["anode_effects"][0]) == [
        "start", "end", "above_s", "elapsed_s", "max_V", "incomplete",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "volts", "message"),
    [([], [], "empty"), ([1, 2], [NAN, NAN], "no voltage"), ([1, 2], [1.0], "2 times but 1")],
)
def test_nothing_to_analyse(times, volts, message):
    with pytest.raises(ValueError, match=message):
        analyse_trace(times, volts, 600.0, 3.95, RULE)
