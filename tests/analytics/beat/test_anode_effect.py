"""The anode-effect machine: each branch of its definition, live and on traces, and a slow twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.studies.trace import analyse_trace
from plant.batch import SECOND
from plant.model import AnodeEffectRule

RULE = AnodeEffectRule()
DAY = 86400


def twin(readings, rule, dt=1.0):
    """(effects, spikes) of [(seconds, volts)] in order, straight from the definition.

    effects: (start, end, above, runs, incomplete); spikes: (start, end)."""
    runs, start = [], None
    for k, (time, volt) in enumerate(readings):
        limit = rule.v_on_V if start is None else rule.v_off_V
        if start is not None and time - readings[k - 1][0] > dt + rule.hold_s:
            runs.append((start, readings[k - 1][0] + dt, True))
            start, limit = None, rule.v_on_V
        if volt > limit:
            start = time if start is None else start
        elif start is not None:
            runs.append((start, time, False))
            start = None
    if start is not None:
        runs.append((start, readings[-1][0] + dt, True))
    effects, spikes = [], []
    for begin, end, gap in runs:
        if end - begin < rule.t_on_s:
            spikes.append((begin, end))
        elif effects and begin - effects[-1][1] < rule.t_merge_s:
            first, _, above, n, incomplete = effects[-1]
            effects[-1] = (first, end, above + end - begin, n + 1, incomplete or gap)
        else:
            effects.append((begin, end, end - begin, 1, gap))
    return effects, spikes


def trace(readings, rule=RULE, target=3.95):
    times = [round(t * SECOND) for t, _ in readings]
    return analyse_trace(times, [v for _, v in readings], 600.0, target, rule)


def second_by_second(length, above, low=3.95, high=30.0):
    """1 Hz readings with V = high in the given (start, end) stretches."""
    return [(float(t), high if any(a <= t < b for a, b in above) else low) for t in range(length)]


def found(result):
    return [
        (e.start / SECOND, e.end / SECOND, e.above_s, e.incomplete) for e in result.anode_effects
    ]


def test_exactly_at_the_threshold_is_not_above():
    assert found(trace(second_by_second(60, [(10, 30)], high=8.0))) == []
    assert found(trace(second_by_second(60, [(10, 30)], high=8.001))) == [(10, 30, 20, False)]


def test_debounce():
    three, two = second_by_second(60, [(10, 13)]), second_by_second(60, [(10, 12)])
    assert found(trace(three)) == [(10, 13, 3, False)]
    result = trace(two)
    assert found(result) == []
    assert [(s.start, s.end, s.max_V) for s in result.spikes] == [(10 * SECOND, 12 * SECOND, 30)]


def test_merging_up_to_but_not_at_the_limit():
    inside = trace(second_by_second(2000, [(100, 150), (150 + 899, 1100)]))
    assert found(inside) == [(100, 1100, 50 + 51, False)]
    assert inside.anode_effects[0].elapsed_s == 1000
    at_limit = trace(second_by_second(2000, [(100, 150), (150 + 900, 1100)]))
    assert found(at_limit) == [(100, 150, 50, False), (1050, 1100, 50, False)]


def test_a_spike_between_runs_merges_nothing():
    result = trace(second_by_second(2400, [(100, 150), (700, 702), (1200, 1210)]))
    assert [e[:2] for e in found(result)] == [(100, 150), (1200, 1210)]
    assert len(result.spikes) == 1


def test_hysteresis():
    rule = replace(RULE, v_off_V=5.0)
    readings = [(float(t), v) for t, v in enumerate([4, 9, 6, 6, 6, 5, 4, 6, 4])]
    assert found(trace(readings, rule)) == [(1, 5, 4, False)]


def test_missing_samples_are_bridged_for_ten_seconds():
    full = second_by_second(100, [(20, 60)])
    bridged = [r for r in full if not 30 < r[0] <= 40]  # ten are missing
    assert found(trace(bridged)) == [(20, 60, 40, False)]
    torn = [r for r in full if not 30 < r[0] <= 41]  # eleven
    assert found(trace(torn)) == [(20, 60, 11 + 18, True)]


def test_nan_is_a_missing_sample():
    full = second_by_second(100, [(20, 60)])
    assert found(trace([(t, np.nan if 30 < t <= 40 else v) for t, v in full])) == [
        (20, 60, 40, False)
    ]
    assert found(trace([(t, np.nan if 30 < t <= 41 else v) for t, v in full])) == [
        (20, 60, 29, True)
    ]


def test_a_trace_that_ends_in_an_anode_effect():
    assert found(trace(second_by_second(40, [(20, 60)]))) == [(20, 40, 20, True)]


def test_overvoltage_of_a_dip_between_runs():
    readings = [(float(t), 3.95) for t in range(1000)]
    readings[100:120] = [(float(t), 24.0) for t in range(100, 120)]
    readings[120:160] = [(float(t), 3.0) for t in range(120, 160)]  # killing dips
    readings[160:170] = [(float(t), 24.0) for t in range(160, 170)]
    result = trace(readings)
    assert len(result.anode_effects) == 1
    above = 30 * (24.0 - 3.95)
    assert result.aeo_positive_mV == pytest.approx(1000 * above / 1000)
    assert result.aeo_algebraic_mV == pytest.approx(1000 * (above - 40 * 0.95) / 1000)


stretches = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([3.9, 4.5, 7.0, 8.0, 8.5, 25.0])),
    min_size=1,
    max_size=25,
)
rules = st.builds(
    AnodeEffectRule,
    v_on_V=st.just(8.0),
    t_on_s=st.sampled_from([0.0, 1.0, 3.0, 10.0]),
    v_off_V=st.sampled_from([5.0, 8.0]),
    t_merge_s=st.sampled_from([0.0, 5.0, 30.0, 900.0]),
    hold_s=st.sampled_from([0.0, 2.0, 10.0]),
)


def spread(parts):
    return [(float(t), v) for t, v in enumerate(v for n, volts in parts for v in [volts] * n)]


@settings(deadline=None, max_examples=300)
@given(stretches, rules, st.sets(st.integers(0, 999), max_size=300))
def test_trace_equals_slow_twin(parts, rule, missing):
    readings = [r for r in spread(parts) if int(r[0]) not in missing]
    if len(readings) < 3 or np.median(np.diff([t for t, _ in readings])) != 1:
        return
    result = trace(readings, rule)
    effects, spikes = twin(readings, rule)
    assert found(result) == [(a, b, above, gap) for a, b, above, _, gap in effects]
    assert [(s.start / SECOND, s.end / SECOND) for s in result.spikes] == spikes


@settings(deadline=None, max_examples=40)
@given(stretches, rules, st.sets(st.integers(0, 999), max_size=200), st.data())
def test_live_in_any_beats_equals_slow_twin(make_plant, runner, parts, rule, missing, data):
    """The same effects, day's count and minutes, whatever the beats."""
    readings = [r for r in spread(parts) if int(r[0]) not in missing] or [(0.0, 3.9)]
    plant = make_plant(lines=1, cells=1, effect=rule)
    run = runner(plant, beat_s=data.draw(st.sampled_from([0.5, 1, 7, 60])))
    for time, volt in readings:
        run.give("L1-001.voltage", time, volt)
    beats = int((readings[-1][0] + rule.hold_s + 3) / (run.beat_ns / SECOND)) + 2
    run.run(beats)
    effects, _ = twin(readings, rule)
    got = sorted(run.effects.values(), key=lambda e: e["start"])
    start = run.now - beats * run.beat_ns
    assert [
        ((e["start"] - start) / SECOND, (e["end"] - start) / SECOND, e["above_s"], e["runs"])
        for e in got
    ] == [e[:4] for e in effects]
    assert [bool(e["incomplete"]) for e in got] == [e[4] for e in effects]
    assert run.figure("cell", "anode_effects_day") == len(effects)
    minutes = sum(e[2] for e in effects) / 60
    assert run.figure("cell", "anode_effect_minutes_day") == pytest.approx(minutes)


