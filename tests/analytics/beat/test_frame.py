"""freeze: what a beat's samples become, compared with a slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.chunk import Chunk
from analytics.beat.frame import NEVER, Held, frame_of, freeze
from plant.batch import SECOND, Batch, Quality

START, END = 1000 * SECOND, 1001 * SECOND
TAGS = 4
HOLD = np.array([SECOND // 2, 10 * SECOND, np.iinfo(np.int64).max // 4, SECOND], np.int64)


def twin(hold, start, end, held, readings):
    """(mean, coverage, last) of one tag, second by tiny piece. readings: sorted
    (time, value); held: (time, value) or None."""
    steps = ([held] if held else []) + readings
    pieces, last = [], np.nan
    for k, (time, value) in enumerate(steps):
        following = steps[k + 1][0] if k + 1 < len(steps) else end
        stop = min(following, time + hold, end)
        begin = max(time, start)
        if not np.isnan(value) and stop > begin:
            pieces.append((stop - begin, value))
    if steps and not np.isnan(steps[-1][1]) and steps[-1][0] + hold >= end:
        last = steps[-1][1]
    if not pieces:
        return np.nan, 0.0, last
    known = sum(p[0] for p in pieces)
    mean = sum(p[0] * p[1] for p in pieces) / known
    return mean, known / (end - start), last


sample = st.tuples(
    st.integers(0, TAGS - 1),
    st.integers(0, 20).map(lambda k: START + k * SECOND // 20).filter(lambda t: t < END),
    st.floats(-100, 100),
    st.sampled_from([0, 0, 0, int(Quality.UNCERTAIN), int(Quality.BAD), int(Quality.CONFIRMED)]),
)
readings = st.lists(sample, max_size=30, unique_by=lambda s: (s[0], s[1]))
helds = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(1, 15 * SECOND), st.floats(-100, 100))),
    min_size=TAGS,
    max_size=TAGS,
)


def held_of(rows):
    held = Held.nothing(TAGS)
    for tag, row in enumerate(rows):
        if row is not None:
            held.times[tag] = START - row[0]
            held.values[tag] = row[1]
    return held


def batch_of(rows):
    return Batch.of(*zip(*rows, strict=True)) if rows else Batch.empty()


@settings(deadline=None)
@given(readings, helds, st.randoms(use_true_random=False))
def test_equals_slow_twin_in_any_order(rows, helds, random):
    held = held_of(helds)
    frame, after = freeze(HOLD, START, END, held, batch_of(rows))
    for tag in range(TAGS):
        own = sorted((t, np.nan if q == 2 else v) for g, t, v, q in rows if g == tag)
        before = (held.times[tag], held.values[tag]) if held.times[tag] != NEVER else None
        got = [a[tag] for a in (frame.mean, frame.coverage)]
        expected = twin(int(HOLD[tag]), START, END, before, own)
        np.testing.assert_allclose([*got, frame.last[tag]], expected, rtol=1e-12, atol=1e-12)
        part = slice(frame.offsets[tag], frame.offsets[tag + 1])
        assert frame.times[part].tolist() == [t for t, _ in own]
        np.testing.assert_array_equal(frame.values[part], [v for _, v in own])
        assert frame.count[tag] == len(own)
        newest = own[-1] if own else before
        assert after.times[tag] == (newest[0] if newest else NEVER)
        np.testing.assert_array_equal(after.values[tag], newest[1] if newest else np.nan)
    shuffled = list(rows)
    random.shuffle(shuffled)
    again, after_again = freeze(HOLD, START, END, held, batch_of(shuffled))
    for name in ("offsets", "times", "values", "quality", "mean", "coverage", "last"):
        assert getattr(again, name).tobytes() == getattr(frame, name).tobytes(), name
    assert after_again.values.tobytes() == after.values.tobytes()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, TAGS - 1),
            st.integers(0, 99).map(lambda k: START + k * SECOND // 20),
            st.floats(-100, 100),
            st.sampled_from([0, 0, int(Quality.BAD)]),
        ),
        max_size=60,
        unique_by=lambda s: (s[0], s[1]),
    ),
    helds,
    st.lists(st.integers(1, 3), min_size=5, max_size=5),
)
def test_frames_cut_from_a_sorted_chunk_are_those_of_freeze(rows, helds, lengths):
    """Frames of one beat or several, their summary that of the last beat."""
    chunk = Chunk.of(batch_of(sorted(rows)), TAGS)
    assert chunk is not None
    start, held, held_cut = START, held_of(helds), held_of(helds)
    for beats in lengths:
        end = start + beats * SECOND
        due = batch_of([r for r in rows if start <= r[1] < end])
        frame, held = freeze(HOLD, start, end, held, due, beats)
        cut, held_cut = frame_of(HOLD, start, end, held_cut, chunk.cut(end), beats)
        for name in ("offsets", "times", "values", "quality", "mean", "coverage", "last"):
            assert getattr(cut, name).tobytes() == getattr(frame, name).tobytes(), name
        for name in ("times", "values", "quality"):
            assert getattr(held_cut, name).tobytes() == getattr(held, name).tobytes(), name
        start = end
    left = [r[1] for r in rows if r[1] >= start]
    assert chunk.left == len(left)
    assert not left or chunk.first() == min(left)


def test_what_is_not_sorted_is_no_chunk():
    assert Chunk.of(batch_of([(1, 5, 0.0, 0), (0, 6, 0.0, 0)]), TAGS) is None
    assert Chunk.of(batch_of([(1, 5, 0.0, 0), (1, 5, 1.0, 0)]), TAGS) is None
    assert Chunk.of(batch_of([(1, 5, 0.0, 0), (1, 6, 1.0, 0)]), TAGS) is not None


def test_of_two_with_one_time_the_first_counts():
    rows = [(1, START + 5, 1.0, 0), (1, START + 5, 2.0, 0), (1, START + 1, 3.0, 0)]
    frame, _ = freeze(HOLD, START, END, Held.nothing(TAGS), batch_of(rows))
    assert frame.values.tolist() == [3.0, 1.0]
    assert frame.offsets.tolist() == [0, 0, 2, 2, 2]


def test_constant_is_exact():
    rows = [(1, START + k * 7_000_003, 958.3, 0) for k in range(100)]
    frame, _ = freeze(HOLD, START, END, Held.nothing(TAGS), batch_of(rows))
    assert frame.mean[1] == 958.3
    assert frame.coverage[1] == 1.0


def test_bad_ends_a_hold_and_uncertain_does_not():
    held = held_of([None, (SECOND, 4.0), (SECOND, 5.0), None])
    rows = [(1, START + SECOND // 2, 99.0, int(Quality.BAD)), (2, START, 6.0, 1)]
    frame, after = freeze(HOLD, START, END, held, batch_of(rows))
    assert frame.mean[1] == 4.0
    assert frame.coverage[1] == 0.5
    assert np.isnan(frame.last[1])
    assert np.isnan(after.values[1])
    assert frame.mean[2] == 6.0
    follow, _ = freeze(HOLD, END, END + SECOND, after, Batch.empty())
    assert np.isnan(follow.mean[1])
    assert follow.coverage[1] == 0


def test_a_reading_stands_for_its_hold_time():
    held = held_of([(SECOND // 4, 4.0), (10 * SECOND, 5.0), None, None])
    frame, _ = freeze(HOLD, START, END, held, Batch.empty())
    assert frame.coverage.tolist() == [0.25, 0.0, 0.0, 0.0]
    assert frame.mean[0] == 4.0
    assert np.isnan(frame.last[0])


def test_samples_of_another_beat_are_refused():
    with pytest.raises(ValueError, match="do not belong to the frame"):
        freeze(HOLD, START, END, Held.nothing(TAGS), batch_of([(0, END, 1.0, 0)]))
