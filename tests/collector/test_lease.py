"""The lease: one active, a take-over in time, and the greater of two when the link is back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.lease import Lease

LEASE_S, BEAT_S, TICK_S = 3.0, 0.5, 0.1


@dataclass
class World:
    """Two collectors on one clock, and the link between them."""

    now: float = 100.0
    linked: bool = True
    epochs: dict[str, list[int]] = field(default_factory=lambda: {"a": [], "b": []})
    halves: dict[str, Lease] = field(default_factory=dict)
    _said: float = 0.0

    def start(self, name: str, priority: int = 1) -> Lease:
        kept = self.epochs[name]
        self.halves[name] = Lease(
            name, priority, LEASE_S, self.now, kept[-1] if kept else 0, keep=kept.append
        )
        return self.halves[name]

    def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            for half in self.halves.values():
                half.tick(self.now)
            if self.linked and self.now - self._said >= BEAT_S and len(self.halves) == 2:
                self._said = self.now
                self.talk()

    def talk(self) -> None:
        a, b = self.halves["a"], self.halves["b"]
        b.hear(a.word, self.now)
        a.hear(b.word, self.now)

    @property
    def active(self) -> list[str]:
        return [name for name, half in self.halves.items() if half.active]


@pytest.fixture
def world() -> World:
    return World()


def test_alone_it_waits_for_a_lease_and_becomes_active(world):
    world.start("a")
    world.pass_(LEASE_S - 0.2)
    assert world.active == []
    world.pass_(0.4)
    assert world.active == ["a"]
    assert world.halves["a"].reason == "no other active collector was heard of"


@pytest.mark.parametrize(("of_a", "of_b", "expected"), [(1, 2, "a"), (2, 1, "b"), (1, 1, "a")])
def test_of_two_that_start_together_the_priority_decides_at_once(world, of_a, of_b, expected):
    world.start("a", of_a)
    world.start("b", of_b)
    world.pass_(2 * BEAT_S)
    assert world.active == [expected]
    world.pass_(10)
    assert world.active == [expected]


def test_the_standby_takes_over_when_the_lease_runs_out_and_the_other_comes_back_as_standby(world):
    world.start("a")
    world.start("b", 2)
    world.pass_(5)
    del world.halves["a"]
    world.pass_(LEASE_S - 0.2)
    assert world.active == []
    world.pass_(0.7)
    assert world.active == ["b"]
    assert world.halves["b"].reason == "the lease of a ran out"
    world.start("a")
    world.pass_(20)
    assert world.active == ["b"], "the better priority does not take it back"
    assert world.halves["b"].epoch == 2


def test_who_leaves_hands_over_at_once_and_does_not_take_it_again(world):
    world.start("a")
    world.start("b", 2)
    world.pass_(5)
    world.halves["a"].leave()
    world.talk()
    assert world.active == ["b"]
    assert world.halves["b"].reason == "a has left"
    world.linked = False
    world.pass_(10)
    assert world.active == ["b"]


def test_cut_apart_both_go_on_and_the_newer_lease_stands_when_the_link_is_back(world):
    world.start("a")
    world.start("b", 2)
    world.pass_(5)
    world.linked = False
    world.pass_(5)
    assert world.active == ["a", "b"]
    world.linked = True
    world.pass_(BEAT_S + TICK_S)
    assert world.active == ["b"]
    assert world.halves["a"].reason == "b has the newer lease"


def test_who_stood_still_for_longer_than_the_lease_does_not_believe_it_has_it(world):
    a = world.start("a")
    world.start("b", 2)
    world.pass_(5)
    del world.halves["a"]
    world.pass_(5)
    world.halves["a"] = a
    world.pass_(TICK_S)
    assert world.active == ["b"], "before it heard of the other one"
    world.pass_(10)
    assert world.active == ["b"]


def test_an_epoch_survives_a_restart_and_only_grows(world):
    world.start("a")
    world.pass_(5)
    world.start("a")
    world.pass_(5)
    assert world.epochs["a"] == [1, 2]


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["kill a", "kill b", "start a", "start b", "cut", "join", "leave"]),
        st.floats(0.1, 8.0),
    ),
    max_size=12,
)


@given(FAULTS)
def test_whatever_happens_one_is_active_when_it_is_over(faults):
    world = World()
    world.start("a")
    world.start("b", 2)
    for what, for_s in faults:
        verb, _, name = what.partition(" ")
        if verb == "kill":
            world.halves.pop(name, None)
        elif verb == "start" and name not in world.halves:
            world.start(name)
        elif verb == "leave":
            for half in world.active:
                world.halves.pop(half).leave()
        else:
            world.linked = {"cut": False, "join": True}.get(verb, world.linked)
        world.pass_(for_s)
        for name in world.active:
            assert world.halves[name].epoch == world.epochs[name][-1]
    world.linked = True
    for name in ("a", "b"):
        if name not in world.halves:
            world.start(name)
    world.pass_(LEASE_S + 2 * BEAT_S)
    assert len(world.active) == 1
    for epochs in world.epochs.values():
        assert epochs == sorted(set(epochs))
