"""The alarm machine: a table of values in, transitions out; and the rules on a running plant."""

import numpy as np
import pytest

from analytics.alarms import Step, active, after
from analytics.assessment import State
from plant.batch import SECOND

NAN = float("nan")


def played(rule, values, suppressed=()):
    """Beats (from 1) at which the alarm of one entity was raised or cleared; 1 s a beat."""
    now, turns = Step(np.zeros(1, bool), np.zeros(1, np.int64)), []
    for beat, value in enumerate(values, 1):
        held = np.array([beat in suppressed])
        then = after(rule, now, np.array([float(value)]), SECOND, held)
        if then.active[0] != now.active[0]:
            turns.append(("raised" if then.active[0] else "cleared", beat))
        now = then
    return turns


UP, DOWN = "raised", "cleared"
TABLE = [
    # options, values, transitions
    ({"high": 10}, [10, 10.1, 10, 9], [(UP, 2), (DOWN, 3)]),
    ({"low": 5}, [5, 4.9, 5], [(UP, 2), (DOWN, 3)]),
    ({"high": 10, "low": 5}, [4, 7, 11, 7], [(UP, 1), (DOWN, 2), (UP, 3), (DOWN, 4)]),
    ({"high": 10, "dead_band": 2}, [11, 9, 8.1, 8], [(UP, 1), (DOWN, 4)]),
    ({"low": 5, "dead_band": 2}, [4, 6, 7], [(UP, 1), (DOWN, 3)]),
    ({"high": 10, "on_delay_s": 3}, [11, 11, 9, 11, 11, 11], [(UP, 6)]),
    ({"high": 10, "on_delay_s": 3}, [11, 11], []),
    ({"high": 10, "off_delay_s": 3}, [11, 9, 9, 11, 9, 9, 9], [(UP, 1), (DOWN, 7)]),
    ({"high": 10, "dead_band": 2, "off_delay_s": 2}, [11, 8, 9, 8, 8], [(UP, 1), (DOWN, 5)]),
    ({"high": 10}, [NAN, NAN, 9], []),
    ({"high": 10}, [11, NAN, NAN, NAN, 9], [(UP, 1), (DOWN, 5)]),
    ({"high": 10, "on_delay_s": 3}, [11, 11, NAN, NAN, 11], [(UP, 5)]),
    ({"high": 10, "on_delay_s": 3}, [11, 11, NAN, NAN, 9, 11, 11], []),
    ({"high": 10, "off_delay_s": 2}, [11, 9, NAN, NAN, 9], [(UP, 1), (DOWN, 5)]),
    ({"high": 10, "on_delay_s": 2}, [9, 11] * 20, []),  # chattering below the delay
    ({"high": 10, "off_delay_s": 2}, [9, 11] * 20, [(UP, 2)]),  # one alarm, not twenty
]  # fmt: skip


@pytest.mark.parametrize(("options", "values", "expected"), TABLE)
def test_conformance(make_rule, options, values, expected):
    assert played(make_rule(**options), values) == expected


def test_suppressed_is_not_raised_but_may_clear(make_rule):
    rule = make_rule(high=10, on_delay_s=2)
    assert played(rule, [11, 11, 11, 11], suppressed={2, 3}) == []
    assert played(rule, [11] * 6, suppressed={1, 2}) == [("raised", 4)]
    assert played(rule, [11, 11, 9], suppressed={3}) == [("raised", 2), ("cleared", 3)]
    # the on-delay starts afresh even when nothing is known meanwhile
    assert played(rule, [11, NAN, 11], suppressed={2}) == []


def transitions(run):
    return [(int(t["rule"]), int(t["entity"]), bool(t["active"])) for t in run.last.transitions]


def give(run, second, volts=(3.95, 3.95, 3.95), amps=600.0, line=1):
    run.give(f"L{line}.current", second, amps)
    for k, volt in enumerate(volts, 1):
        run.give(f"L{line}-{k:03}.voltage", second, volt)


