"""When tags are looked at, and what is found, without a server; times in s."""

from __future__ import annotations

import numpy as np
import pytest

from collector.opcua.watch import TagWatch
from plant.batch import SECOND, Batch
from plant.model import Source

NOW = 1_795_262_400
TAGS, INTERVAL_S, PUBLISHING_S = 10, 1.0, 0.5


@pytest.fixture
def watch(plant_of) -> TagWatch:
    tags = [{"signal": f"s{n}", "interval_s": INTERVAL_S} for n in range(TAGS)]
    watch = TagWatch(plant_of(Source("o", "opcua", 3.0, {}), tags))
    sampling_s = np.full(TAGS, INTERVAL_S / 2)
    watch.begin(np.arange(TAGS, dtype=np.int32), sampling_s, PUBLISHING_S, 0.0)
    return watch


def samples(columns: list[int], at: float) -> Batch:
    return Batch.of(columns, [round((NOW + at) * SECOND)] * len(columns), [at] * len(columns))


def flow(watch: TagWatch, until: int, columns: list[int]) -> None:
    for second in range(1, until + 1):
        watch.notified(samples(columns, second), second)


def looks(watch: TagWatch, at: float, early: bool = False) -> list[int]:
    """Look at what is overdue; the server has news of all of it, of the last whole second. -> which
    they were"""
    columns = watch.to_look_at_early(at) if early else watch.to_look_at(at)
    news = np.ones(len(columns), np.bool_)
    read = samples(columns.tolist(), at // 1)
    watch.looked(read, news, news, round((NOW + at) * SECOND), at, flowing=not early)
    return columns.tolist()


def test_nothing_is_looked_at_while_all_flows(watch):
    flow(watch, 5, list(range(TAGS)))
    assert looks(watch, 6.3) == []
    assert not len(watch.silent(6.1))
    assert not len(watch.not_brought(6.3))


def test_a_silent_majority_is_found_before_twice_the_interval(watch):
    flow(watch, 5, list(range(TAGS)))
    assert looks(watch, 6.2, early=True) == list(range(TAGS))
    assert not len(watch.not_brought(6.3))
    assert watch.not_brought(6.5).tolist() == list(range(TAGS))


def test_a_single_dead_tag_is_found_within_twice_its_interval(watch):
    flow(watch, 5, list(range(TAGS)))
    watch.notified(samples(list(range(1, TAGS)), 6), 6)
    assert not len(watch.silent(6.3)), "the others flow"
    assert looks(watch, 6.39) == []
    assert looks(watch, 6.41) == [0]
    assert not len(watch.not_brought(6.85))
    assert watch.not_brought(6.95).tolist() == [0]


def test_what_came_after_all_is_not_found(watch):
    flow(watch, 5, list(range(TAGS)))
    looks(watch, 6.2, early=True)
    watch.notified(samples(list(range(TAGS)), 6.3), 6.3)
    assert not len(watch.not_brought(9.0))


def test_nothing_is_found_that_waited_for_ourselves(watch):
    flow(watch, 5, list(range(TAGS)))
    looks(watch, 6.2, early=True)
    watch.excuse(6.4)
    assert not len(watch.not_brought(7.0))
    assert looks(watch, 6.5) == []


def test_tags_that_were_found_are_spared_for_a_while(watch):
    flow(watch, 5, list(range(TAGS)))
    looks(watch, 6.2, early=True)
    found = watch.not_brought(6.6)
    watch.spare(found, 6.6)
    assert looks(watch, 9.1) == list(range(TAGS))
    assert not len(watch.not_brought(12.0))
    assert len(watch.not_brought(40.0))
