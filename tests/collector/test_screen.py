"""A row's place in its tag's history: the kernel against a plain twin, in any partition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.screen import CAUSES, DISCONNECTED, DOWN, SILENT, Track, screen
from plant.batch import SECOND, Batch, Quality
from plant.model import Source
from store.facts import Last

BASE = 1_795_262_400 * SECOND
LATER = BASE + 3600 * SECOND
COLUMNS = 3  # gauge, counter, state that holds for ever

ROWS = st.lists(
    st.tuples(
        st.integers(0, COLUMNS - 1),
        st.integers(0, 60).map(lambda s: BASE + s * SECOND),
        st.sampled_from([0.0, 1.0, 2.0, math.nan]),
    ),
    max_size=40,
)


def a_plant(plant_of):
    rows = [
        {"signal": "g", "hold_s": 10.0, "interval_s": 1.0},
        {"signal": "n", "kind": "counter", "hold_s": 10.0, "interval_s": 2.0},
        {"signal": "s", "kind": "state", "hold_s": math.inf, "interval_s": 60.0},
    ]
    return plant_of(Source("o", "opcua", 3.0, {}), rows)


def twin(plant, rows, awaiting):
    """Row by row, in plain Python."""
    newest, told, last, found = {}, {}, {}, []
    suspects, backwards = [], []
    awaiting = dict(awaiting)
    for tag, time, value in rows:
        before = newest.get(tag)
        suspect = before is not None and time <= before
        suspects.append(suspect)
        went_back = False
        live = not suspect or time > before - plant.time.max_future_s * SECOND
        if live and not (tag in awaiting and tag in told and time <= told[tag]):
            if tag in awaiting and tag in told:
                if (time - told[tag]) / SECOND > 1.5 * plant.tags[tag].interval_s:
                    found.append((tag, told[tag], time, awaiting[tag]))
            elif before is not None and (time - before) / SECOND > plant.tags[tag].hold_s:
                found.append((tag, before, time, SILENT))
            awaiting.pop(tag, None)
            told[tag] = time
        if not suspect:
            newest[tag] = time
            if not math.isnan(value):
                counter = plant.tags[tag].signal.kind == "counter"
                went_back = counter and value < last.get(tag, -math.inf)
                last[tag] = value
        backwards.append(went_back)
    return suspects, backwards, found


def run(plant, track, rows, cuts):
    suspects, backwards, found = [], [], []
    edges = sorted({0, len(rows), *(c for c in cuts if c < len(rows))})
    for start, end in pairwise(edges):
        part = rows[start:end]
        batch = Batch.of(*(list(c) for c in zip(*part, strict=True)))
        suspect, batch, gaps = track.follow(plant, batch, LATER)
        suspects += suspect.tolist()
        backwards += (batch.quality & Quality.COUNTER_BACKWARDS > 0).tolist()
        columns = (gaps.tags, gaps.starts, gaps.ends, gaps.causes)
        found += zip(*(c.tolist() for c in columns), strict=True)
    return suspects, backwards, found


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # plant_of keeps nothing
)
@given(rows=ROWS, cuts=st.lists(st.integers(1, 39), max_size=5), resumed=st.booleans())
def test_the_kernel_equals_its_twin_in_any_partition(plant_of, rows, cuts, resumed):
    plant = a_plant(plant_of)
    track = Track.of(Last.nothing(COLUMNS))
    awaiting = {}
    if resumed:
        track.resume(np.ones(COLUMNS, np.bool_), BASE - 1, LATER)
        awaiting = dict.fromkeys(range(COLUMNS), DOWN)
    expected = twin(plant, rows, awaiting)
    assert run(plant, track, rows, cuts) == expected


def test_gaps_have_their_cause(plant_of):
    plant = a_plant(plant_of)
    track = Track.of(last(BASE))
    track.resume(np.array([True, False, False]), began=BASE + 1, heard=LATER)
    _, _, gaps = track.follow(
        plant, Batch.of([0, 0], [BASE + 5 * SECOND, BASE + 6 * SECOND], [1, 1]), LATER
    )
    assert [CAUSES[int(c)] for c in gaps.causes] == ["collector was down"]
    track.resume(np.array([True, False, False]), began=BASE + 1, heard=LATER)
    later = [BASE + 30 * SECOND, BASE + 60 * SECOND]
    _, _, gaps = track.follow(plant, Batch.of([0, 0], later, [1, 1]), LATER)
    assert gaps.causes.tolist() == [DISCONNECTED, SILENT]
    assert gaps.starts.tolist() == [BASE + 6 * SECOND, later[0]]
    assert gaps.ends.tolist() == later


def last(time):
    times = np.full(COLUMNS, time)
    return Last(times, times.copy())


def test_a_clock_that_was_ahead_hides_no_gap(plant_of):
    """The source told of 3 s ahead, then of now; a gap begins with what it told last, whether it
    ends before those 3 s are over or after."""
    plant = a_plant(plant_of)
    for end_s in (5, 30):
        track = Track.of(last(BASE))
        ahead = Batch.of([0, 0, 0], [BASE + s * SECOND for s in (4, 2, 3)], [1, 1, 1])
        suspect, _, gaps = track.follow(plant, ahead, LATER)
        assert suspect.tolist() == [False, True, True]
        assert not len(gaps.tags)
        track.newest[0] = BASE + 6 * SECOND
        track.resume(np.array([True, False, False]), began=0, heard=LATER)
        _, _, gaps = track.follow(plant, Batch.of([0], [BASE + end_s * SECOND], [1]), LATER)
        assert (gaps.starts.tolist(), gaps.ends.tolist(), gaps.causes.tolist()) == (
            [BASE + 3 * SECOND],
            [BASE + end_s * SECOND],
            [DISCONNECTED],
        )


@pytest.mark.parametrize("was_mended", [True, False])
def test_a_clock_that_is_ahead_when_the_connection_ends(plant_of, was_mended):
    """It is right when the source is back, or as far ahead as before."""
    plant = a_plant(plant_of)
    ahead, heard = 3 * SECOND, BASE
    track = Track.of(last(BASE + ahead))
    track.resume(np.array([True, False, False]), began=0, heard=heard)
    back = BASE + SECOND
    first = back if was_mended else back + ahead
    _, _, gaps = track.follow(plant, Batch.of([0], [first], [1]), back + SECOND // 10)
    found = list(zip(gaps.starts.tolist(), gaps.ends.tolist(), strict=True))
    assert found == ([(heard - 2 * SECOND, back)] if was_mended else [])


def test_what_is_late_or_filled_in_moves_no_gap(plant_of):
    plant = a_plant(plant_of)
    track = Track.of(last(BASE))
    late = Batch.of([0, 0], [BASE - 11 * SECOND, BASE - SECOND], [1, 1], [0, Quality.BACKFILLED])
    track.follow(plant, late, LATER)
    assert track.told[0] == BASE


def test_a_short_interruption_leaves_no_gap(plant_of):
    plant = a_plant(plant_of)
    track = Track.of(last(BASE))
    track.resume(np.ones(3, np.bool_), began=0, heard=LATER)
    soon = [BASE + SECOND, BASE + SECOND, BASE + 80 * SECOND]
    _, _, gaps = track.follow(plant, Batch.of([0, 1, 2], soon, [1, 1, 1]), LATER)
    assert not len(gaps.tags)


def test_screening_counts_each_row_once_and_keeps_the_rest(plant_of):
    plant = a_plant(plant_of)
    past = BASE - 31 * 86_400 * SECOND
    batch = Batch.of(
        [0, 7, -1, 0, 0, 0, 0, 0, 0],
        [BASE, BASE, BASE, 0, past, past, BASE + 11 * SECOND, BASE, BASE],
        [1, 1, 1, 1, 1, 1, 1, np.inf, np.inf],
        [0, 0, 0, 0, 0, Quality.BACKFILLED, 0, 0, Quality.BAD],
    )
    kept, refused = screen(plant, batch, BASE)
    assert refused == {
        "unknown_tag": 2,
        "time_invalid": 1,
        "time_too_old": 1,
        "time_future": 1,
        "not_finite": 1,
    }
    np.testing.assert_equal(kept.values, [1, 1, np.nan])
