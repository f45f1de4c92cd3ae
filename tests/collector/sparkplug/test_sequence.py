"""Messages out of order, missing, twice, and births among them."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sparkplug import metric, payload, tag

from plant.batch import Quality


def birth(host, seq: int = 0, time: int = 1000) -> None:
    host.hear("G/NBIRTH/N", payload([metric("x", 0.0, alias=1)], seq, time))


def data(seq: int, value: float, time: int = 2000) -> bytes:
    return payload([metric(value=value, alias=1, told=False)], seq, time)


def say(host, seq: int, value: float, time: int = 2000) -> None:
    host.hear("G/NDATA/N", data(seq, value, time))


@pytest.fixture
def born(host_of):
    host = host_of([tag("a", "x")], reorder_s=60.0)
    birth(host)
    host.flush()
    return host


def later(host) -> None:
    """The window is over."""
    for node in host.decoder.nodes.nodes:
        node.give_up_at = 0.0
    host.decoder.tick()


def values(host) -> list[float]:
    return [value for _, value in host.values()]


def test_the_number_goes_round(born):
    for n in range(1, 1000):
        say(born, n % 256, float(n))
    assert values(born) == [float(n) for n in range(1, 1000)]
    assert born.decoder.missed == 0


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.integers(0, 255), shuffle=st.randoms(use_true_random=False), n=st.integers(2, 40))
def test_any_order_within_the_window_gives_the_right_one(host_of, start, shuffle, n):
    host = host_of([tag("a", "x")], reorder_s=60.0)
    birth(host, start, 1000)
    order = list(range(1, n + 1))
    shuffle.shuffle(order)
    host.flush()
    for i in order:
        say(host, (start + i) % 256, float(i), 2000 + i)
    assert values(host) == [float(i) for i in range(1, n + 1)]
    assert not host.decoder.nodes.holding.any()
    assert host.decoder.missed == 0


def test_what_never_comes_is_counted_and_births_are_asked_for(born):
    say(born, 1, 1.0)
    say(born, 4, 4.0)
    say(born, 6, 6.0)
    assert values(born) == [1.0]
    born.decoder.tick()
    assert values(born) == []
    later(born)
    batch, _ = born.flush()
    assert batch.values.tolist() == [4.0, 6.0]
    assert born.decoder.missed == 3
    assert born.decoder.nodes.wants_birth.all()
    say(born, 7, 7.0)
    batch, _ = born.flush()
    assert batch.quality.tolist() == [Quality.UNCERTAIN]  # an alias may be another one by now
    birth(born)
    say(born, 1, 8.0)
    batch, _ = born.flush()
    assert batch.quality.tolist() == [Quality.GOOD] * 2


def test_one_that_comes_late_counts_and_moves_nothing(born):
    for seq in (1, 2, 4):
        say(born, seq, float(seq))
    later(born)
    say(born, 3, 3.0)
    say(born, 5, 5.0)
    later(born)
    assert sorted(values(born)) == [1.0, 2.0, 3.0, 4.0, 5.0]
    say(born, 6, 6.0)
    assert values(born) == [6.0]
    assert born.decoder.missed == 1


def test_the_same_message_again_moves_nothing(born):
    say(born, 1, 1.0, 2001)
    say(born, 1, 1.0, 2001)
    say(born, 2, 2.0, 2002)
    assert values(born) == [1.0, 1.0, 2.0]
    assert not born.decoder.nodes.wants_birth.any()


def test_what_a_birth_overtook_belongs_to_the_one_before(born):
    say(born, 1, 1.0, 1500)
    say(born, 9, 5.0, 1600)  # its forerunners are lost
    birth(born, 0, 3000)
    assert values(born) == [1.0, 5.0, 0.0]
    say(born, 1, 6.0, 3001)
    assert values(born) == [6.0]


def test_a_message_that_overtakes_its_birth_waits_for_it(born):
    say(born, 1, 1.0, 1500)
    say(born, 7, 7.0, 3002)
    birth(born, 5, 3000)
    assert values(born) == [1.0, 0.0]
    say(born, 6, 6.0, 3001)
    assert values(born) == [6.0, 7.0]


def test_a_death_ends_the_waiting(born):
    say(born, 3, 3.0)
    born.hear("G/NDEATH/N", payload([]))
    batch, _ = born.flush()
    assert batch.values.tolist()[0] == 3.0
    assert batch.quality.tolist()[-1] == Quality.BAD
    assert not born.decoder.nodes.holding.any()


def test_messages_without_a_number_wait_and_count(born):
    born.hear("G/NDATA/N", payload([metric(value=1.0, alias=1, told=False)], None))
    later(born)
    say(born, 1, 2.0)
    assert values(born) == [1.0, 2.0]


def test_a_storm_of_loss_and_order_loses_nothing_that_came(born):
    luck = random.Random(3)
    sent: list[float] = []
    waiting: list[tuple[int, float]] = []
    for n in range(1, 3000):
        if luck.random() < 0.02:
            continue
        waiting.append((n % 256, float(n)))
        if len(waiting) > 3:
            seq, value = waiting.pop(luck.randrange(len(waiting)))
            say(born, seq, value, int(value))
            sent.append(value)
        if n % 100 == 0:
            later(born)
    later(born)
    assert sorted(values(born)) == sorted(sent)
