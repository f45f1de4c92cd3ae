"""Same seed, same storm; every kind once before any comes twice; none meets another."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from potline.chaos.faults import KINDS
from potline.chaos.schedule import plan

SOURCES = frozenset({"a", "b", "c"})
ALL = SOURCES | {"store"}
TARGETS = {
    "collector": {"": ALL},
    "clock": {"": ALL},
    "disk": {"": ALL},
    "simulator": {"": SOURCES},
    "broker": {"broker-0": frozenset({"c"})},
    "link": {"a": frozenset({"a"}), "b": frozenset({"b"}), "broker-0": frozenset({"c"})},
    "server": {"a": frozenset({"a"}), "b": frozenset({"b"})},
    "store": {"": frozenset({"store"})},
}


def made(seed: int, seconds: float = 3600.0, faults: int = 240):
    return plan(KINDS.values(), TARGETS, seconds, faults, seed)


@given(st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_storm(seed):
    assert made(seed, 120, 20) == made(seed, 120, 20)


def test_another_seed_gives_another_storm():
    assert made(1) != made(2)


def test_an_hour_has_room_for_200_faults_of_every_kind():
    planned = made(1)
    counts = Counter(fault.kind.name for fault in planned)
    assert len(planned) >= 200
    assert set(counts) == set(KINDS)
    assert len(KINDS) >= 35
    assert max(counts.values()) - min(counts.values()) <= 2


@given(st.integers(0, 2**32), st.floats(20, 900), st.integers(0, 100))
def test_no_fault_meets_another_and_none_outlasts_the_storm(seed, seconds, faults):
    planned = made(seed, seconds, faults)
    assert len(planned) <= faults
    busy: dict[str, float] = {}
    for fault in planned:
        assert fault.at_s + fault.for_s <= seconds
        low, high = fault.kind.lasts_s
        assert low <= fault.for_s <= high
        for each in fault.touches:
            assert busy.get(each, 0.0) <= fault.at_s
            busy[each] = fault.at_s + fault.for_s


def test_what_is_not_there_is_not_struck():
    targets = {**TARGETS, "store": {}}
    planned = plan(KINDS.values(), targets, 600, 100, 1)
    assert planned
    assert not [fault for fault in planned if fault.kind.where == "store"]
