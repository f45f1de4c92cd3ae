"""A rectifier that tells only what it has counted: its energy in the beats."""

from dataclasses import replace

import pytest

from analytics.beat.assess import assess, new_state
from analytics.beat.frame import Held, freeze
from plant.batch import SECOND, Batch
from plant.model import Signal

START = 1_795_190_400 * SECOND
MW = 300.0


@pytest.fixture
def plant(make_plant):
    plant = make_plant(lines=1, cells=2)
    counter = Signal("ac_energy", "rectifier", "MWh", "counter", 0, 1e12, float("inf"), "E", "E")
    power = replace(plant.signals["rectifier.ac_power"], high=500.0)
    tags = tuple(
        replace(t, id="L1-R.ac_energy", signal=counter, interval_s=10.0)
        if t.id == "L1-R.ac_power"
        else t
        for t in plant.tags
    )
    signals = {**plant.signals, "rectifier.ac_power": power, "rectifier.ac_energy": counter}
    return replace(plant, tags=tags, signals=signals)


def counted(runner, plant, seconds, shows):
    """Runs so many seconds with a reading each ten, given as shows(second)."""
    run = runner(plant)
    for second in range(0, seconds + 1, 10):
        run.give("L1-R.ac_energy", second, shows(second))
    run.run(seconds + 1)
    return run


def energy(run, window="hour"):
    return run.figure("line", f"ac_energy_{window}")


def true(second):
    return 1000 + MW * second / 3600


def test_energy_is_what_the_counter_rose(runner, plant):
    run = counted(runner, plant, 3590, true)
    assert energy(run) == pytest.approx(MW * 3590 / 3600)
    assert run.figure("line", "coverage_hour") <= 1


@pytest.mark.parametrize(
    ("what", "shows"),
    [
        ("reset", lambda s: true(s) if s < 1800 else MW * (s - 1800) / 3600),
        ("replaced", lambda s: true(s) if s < 1800 else 777_777 + MW * s / 3600),
        ("jitter", lambda s: true(s) - (0.05 if s % 600 == 0 else 0)),
        ("a false reading", lambda s: 5e6 if s == 1800 else true(s)),
    ],
)
def test_whatever_becomes_of_it_nothing_is_negative_or_a_spike(runner, plant, what, shows):
    run = runner(plant)
    for second in range(0, 3600, 10):
        run.give("L1-R.ac_energy", second, shows(second))
    before = 0.0
    for _ in range(360):
        run.run(10)
        now = energy(run, "day")
        if now == now:
            assert -1e-9 <= now - before <= MW * 25 / 3600, what
            before = now
    assert before == pytest.approx(MW * 3590 / 3600, rel=0.006)


def test_windows_add_up_over_a_gap(runner, plant):
    """Silent from 00:20 to 02:40: the day has it all, each hour no more than its own."""
    run = runner(plant)
    at = [*range(0, 1200, 10), *range(9600, 14_400, 10)]
    for second in at:
        run.give("L1-R.ac_energy", second, true(second))
    run.run(9700)
    assert energy(run, "day") == pytest.approx(MW * 9690 / 3600)
    assert energy(run) == pytest.approx(MW * (9690 - 7200) / 3600)
    run.run(4700)
    assert energy(run, "day") == pytest.approx(MW * 14_390 / 3600)
    assert energy(run) == pytest.approx(MW * (14_390 - 10_790) / 3600)


def test_frames_of_several_beats_give_the_same_bits(plant):
    column = plant.column_of["L1-R.ac_energy"]
    seconds = range(0, 240, 7)
    batch = Batch.of(
        [column] * len(seconds), [START + s * SECOND for s in seconds], [true(s) for s in seconds]
    )
    found = []
    for beats in (1, 10):
        state, held = new_state(plant), Held.nothing(len(plant.tags))
        for start in range(START, START + 240 * SECOND, beats * SECOND):
            end = start + beats * SECOND
            rows = batch.take((batch.times >= start) & (batch.times < end))
            frame, held = freeze(plant.hold_ns, start, end, held, rows, beats)
            state, assessment = assess(plant, state, frame)
        found.append((assessment.figures["line"].tobytes(), state.arrays["gauges"].tobytes()))
    assert found[0] == found[1]
