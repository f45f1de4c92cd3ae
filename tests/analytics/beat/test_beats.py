"""The beats of a frame: in frames of one or of several the same bits; and what a changed sample
leaves behind once its day is over: nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat import assess as assess_module
from analytics.beat import shared as sharing
from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import SCOPES
from analytics.beat.frame import Held, freeze
from plant.batch import SECOND, Batch, Quality
from plant.model import AnodeEffectRule

START = 1_795_190_400 * SECOND
MINUTE = 60 * SECOND
LEVELS = {
    "voltage": 3.95, "target_voltage": 3.95, "current": 600.0, "line_voltage": 12.0,
    "ac_power": 7.2, "dc_power": 7.1, "power": 0.15, "fuel_flow": 1.0, "steam_flow": 16.6,
    "steam_pressure": 1.3, "steam_temperature": 194.0, "feedwater_temperature": 105.0,
    "beam_position": 200.0, "contracted_power": 3.0,
}  # fmt: skip
FAST = ("voltage", "current", "line_voltage")


def eventful(plant, start, seconds, seed):
    """Samples of a wild plant: gaps, anode effects, spikes, taps, beam moves, bad readings."""
    rng = np.random.default_rng(seed)
    rows = []
    for tag in plant.tags:
        name, column = tag.signal.name, tag.column
        every = 1 if name in FAST else int(rng.integers(7, 40))
        times = np.arange(0, seconds, every) * SECOND + rng.integers(0, every * SECOND)
        times = times[(times < seconds * SECOND) & (rng.random(len(times)) > 0.03)]
        n = len(times)
        values = LEVELS.get(name, 0.0) * (1 + 0.005 * rng.standard_normal(n))
        if name == "voltage":
            for _ in range(int(rng.integers(0, 4))):
                at = int(rng.integers(0, max(n, 1)))
                values[at : at + int(rng.integers(1, 90))] = rng.choice([4.6, 8.0, 9.0, 30.0])
        elif name == "feed_mode":
            values = rng.integers(0, 4, n).astype(float)
        elif name in ("alumina_fed", "metal_tapped"):
            values = np.cumsum(rng.random(n) < 0.2) * 100.0
        quality = np.where(rng.random(n) < 0.01, int(Quality.BAD), 0)
        rows += zip([column] * n, (start + times).tolist(), values.tolist(), quality, strict=True)
    rng.shuffle(rows)
    return Batch.of(*zip(*rows, strict=True))


def run(plant, batch, state, held, start, lengths, alarms=True):
    """Assess frames of so many beats each, one after the other; the assessments."""
    found, at = [], start
    for beats in lengths:
        end = at + beats * plant.beat_ns
        due = batch.take((batch.times >= at) & (batch.times < end))
        frame, held = freeze(plant.hold_ns, at, end, held, due, beats)
        state, assessment = assess(plant, state, frame, alarms)
        found.append(assessment)
        at = end
    return state, held, found


def bits(state):
    return {name: array.tobytes() for name, array in state.arrays.items()}


def of_cell(found):
    """Every mention of an anode effect, cell by cell in the order told."""
    rows = np.concatenate([a.anode_effects for a in found])
    return rows[np.argsort(rows["cell"], kind="stable")].tobytes()


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.sampled_from([1, 2, 5, 10, 20, 60]), max_size=30),
    alarms=st.booleans(),
)
def test_frames_of_several_beats_give_the_same_bits(make_plant, make_rule, seed, cuts, alarms):
    rules = [
        make_rule(kind="excess_energy", on="excess_specific_energy_minute", high=20.0),
        make_rule(id="v", on="voltage", high=4.0, on_delay_s=3, off_delay_s=2),
        make_rule(id="s", kind="stale_source", each="source", on="", high=10),
    ]
    plant = make_plant(lines=2, cells=2, alarms=rules, effect=AnodeEffectRule(t_merge_s=30))
    batch = eventful(plant, START, 180, seed)
    nothing = Held.nothing(len(plant.tags))
    ones = run(plant, batch, new_state(plant), nothing, START, [1] * 180, alarms)
    lengths, left = [], 180
    for cut in [*cuts, *[60] * 180]:  # no frame beyond a minute
        cut = min(cut, left, 60 - (180 - left) % 60)
        if cut:
            lengths.append(cut)
            left -= cut
    several = run(plant, batch, new_state(plant), nothing, START, lengths, alarms)
    assert bits(ones[0]) == bits(several[0])
    assert of_cell(ones[2]) == of_cell(several[2])
    for assessment in several[2]:
        one = next(a for a in ones[2] if a.time == assessment.time)
        for scope in SCOPES:
            assert one.figures[scope].tobytes() == assessment.figures[scope].tobytes(), scope
    turns = [np.concatenate([a.transitions for a in found]) for found in (ones[2], several[2])]
    assert turns[0].tobytes() == turns[1].tobytes()


@pytest.mark.parametrize("lengths", [[1] * 120, [10] * 12])
def test_two_threads_give_the_bits_of_one(make_plant, make_rule, monkeypatch, lengths):
    rules = [make_rule(id="v", on="voltage", high=4.0, on_delay_s=3, off_delay_s=2)]
    plant = make_plant(lines=3, cells=2, alarms=rules, effect=AnodeEffectRule(t_merge_s=30))
    batch = eventful(plant, START, 120, 7)
    found, seen = [], set()
    real = assess_module.step_lines

    def spied(first, last, *rest):
        seen.add((first, last))
        real(first, last, *rest)

    monkeypatch.setattr("analytics.beat.assess.step_lines", spied)
    monkeypatch.setattr(sharing, "WORTH", 0)
    for free in (False, True):
        monkeypatch.setattr(sharing, "core_free", lambda free=free: free)
        held = Held.nothing(len(plant.tags))
        state, _, told = run(plant, batch, new_state(plant), held, START, lengths)
        found.append((bits(state), told))
    assert seen == {(0, 3), (0, 2), (2, 3)}
    assert found[0][0] == found[1][0]
    assert any(len(a.anode_effects) for a in found[0][1])
    for one, two in zip(found[0][1], found[1][1], strict=True):
        assert one.anode_effects.tobytes() == two.anode_effects.tobytes()
        assert one.transitions.tobytes() == two.transitions.tobytes()
        for scope in SCOPES:
            assert one.figures[scope].tobytes() == two.figures[scope].tobytes(), scope


def test_a_frame_of_several_beats_stays_in_its_minute(make_plant):
    plant = make_plant()
    held = Held.nothing(len(plant.tags))
    frame, _ = freeze(plant.hold_ns, START + 50 * SECOND, START + 70 * SECOND, held,
                      Batch.empty(), 20)  # fmt: skip
    with pytest.raises(ValueError, match="a minute begins within it"):
        assess(plant, new_state(plant), frame)
    with pytest.raises(ValueError, match="cannot be cut into 7 beats"):
        freeze(plant.hold_ns, START, START + 20 * SECOND, held, Batch.empty(), 7)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), changed=st.floats(0, 1))
def test_a_changed_sample_is_forgotten_after_its_day(make_plant, seed, changed):
    """20 minutes into the next day the state is, bit for bit, that of a run that never saw it."""
    plant = make_plant(lines=1, cells=2, shifts=("00:00",))
    plant = replace(plant, boilers=())
    start, seconds = START - 300 * SECOND, 300 + 1200
    batch = eventful(plant, start, seconds, seed)
    fast = [t.column for t in plant.tags if t.signal.name in FAST]
    other = np.flatnonzero((batch.times < START - SECOND) & np.isin(batch.tags, fast))
    values = batch.values.copy()
    values[other[int(changed * (len(other) - 1))]] = 12.5
    states = []
    for v in (batch.values, values):
        fed = Batch(batch.tags, batch.times, v, batch.quality)
        lengths = [60] * (seconds // 60)
        held = Held.nothing(len(plant.tags))
        state, held, _ = run(plant, fed, new_state(plant), held, start, lengths, alarms=False)
        states.append((bits(state), held.values.tobytes()))
    assert states[0] == states[1]


def test_a_changed_sample_is_not_forgotten_before(make_plant):
    plant = make_plant(lines=1, cells=1)
    batch = eventful(plant, START, 120, 1)
    values = np.where(batch.tags == plant.column_of["L1-001.voltage"], batch.values + 0.1,
                      batch.values)  # fmt: skip
    other = Batch(batch.tags, batch.times, values, batch.quality)
    held = Held.nothing(len(plant.tags))
    one, two = (run(plant, b, new_state(plant), held, START, [60, 60])[0] for b in (batch, other))
    assert bits(one) != bits(two)
