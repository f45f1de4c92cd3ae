"""The alarm machine: a table of values in, transitions out; and the rules on a running plant."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.alarms import active
from analytics.beat.assessment import State

NAN = float("nan")


class Step(NamedTuple):
    """What a rule knows of an entity: is the alarm active, how long has the change that would end
    this lasted."""

    active: bool = False
    timer_s: float = 0.0


def after(rule, now, value, suppressed=False):
    """The slow twin of the kernel: the rule's entity one beat of a second later."""
    beyond = (value > rule.high or value < rule.low) and not suppressed
    near = value > rule.high - rule.dead_band or value < rule.low + rule.dead_band
    unknown = value != value
    if unknown and (now.active or not suppressed):
        return now
    turning = (not near and not unknown) if now.active else beyond
    timer = now.timer_s + 1 if turning else 0.0
    delay = rule.off_delay_s if now.active else rule.on_delay_s
    return Step(not now.active) if turning and timer >= delay else Step(now.active, timer)


def played(rule, values, suppressed=()):
    """Beats (from 1) at which the alarm of one entity was raised or cleared; 1 s a beat."""
    now, turns = Step(), []
    for beat, value in enumerate(values, 1):
        then = after(rule, now, float(value), beat in suppressed)
        if then.active != now.active:
            turns.append(("raised" if then.active else "cleared", beat))
        now = then
    return turns


def live(make_plant, runner, rule, values):
    """The same turns, of the first cell's beam on a running plant."""
    run, turns = runner(make_plant(lines=1, cells=2, alarms=[rule])), []
    for beat, value in enumerate(values, 1):
        quality = 0 if value == value else 2
        run.give("L1-001.beam_position", beat - 1, value, quality)
        run.run()
        turns += [("raised" if t["active"] else "cleared", beat) for t in run.last.transitions]
        assert run.last.transitions["entity"].tolist() in ([], [0])
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
def test_conformance(make_plant, runner, make_rule, options, values, expected):
    rule = make_rule(on="beam_position", **options)
    assert played(rule, values) == expected
    assert live(make_plant, runner, rule, values) == expected


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.sampled_from([4.0, 5.0, 7.0, 8.0, 9.0, 10.0, 11.0, NAN]), max_size=40),
    options=st.fixed_dictionaries(
        {
            "high": st.sampled_from([10.0, NAN]),
            "low": st.sampled_from([5.0, NAN]),
            "dead_band": st.sampled_from([0.0, 2.0]),
            "on_delay_s": st.sampled_from([0.0, 2.0, 3.0]),
            "off_delay_s": st.sampled_from([0.0, 2.0, 3.0]),
        }
    ),
)
def test_kernel_equals_slow_twin(make_plant, runner, make_rule, values, options):
    rule = make_rule(on="beam_position", **options)
    assert live(make_plant, runner, rule, values) == played(rule, values)


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
