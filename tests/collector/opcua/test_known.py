"""What a Read adds to what is known: that it still stands, nothing that a subscription owes."""

from __future__ import annotations

import numpy as np
import pytest

from collector.opcua.known import Known
from plant.batch import SECOND, Batch, Quality

NOW = 1_795_262_400 * SECOND
READ_AT = NOW + 5 * SECOND


@pytest.fixture
def known() -> Known:
    known = Known.since(np.zeros(2, np.int64))
    known.take(Batch.of([0], [NOW], [4.0]), NOW)
    return known


def read(known: Known, time: int, value: float, by_value: bool = False) -> list[tuple]:
    batch = Batch.of([0], [time], [value])
    found = known.confirm(batch, np.array([by_value]), READ_AT, READ_AT)
    columns = found.times.tolist(), found.values.tolist(), found.quality.tolist()
    return list(zip(*columns, strict=True))


def test_what_stands_is_confirmed_at_the_time_of_the_read(known):
    assert read(known, NOW, 4.0) == [(READ_AT, 4.0, Quality.CONFIRMED)]
    assert read(known, NOW - SECOND, 4.0) == [(READ_AT, 4.0, Quality.CONFIRMED)]


def test_each_value_stands_as_of_its_own_moment_else_as_of_ours(known):
    """First values of items that were made one after the other; one server says no usable time."""
    known.take(Batch.of([1], [NOW], [1.0]), NOW)
    both = Batch.of([0, 1], [NOW, NOW], [4.0, 1.0])
    ours = READ_AT + SECOND
    found = known.confirm_standing(both, np.array([READ_AT, 0]), ours)
    assert found.times.tolist() == [READ_AT, ours]
    marks = [Quality.CONFIRMED, Quality.CONFIRMED | Quality.RECEIVED_TIME]
    assert found.quality.tolist() == marks


@pytest.mark.parametrize("value", [4.0, 4.1])
def test_a_newer_reading_is_left_to_the_subscription(known, value):
    """Stored here, the samples between would be missing and no gap would tell of them."""
    assert read(known, NOW + SECOND, value) == []


def test_an_older_reading_of_another_value_was_brought_already(known):
    assert read(known, NOW - SECOND, 4.1) == []


def test_the_same_value_of_a_newer_time_is_told_where_only_other_values_are_notified(known):
    assert read(known, NOW + SECOND, 4.0, by_value=True) == [(NOW + SECOND, 4.0, 0)]
    assert read(known, NOW + SECOND, 4.1, by_value=True) == []


def test_that_a_value_is_not_known_any_more_is_told(known):
    ((time, value, _),) = read(known, NOW + SECOND, np.nan)
    assert time == NOW + SECOND
    assert np.isnan(value)


def test_of_rows_of_one_tag_the_newest_is_known(known):
    known.take(Batch.of([0, 0, 1], [NOW + 2, NOW + 1, NOW], [4.2, 4.1, 1.0]), NOW + 2)
    assert known.times.tolist() == [NOW + 2, NOW]
    assert known.values.tolist() == [4.2, 1.0]


def test_a_clock_that_was_ahead_does_not_hide_what_comes_when_it_is_right_again(known):
    """As of a server that tells local time as UTC, until somebody puts it right."""
    ahead, latest = NOW + 8 * 3600 * SECOND, NOW + 60 * SECOND
    known.take(Batch.of([0], [ahead], [4.1]), latest)
    assert known.times[0] == ahead
    known.take(Batch.of([0, 0], [NOW + SECOND, NOW], [4.2, 4.0]), latest)
    assert (known.times[0], known.values[0]) == (NOW + SECOND, 4.2)
