"""When a beat is due: one silent source delays nothing for longer than the lateness."""

from types import SimpleNamespace

import numpy as np
import pytest

from collector.beats import IDLE_NS, SETTLE_NS, Watermarks
from plant.batch import SECOND, Batch

T = 1_800_000_000 * SECOND


@pytest.fixture
def marks():
    """Two sources, a tag each; lateness 3 s."""
    plant = SimpleNamespace(
        sources=("a", "b"),
        source_of_tag=np.array([0, 1], np.int32),
        time=SimpleNamespace(lateness_s=3.0),
    )
    return Watermarks(plant)


def sample(tag: int, time: int) -> Batch:
    return Batch.of([tag], [time], [1.0])


def test_nothing_is_due_before_the_first_sample(marks):
    assert marks.due(T) == 0


def test_due_once_every_live_source_has_passed_and_settled(marks):
    marks.see(sample(0, T), now=T)
    marks.see(sample(1, T - SECOND), now=T)
    assert marks.due(T + SETTLE_NS - 1) == 0
    assert marks.due(T + SETTLE_NS) == T - SECOND


def test_a_silent_source_delays_no_longer_than_the_lateness(marks):
    marks.see(sample(1, T - 2 * SECOND), now=T)
    for i in range(4):
        marks.see(sample(0, T + i * SECOND), now=T + i * SECOND)
    assert marks.due(T + 3 * SECOND - 1) == T - 2 * SECOND
    assert marks.due(T + 3 * SECOND) == T  # the first passed it three seconds ago
    marks.see(sample(0, T + 4 * SECOND), now=T + 4 * SECOND)
    # b has said nothing for longer than the lateness and is not waited for any more
    assert marks.due(T + 4 * SECOND + SETTLE_NS) == T + 4 * SECOND


def test_with_no_source_live_the_clock_closes_beats_for_a_while(marks):
    marks.see(sample(0, T), now=T)
    assert marks.due(T + 20 * SECOND) == T + 17 * SECOND
    assert marks.due(T + 3600 * SECOND) == T + IDLE_NS


def test_a_plant_in_the_past_is_computed_in_its_own_time(marks):
    """Thirty times faster than the clock, and one source half a second behind the other."""
    past = T - 3600 * SECOND
    for i in range(40):
        now = T + i * SECOND // 10
        marks.see(sample(0, past + 3 * i * SECOND), now)
        marks.see(sample(1, past + 3 * (i - 5) * SECOND), now)
        assert marks.due(now) <= past + 3 * (i - 5) * SECOND
    assert marks.due(T + 4 * SECOND) == past + 3 * 32 * SECOND  # as of 3.75 s


def test_a_clock_in_the_future_counts_as_now(marks):
    marks.see(sample(0, T + 5 * SECOND), now=T)
    assert marks.due(T + SETTLE_NS) == T