def feed(run, start, volts):
    for k, volt in enumerate(volts):
        run.give("L1-001.voltage", start + k, volt)
        run.give("L1.current", start + k, 600.0)


def test_live_figures_while_it_lasts(make_plant, runner):
    run = runner(make_plant(lines=1, cells=1))
    feed(run, 0, [3.95] * 10 + [30.0] * 20 + [3.95] * 10)
    run.run(12)
    assert run.figure("cell", "anode_effect") == 0  # two seconds above: not yet one
    assert run.last.anode_effects.size == 0
    run.run(1)
    assert run.figure("cell", "anode_effect") == 1
    assert run.figure("cell", "anode_effect_elapsed") == 3
    assert run.figure("line", "cells_in_anode_effect") == 1
    assert run.last.anode_effects["above_s"].tolist() == [3.0]
    run.run(7)
    assert run.figure("cell", "anode_effect_elapsed") == 10
    assert run.figure("cell", "anode_effect_minutes_day") == pytest.approx(10 / 60)
    run.run(20)
    assert run.figure("cell", "anode_effect") == 0
    assert run.figure("cell", "anode_effect_elapsed") == 0
    (effect,) = run.effects.values()
    assert effect["above_s"] == 20
    assert effect["max_V"] == 30
    assert effect["mean_V"] == pytest.approx(30)
    run.run(30)
    assert np.isnan(run.figure("cell", "anode_effect"))  # the voltage is unknown by now