def test_limit_on_a_signal_of_one_cell(make_plant, make_rule, runner):
    run = runner(make_plant(alarms=[make_rule(high=975, dead_band=3)]))
    run.give("L1-002.bath_temperature", 0, 976.0)
    run.run()
    assert transitions(run) == [(0, 1, True)]
    assert run.last.transitions["value"].tolist() == [976.0]
    assert run.last.transitions["time"].tolist() == [run.now]
    run.run(100)  # it stands until another reading: no change
    run.give("L1-002.bath_temperature", 101, NAN, 2)
    run.run()
    assert transitions(run) == []  # BAD clears nothing
    run.give("L1-002.bath_temperature", 102, 960.0)
    run.run()
    assert transitions(run) == [(0, 1, False)]
    assert [a.tolist() for a in active(run.plant, run.state)] == [[False] * 6]


def test_anode_effect_in_progress(make_plant, make_rule, runner):
    rule = make_rule(kind="anode_effect", on="anode_effect", off_delay_s=5)
    run = runner(make_plant(lines=1, alarms=[rule]))
    turns = []
    for second in range(30):
        give(run, second, (3.95, 30.0 if 5 <= second < 15 else 3.95, 3.95))
        run.run()
        turns += [(second, *t) for t in transitions(run)]
    assert turns == [(7, 0, 1, True), (19, 0, 1, False)]


def test_excess_energy(make_plant, make_rule, runner):
    rule = make_rule(
        kind="excess_energy", on="excess_specific_energy_minute", high=300, dead_band=100
    )
    run = runner(make_plant(lines=1, alarms=[rule]))
    for second in range(60):
        give(run, second, (3.95, 4.10, 40.0))  # +150 mV: 478 kWh/t; an anode effect is left out
    run.run(60)
    assert [a.tolist() for a in active(run.plant, run.state)] == [[False, True, False]]


def test_line_current_drop_is_one_alarm(make_plant, make_rule, runner):
    drop = make_rule(
        kind="line_current_drop", each="line", on="current", low=0.95, dead_band=0.01, on_delay_s=5
    )
    low_voltage = make_rule(on="voltage", low=3.0)
    run = runner(make_plant(alarms=[low_voltage, drop]))
    seen = []
    for second in range(60):
        tripped = 10 <= second < 40
        give(run, second, (1.7,) * 3 if tripped else (3.95,) * 3, 0.0 if tripped else 600.0)
        give(run, second, (3.95, 3.95, 1.0), 600.0, line=2)
        run.run()
        seen += [(second, *t) for t in transitions(run)]
    assert seen == [(0, 0, 5, True), (14, 1, 0, True), (40, 1, 0, False)]


def test_stale_source(make_plant, make_rule, runner):
    rule = make_rule(kind="stale_source", each="source", on="", high=10, off_delay_s=2)
    run = runner(make_plant(alarms=[rule]))
    turns = []
    for second in range(40):
        if second < 5 or second >= 25:
            give(run, second)
        run.run()
        turns += [(second, *t) for t in transitions(run)]
    # source 1 has never said a word: it counts from the first beat
    assert turns == [(10, 0, 1, True), (14, 0, 0, True), (26, 0, 0, False)]


def test_delays_survive_save_and_restore(make_plant, make_rule, runner):
    rule = make_rule(high=975, on_delay_s=60, off_delay_s=60)
    plant = make_plant(alarms=[rule])
    run = runner(plant)
    run.give("L1-001.bath_temperature", 0, 980.0)
    run.run(59)
    run.state = State.from_bytes(run.state.to_bytes())
    assert transitions(run) == []
    run.run()
    assert transitions(run) == [(0, 0, True)]
    run.state = State.from_bytes(run.state.to_bytes())
    run.run(10)
    assert transitions(run) == []
    assert active(plant, run.state)[0].tolist() == [True] + [False] * 5
