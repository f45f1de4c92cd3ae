"""A cell's figures of the beat layer against their definitions, written out slowly."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.batch import SECOND
from plant.model import AnodeEffectRule, CellPeriod

V0, NOMINAL = 1.65, 600.0
ZONES = ["Europe/Oslo", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut", "America/Santiago"]


def fed(make_plant, runner, volts, amps=None, **changes):
    """A cell with one reading of voltage and current at the start of each second; NaN: BAD."""
    run = runner(make_plant(lines=1, cells=1, **changes))
    amps = np.full(len(volts), NOMINAL) if amps is None else amps
    for second, (volt, amp) in enumerate(zip(volts, amps, strict=True)):
        run.give("L1-001.voltage", second, volt, 0 if volt == volt else 2)
        run.give("L1.current", second, amp)
    return run


def normalised(volts, amps):
    return V0 + (volts - V0) / amps * NOMINAL


def slow_noise(normal):
    """Of whole blocks of 8 s, the last 15; NaN a beat left out."""
    blocks = normal[: len(normal) // 8 * 8].reshape(-1, 8)[-15:]
    good = ~np.isnan(blocks).any(axis=1)
    if good.sum() < 10:
        return np.nan, np.nan
    x, means = np.arange(len(blocks))[good], blocks[good].mean(axis=1)
    rest = means - np.polyval(np.polyfit(x, means, 1), x)
    low = 4000 * np.sqrt((rest**2).sum() / (good.sum() - 2))
    return low, 4000 * np.sqrt(blocks[good].var(axis=1, ddof=1).mean())


def slow_slope(normal):
    means = [
        np.nanmean(block) if (~np.isnan(block)).sum() >= 60 else np.nan
        for block in normal[: len(normal) // 120 * 120].reshape(-1, 120)[-10:]
    ]
    x, y = np.arange(len(means)), np.array(means)
    good = ~np.isnan(y)
    if good.sum() < 6:
        return np.nan
    return 1000 * np.polyfit(2.0 * x[good], y[good], 1)[0]


@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    gaps=st.sampled_from([0.0, 0.002, 0.02]),
    constant=st.booleans(),
)
def test_noise_and_slope_are_their_definition(make_plant, runner, seed, gaps, constant):
    rng = np.random.default_rng(seed)
    n = 1205  # the last block and mean end at 1200
    volts, amps = np.full(n, 4.0), np.full(n, NOMINAL)
    if not constant:
        seconds = np.arange(n)
        volts = 3.95 + 2e-5 * seconds + 0.01 * np.sin(seconds / 7) + 0.02 * rng.standard_normal(n)
        amps = NOMINAL + 3 * rng.standard_normal(n)
    volts[rng.random(n) < gaps] = np.nan
    run = fed(make_plant, runner, volts, amps)
    run.run(n)
    normal = normalised(volts, amps)[:1200]
    low, high = slow_noise(normal)
    assert run.figure("cell", "noise_lf") == pytest.approx(low, rel=1e-6, abs=1e-6, nan_ok=True)
    assert run.figure("cell", "noise_hf") == pytest.approx(high, rel=1e-6, abs=1e-6, nan_ok=True)
    slope = slow_slope(normal)
    assert run.figure("cell", "slope") == pytest.approx(slope, rel=1e-6, abs=1e-6, nan_ok=True)
    last = normalised(volts, amps)[-1]
    assert run.figure("cell", "normalised_voltage") == pytest.approx(last, nan_ok=True)
    distance = 1000 * (last - 3.95)
    assert run.figure("cell", "voltage_distance") == pytest.approx(distance, abs=1e-6, nan_ok=True)


def test_a_wave_is_seen_in_its_band_only(make_plant, runner):
    """10 mV of 40 s is low-frequency: 4 · 10/√2 mV less what the mean over 8 s takes away; of 3 s
    it is high-frequency."""
    seconds = np.arange(240)
    for period, name, other in ((40, "noise_lf", "noise_hf"), (3, "noise_hf", "noise_lf")):
        run = fed(make_plant, runner, 3.95 + 0.01 * np.sin(2 * np.pi * seconds / period))
        run.run(240)
        seen, rest = run.figure("cell", name), run.figure("cell", other)
        assert 22 < seen < 32
        assert rest < 0.45 * seen


def test_what_is_left_out_of_noise_and_slope(make_plant, runner):
    """An anode effect voids its block only; a tap 15 minutes, a beam move one."""
    rng = np.random.default_rng(1)
    volts = 3.95 + 0.01 * rng.standard_normal(2400)
    volts[1990:2000] = 30.0
    run = fed(make_plant, runner, volts, effect=AnodeEffectRule(t_merge_s=0))
    run.run(2400)
    normal = volts.copy()
    normal[1990:2001] = np.nan  # the run ends with the reading that opens the next beat
    assert run.figure("cell", "slope") == pytest.approx(slow_slope(normal), rel=1e-6)

    run = fed(make_plant, runner, volts[:1990])
    run.give("L1-001.metal_tapped", 0, 1000.0)
    run.give("L1-001.metal_tapped", 1000, 4200.0)
    run.give("L1-001.beam_position", 0, 200.0)
    run.give("L1-001.beam_position", 1940, 200.1)  # no move
    run.run(1200)
    assert np.isnan(run.figure("cell", "noise_lf"))
    assert run.figure("cell", "since_tap_h") == pytest.approx(200 / 3600)
    run.run(784)
    normal = volts[:1984].copy()
    normal[1000:1900] = np.nan
    low, high = slow_noise(normal)  # ten blocks since
    assert run.figure("cell", "noise_lf") == pytest.approx(low, rel=1e-6)
    assert run.figure("cell", "noise_hf") == pytest.approx(high, rel=1e-6)
    assert run.figure("cell", "beam_moves_day") == 0
    assert np.isnan(run.figure("cell", "since_beam_move_min"))
    run.give("L1-001.beam_position", 1985, 201.0)
    run.run(2)
    assert run.figure("cell", "beam_moves_day") == 1
    assert run.figure("cell", "since_beam_move_min") == pytest.approx(1 / 60)


def test_noise_needs_a_reading_a_second(make_plant, runner):
    plant = make_plant(lines=1, cells=1)
    slow = tuple(replace(t, interval_s=5.0) for t in plant.tags)
    run = runner(replace(plant, tags=slow))
    for second in range(0, 1300, 5):
        run.give("L1-001.voltage", second, 3.95)
        run.give("L1.current", second, 600.0)
    run.run(1300)
    assert np.isnan(run.figure("cell", "noise_hf"))
    assert run.figure("cell", "slope") == pytest.approx(0.0, abs=1e-9)


def test_low_voltage_candidates(make_plant, runner):
    volts = np.full(1000, 3.95)
    volts[100:159] = 4.5  # 59 s: none
    volts[200:300] = 4.5
    volts[400:500] = 4.35  # at the excess, not above it
    volts[600:700] = 8.0  # at the threshold of anode effects: still low
    volts[800:900] = 4.5
    volts[850:862] = np.nan
    run = fed(make_plant, runner, volts)
    seen = []
    for second in range(1000):
        run.run()
        if run.figure("cell", "low_voltage_candidate") == 1:
            seen.append(second)
    assert (min(seen), max(seen)) == (259, 699)
    assert len(seen) == 41 + 41
    assert run.figure("cell", "low_voltage_candidates_day") == 2
    assert run.figure("cell", "low_voltage_minutes_day") == pytest.approx(200 / 60)
    assert run.figure("cell", "anode_effect_minutes_day") == 0


def test_an_operation_makes_no_low_voltage_candidate(make_plant, runner):
    run = fed(make_plant, runner, np.where(np.arange(2000) < 100, 3.95, 4.5))
    run.give("L1-001.metal_tapped", 0, 0.0)
    run.give("L1-001.metal_tapped", 130, 3000.0)
    run.run(1080)
    assert run.figure("cell", "low_voltage_candidate") == 0
    run.run(20)
    assert run.figure("cell", "low_voltage_candidate") == 1
    assert run.figure("cell", "low_voltage_candidates_day") == 1
    assert run.figure("cell", "low_voltage_minutes_day") == pytest.approx((1100 - 1030) / 60)


def test_a_candidate_over_midnight_belongs_to_the_day_it_began(make_plant, runner):
    plant = make_plant(lines=1, cells=1)
    run = runner(plant, start=runner(plant).now - 100 * SECOND)
    for second in range(-100, 100):
        run.give("L1-001.voltage", second, 4.5)
    run.run(100)
    assert run.figure("cell", "low_voltage_candidates_day") == 1
    assert run.figure("cell", "low_voltage_minutes_day") == pytest.approx(100 / 60)
    run.run(50)
    assert run.figure("cell", "low_voltage_candidates_day") == 0
    assert run.figure("cell", "low_voltage_minutes_day") == pytest.approx(50 / 60)


def test_feeding_and_tapping_of_the_day(make_plant, runner):
    run = fed(make_plant, runner, np.full(600, 3.95))
    for second, mode in ((0, 0), (60, 1), (180, 2), (240, 2), (300, 3), (330, np.nan), (360, 2)):
        run.give("L1-001.feed_mode", second, mode, 0 if mode == mode else 2)
    for second, kg in ((0, 100.0), (100, 130.0), (200, 5.0), (300, 25.0)):  # reset at 200
        run.give("L1-001.alumina_fed", second, kg)
        run.give("L1-001.metal_tapped", second + 0.5, 10 * kg)
    run.run(300)
    assert run.figure("cell", "since_overfeed_min") == 0
    run.run(40)
    assert run.figure("cell", "since_overfeed_min") == pytest.approx(40 / 60)
    run.run(60)
    figures = {
        "overfeeds_day": 2,  # from underfeed, from quench
        "underfeed_minutes_day": 2,
        "quench_minutes_day": 0.5,
        "alumina_fed_day": 50,
        "tapped_day": 500,
        "since_overfeed_min": 0,
        "since_tap_h": 99.5 / 3600,
        "spikes_day": 0,
        "known_seconds_day": 400,
        "target_voltage_day": 3.95,
    }
    for name, value in figures.items():
        assert run.figure("cell", name) == pytest.approx(value), name


def test_spikes_are_counted(make_plant, runner):
    volts = np.full(100, 3.95)
    volts[[20, 21, 40, 60, 61, 62]] = 12.0  # two spikes and an anode effect of 3 s
    run = fed(make_plant, runner, volts)
    run.run(100)
    assert run.figure("cell", "spikes_day") == 2
    assert run.figure("cell", "anode_effects_day") == 1


def test_target_voltage_is_weighted_by_time(make_plant, runner):
    run = fed(make_plant, runner, np.full(100, 3.95))
    run.give("L1-001.target_voltage", 25, 4.05)
    run.run(100)
    assert run.figure("cell", "target_voltage_day") == pytest.approx(3.95 + 0.1 * 0.75)


def test_energy_figures_of_windows_by_hand(make_plant, runner):
    """4.1 V at 600 kA for a minute; enthalpy voltage 2.01714 V, 0.28 µΩ outside: 0.168 V."""
    plant = make_plant(lines=1, cells=1)
    lines = tuple(replace(line, external_resistance_uOhm=0.28) for line in plant.lines)
    run = runner(replace(plant, lines=lines))
    for second in range(60):
        run.give("L1-001.voltage", second, 4.1)
        run.give("L1.current", second, 600.0)
    run.run(60)
    assert run.figure("cell", "normalised_voltage_hour") == pytest.approx(4.1)
    specific = run.figure("cell", "dc_specific_energy_hour")
    assert specific == pytest.approx(13067.2, abs=0.1)
    assert run.figure("cell", "energy_efficiency_hour") == pytest.approx(634_000 / specific)
    excess = (specific - 12600) / 1000 * run.figure("cell", "metal_hour")
    assert run.figure("cell", "excess_energy_hour") == pytest.approx(excess)
    assert run.figure("line", "excess_energy_hour") == pytest.approx(excess / 1000)
    assert run.figure("cell", "heat_loss_hour") == pytest.approx(600 * (4.1 - 0.168 - 2.01714))
    assert run.figure("line", "cells_above_target_hour") == 1


def test_normalised_voltage_under_a_current_that_changes(make_plant, runner):
    """A cell that is a resistance has one normalised voltage, whatever the current does."""
    amps = np.where(np.arange(60) % 20 < 10, 600.0, 450.0)
    run = fed(make_plant, runner, V0 + 0.00383 * amps, amps)
    run.run(60)
    assert run.figure("cell", "normalised_voltage_minute") == pytest.approx(V0 + 0.00383 * 600)


def test_overvoltage_method_where_there_is_a_coefficient(make_plant, runner):
    plant = make_plant(lines=1, cells=1)
    lines = tuple(replace(line, technology="CWPB") for line in plant.lines)
    some = plant.factors["gwp.AR5.CF4"]
    base = "pfc.cbam-2025.CWPB."
    more = {"slope": 0.143, "weight_fraction": 0.121, "overvoltage": 1.16,
            "overvoltage_weight_fraction": 0.121}  # fmt: skip
    factors = {**plant.factors, **{base + k: replace(some, value=v) for k, v in more.items()}}
    run = runner(replace(plant, lines=lines, factors=factors))
    for second in range(600):
        run.give("L1-001.voltage", second, 24.0 if 100 <= second < 160 else 3.95)
        run.give("L1.current", second, 600.0)
    run.run(600)
    metal_t = run.figure("cell", "metal_day") / 1000
    overvoltage = run.figure("cell", "overvoltage_positive_day")
    kg = 1.16 * overvoltage / 93.5 * metal_t
    assert run.figure("cell", "cf4_overvoltage_day") == pytest.approx(kg)
    co2e = kg * (6630 + 0.121 * 11100) / 1000
    slope = run.figure("line", "pfc_co2e_day")
    assert run.figure("line", "pfc_overvoltage_co2e_day") == pytest.approx(co2e)
    assert run.figure("line", "pfc_gap_percent_day") == pytest.approx(100 * (co2e / slope - 1))
    # by the methods' own constants: (24 − 3.95) V over the 16.6 V at which they agree
    agreed = 0.143 * 1440 * 93.5 / (1000 * 1.16)
    assert co2e / slope == pytest.approx((24 - 3.95) / agreed)
    none = fed(make_plant, runner, np.full(60, 3.95))  # PFPB_M has no coefficient
    none.run(60)
    assert np.isnan(none.figure("cell", "cf4_overvoltage_day"))
    assert np.isnan(none.figure("line", "pfc_overvoltage_co2e_day"))


def test_an_inert_anode_emits_nothing_from_its_day_on(make_plant, runner):
    plant = make_plant(lines=1, cells=2, shifts=())
    start = runner(plant).now
    history = (CellPeriod(-(2**62)), CellPeriod(start, anode="inert"))
    cells = (replace(plant.cells[0], history=history), plant.cells[1])
    run = runner(replace(plant, cells=cells), start=start - 60 * SECOND)
    for second in range(-60, 60):
        run.give("L1.current", second, 600.0)
        for cell in plant.cells:
            volt = 30.0 if second % 60 in range(20, 40) else 3.95
            run.give(f"{cell.id}.voltage", second, volt)
    run.run(60)
    before = [run.figure("line", n) for n in ("anode_co2_day", "pfc_co2e_day")]
    assert run.figure("cell", "cf4_day", 0) == run.figure("cell", "cf4_day", 1) > 0
    run.run(60)
    after = [run.figure("line", n) for n in ("anode_co2_day", "pfc_co2e_day")]
    assert run.figure("cell", "cf4_day", 0) == 0 < run.figure("cell", "cf4_day", 1)
    assert run.figure("cell", "pfc_co2e_day", 0) == 0
    assert after == pytest.approx([b / 2 for b in before])
    assert run.figure("line", "cf4_day") == pytest.approx(run.figure("cell", "cf4_day", 1))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("edge", [0, 1])
def test_windows_add_up_to_the_raw_over_clock_changes(make_plant, runner, zone, edge):
    """Hours, shifts and days of three days around a clock change, in beats of five minutes."""
    z = ZoneInfo(zone)
    noons = [datetime(2026, 1, 1, 12, tzinfo=z).timestamp() + 86400 * d for d in range(365)]
    offsets = [datetime.fromtimestamp(t, z).utcoffset() for t in noons]
    changes = [int(noons[k]) for k in range(1, 365) if offsets[k] != offsets[k - 1]]
    start = changes[edge] // 86400 * 86400 - 86400
    plant = make_plant(lines=1, cells=1, zone=zone, shifts=("06:00", "14:00", "22:00"))
    plant = replace(plant, boilers=())
    run = runner(plant, start=start * SECOND, beat_s=300)
    rng = np.random.default_rng(edge)
    offset = start * SECOND - runner(plant).now
    raw = 0.0
    totals = dict.fromkeys(("minute", "hour", "shift", "day"), 0.0)
    edges = None
    for _ in range(3 * 288):
        volt, amp = 4 + 0.1 * rng.standard_normal(), 600 + rng.standard_normal()
        at = (run.now - start * SECOND + offset) / SECOND
        for second in range(0, 300, 10):
            run.give("L1-001.voltage", at + second, volt)
            run.give("L1.current", at + second, amp)
        raw += volt * amp * 300 / 3600
        before = run.last and {w: run.figure("cell", f"energy_{w}") for w in totals}
        run.run()
        now = run.state.arrays["windows"][0].copy()
        if edges is not None:
            for w, name in enumerate(totals):
                if now[w] != edges[w]:
                    totals[name] += before[name]
        edges = now
    for name, total in totals.items():
        assert total + run.figure("cell", f"energy_{name}") == pytest.approx(raw, rel=1e-12), name
    spread = run.figure("cell", "known_seconds_day")
    assert spread == pytest.approx((run.now - int(edges[3])) / SECOND)
