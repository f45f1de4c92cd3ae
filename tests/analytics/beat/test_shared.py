"""Who computes which lines. Tables are used again only when nobody looks at them."""

import os
import threading

import numpy as np
import pytest

from analytics.beat import shared as sharing
from analytics.beat.bench import MOST, Kept


def test_an_error_of_either_part_is_told(monkeypatch):
    monkeypatch.setattr(sharing, "core_free", lambda: True)
    monkeypatch.setattr(sharing, "WORTH", 0)
    for failing in (0, 1):

        def part(first, last, failing=failing):
            if first == failing:
                raise ZeroDivisionError
            return first

        with pytest.raises(ZeroDivisionError):
            sharing.shared(np.array([0, 1, 2]), 1, part)
    assert sharing.shared(np.array([0, 1, 2]), 1, lambda first, last: (first, last)) == [
        (0, 1),
        (1, 2),
    ]


def test_a_busy_second_thread_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(sharing, "core_free", lambda: True)
    monkeypatch.setattr(sharing, "WORTH", 0)
    free = threading.Event()
    sharing._second(os.getpid()).submit(free.wait)
    try:
        own = threading.get_ident()
        found = sharing.shared(np.array([0, 1, 2]), 1, lambda *part: (*part, threading.get_ident()))
    finally:
        free.set()
    assert found == [(0, 1, own), (1, 2, own)]


def test_the_lines_are_halved_by_cells(monkeypatch):
    monkeypatch.setattr(sharing, "core_free", lambda: True)
    monkeypatch.setattr(sharing, "WORTH", 0)

    def halves(cells):
        edges = np.concatenate([[0], np.cumsum(cells)])
        return sharing.shared(edges, 1, lambda first, last: (first, last))

    assert halves([10, 10, 10, 10]) == [(0, 2), (2, 4)]
    assert halves([100, 1, 1]) == [(0, 1), (1, 3)]
    assert halves([1, 1, 100]) == [(0, 2), (2, 3)]
    assert halves([0, 0]) == [(0, 1), (1, 2)]
    assert halves([10]) == [(0, 1)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_its_own_thread(monkeypatch):
    monkeypatch.setattr(sharing, "core_free", lambda: True)
    monkeypatch.setattr(sharing, "WORTH", 0)
    edges = np.array([0, 1, 2])
    sharing.shared(edges, 1, lambda first, last: first)
    child = os.fork()
    if child == 0:
        os._exit(0 if sharing.shared(edges, 1, lambda first, last: first) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_table_is_used_again_when_nobody_holds_it(make_plant):
    kept = Kept.of(make_plant())
    first = kept.table()
    row = first[3]
    at = first.ctypes.data
    second = kept.table()
    assert second.ctypes.data != at
    del first
    assert kept.table().ctypes.data != at  # a row of it is still looked at
    del row
    assert kept.table().ctypes.data == at
    many = [kept.table() for _ in range(MOST + 3)]
    assert len({table.ctypes.data for table in many}) == len(many)
    assert len(kept.tables) == MOST


def test_a_busy_machine_has_no_core_free(monkeypatch):
    for cores, load, free in ((1, 0.0, False), (2, 0.5, True), (2, 2.0, False), (8, 2.0, True)):
        sharing._load.cache_clear()
        monkeypatch.setattr(sharing, "CORES", cores)
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert sharing.core_free() is free
    sharing._load.cache_clear()
