"""A row's place in its tag's history: the kernel against a plain twin, in any partition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.screen import CAUSES, DISCONNECTED, DOWN, SILENT, Track, screen
from plant.batch import SECOND, Batch, Quality
from plant.model import Source

BASE = 1_795_262_400 * SECOND
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
    newest, last, found = {}, {}, []
    suspects, backwards = [], []
    awaiting = dict(awaiting)
    for tag, time, value in rows:
        before = newest.get(tag)
        suspect = before is not None and time <= before
        suspects.append(suspect)
        went_back = False
        if not suspect:
            if before is not None:
                silence = (time - before) / SECOND
                if tag in awaiting:
                    if silence > 1.5 * plant.tags[tag].interval_s:
                        found.append((tag, before, time, awaiting[tag]))
                elif silence > plant.tags[tag].hold_s:
                    found.append((tag, before, time, SILENT))
            awaiting.pop(tag, None)
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
        suspect, batch, gaps = track.follow(plant, batch)
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
    track = Track.of(np.full(COLUMNS, np.iinfo(np.int64).min))
    awaiting = {}
    if resumed:
        track.resume(np.ones(COLUMNS, np.bool_), BASE - 1)
        awaiting = dict.fromkeys(range(COLUMNS), DOWN)
    expected = twin(plant, rows, awaiting)
    assert run(plant, track, rows, cuts) == expected


def test_gaps_have_their_cause(plant_of):
    plant = a_plant(plant_of)
    track = Track.of(np.array([BASE, BASE, BASE]))
    track.resume(np.array([True, False, False]), began=BASE + 1)
    _, _, gaps = track.follow(
        plant, Batch.of([0, 0], [BASE + 5 * SECOND, BASE + 6 * SECOND], [1, 1])
    )
    assert [CAUSES[int(c)] for c in gaps.causes] == ["collector was down"]
    track.resume(np.array([True, False, False]), began=BASE + 1)
    later = [BASE + 30 * SECOND, BASE + 60 * SECOND]
    _, _, gaps = track.follow(plant, Batch.of([0, 0], later, [1, 1]))
    assert gaps.causes.tolist() == [DISCONNECTED, SILENT]
    assert gaps.starts.tolist() == [BASE + 6 * SECOND, later[0]]
    assert gaps.ends.tolist() == later


def test_a_short_interruption_leaves_no_gap(plant_of):
    plant = a_plant(plant_of)
    track = Track.of(np.array([BASE, BASE, BASE]))
    track.resume(np.ones(3, np.bool_), began=0)
    soon = [BASE + SECOND, BASE + SECOND, BASE + 80 * SECOND]
    _, _, gaps = track.follow(plant, Batch.of([0, 1, 2], soon, [1, 1, 1]))
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