def test_a_run_is_closed_when_its_samples_stay_away(make_plant, runner):
    run = runner(make_plant(lines=1, cells=1))
    feed(run, 0, [3.95] * 5 + [30.0] * 10)
    run.run(20)
    assert run.figure("cell", "anode_effect") == 1  # missing, but held
    run.run(10)
    assert np.isnan(run.figure("cell", "anode_effect"))
    (effect,) = run.effects.values()
    assert effect["above_s"] == 10
    assert effect["incomplete"]


def test_midnight_splits_minutes_and_not_the_count(make_plant, runner):
    plant = make_plant(lines=1, cells=1)
    run = runner(plant, start=runner(plant).now - 60 * SECOND)
    feed(run, -60, [3.95] * 40 + [30.0] * 50 + [3.95] * 30)  # 23:59:40 to 00:00:30
    run.run(60)
    assert run.figure("cell", "anode_effects_day") == 1
    assert run.figure("cell", "anode_effect_minutes_day") == pytest.approx(20 / 60)
    positive = run.figure("cell", "overvoltage_positive_day")
    assert positive == pytest.approx(1000 * 20 * (30 - 3.95) / 60)
    run.run(60)
    assert run.figure("cell", "anode_effects_day") == 0
    assert run.figure("cell", "anode_effect_minutes_day") == pytest.approx(30 / 60)
    assert run.figure("cell", "overvoltage_positive_day") == pytest.approx(
        1000 * 30 * (30 - 3.95) / 60
    )
    assert np.isnan(run.figure("cell", "aed_day"))
    assert run.figure("cell", "aem_day") == pytest.approx(0.5 / (60 / DAY))


def test_target_voltage_of_the_tag_counts_while_it_is_good(make_plant, runner):
    run = runner(make_plant(lines=1, cells=1))
    feed(run, 0, [4.2] * 10 + [24.2] * 10 + [4.2] * 10)
    run.give("L1-001.target_voltage", 0, 4.2)
    run.run(30)
    assert run.figure("cell", "overvoltage_positive_day") == pytest.approx(1000 * 200 / 30)
