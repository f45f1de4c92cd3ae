"""What is noted to be computed again, and the corrections of meters: durable, and each with its
cause."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from plant.batch import SECOND, Batch, Quality
from store.contract import StoreUnavailable
from store.restatements import Restatements

T = 1_795_261_200 * SECOND
FOREVER = 2**62


@pytest.fixture
def table(tmp_path, plant):
    made = Restatements(tmp_path, plant)
    yield made
    made.close()


@pytest.fixture
def other(tmp_path, plant, table):
    """The same file, opened by another process."""
    made = Restatements(tmp_path, plant)
    yield made
    made.close()


def test_a_version_is_told_when_noted_and_read_back(table):
    first = table.note(T, T + SECOND, "late", ["L1-001.voltage"])
    second = table.note(T, T + SECOND, "new factors")
    assert second > first
    row = table.row(first)
    assert (row.start, row.end, row.cause) == (T, T + SECOND, "late")
    assert (row.tags, row.begun, row.done) == (("L1-001.voltage",), None, None)
    with pytest.raises(KeyError):
        table.row(99)


def test_one_that_waits_for_the_same_cause_is_widened(table):
    version = table.note(T, T + 1, "late", ["a"])
    assert table.note(T - 5, T + 9, "late", ["b", "a"]) == version
    row = table.row(version)
    assert (row.start, row.end, row.tags) == (T - 5, T + 9, ("a", "b"))


def test_what_comes_after_the_beginning_is_noted_anew(table):
    version = table.note(T, T + 1, "late")
    table.begin(version)
    assert table.note(T, T + 1, "late") > version


def test_the_beginning_tells_what_another_process_has_added(table, other):
    """Between reading what is due and beginning it, more may have come."""
    due = table.note(T, T + 1, "late")
    order = table.due()
    other.note(T - 9, T + 1, "late")
    assert order.start == T
    assert table.begin(due).start == T - 9


def test_a_correction_holds_until_it_is_withdrawn_and_stays_on_record(table, plant):
    tag, column = plant.tags[0].id, 0
    readings = Batch.of([column] * 3, [T - 1, T, T + 10], [2.0, 2.0, 2.0])
    id_ = table.correct(tag, T, T + 10, 1.5, 0.25, "Li Wei", "wrong ratio")
    assert table.corrected(readings).values.tolist() == [2.0, 3.25, 2.0]
    order = table.due()
    assert (order.start, order.end, order.tags) == (T, T + 10, (tag,))
    assert order.cause == "correction: wrong ratio"
    assert table.withdraw(id_)
    assert table.corrected(readings).values.tolist() == [2.0, 2.0, 2.0]
    assert table.corrections() == []
    (row,) = table.corrections(withdrawn=True)
    assert (row.id, row.who, row.cause) == (id_, "Li Wei", "wrong ratio")
    assert row.withdrawn is not None
    assert not table.withdraw(id_)
    assert not table.withdraw(id_ + 1)
    causes = [row.cause for row in table.rows(0, FOREVER)]
    assert causes == ["correction withdrawn: wrong ratio", "correction: wrong ratio"]


def test_readings_that_count_as_bad(table, plant):
    table.correct(plant.tags[0].id, T, T + 10, float("nan"), 0.0, "", "loose wire")
    found = table.corrected(Batch.of([0, 1], [T, T], [2.0, 2.0], [Quality.CONFIRMED, 0]))
    assert np.isnan(found.values).tolist() == [True, False]
    assert found.quality.tolist() == [Quality.BAD | Quality.CONFIRMED, Quality.GOOD]
    (row,) = table.corrections()
    assert isnan(row.scale)


def test_a_correction_is_made_with_its_note_or_not_at_all(table, monkeypatch):
    """Otherwise a crash between would leave corrected readings beside figures that are not."""

    def fail(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(table, "_note", fail)
    with pytest.raises(RuntimeError):
        table.correct("L1-001.voltage", T, T + 1, 2.0, 0.0, "", "x")
    assert table.corrections(withdrawn=True) == []


def test_on_a_full_disk_nothing_is_noted_and_it_can_be_noted_later(table):
    (pages,) = table._db.execute("PRAGMA page_count").fetchone()
    table._db.execute(f"PRAGMA max_page_count = {pages}")
    noted = 0
    with pytest.raises(StoreUnavailable, match="the disk is full"):  # noqa: PT012
        while True:  # until no room is left
            table.note(T, T + SECOND, f"cause {noted}")
            noted += 1
    assert len(table.rows(0, FOREVER)) == noted
    table._db.execute("PRAGMA max_page_count = 100000")
    table.note(T, T + SECOND, "room again")
    assert len(table.rows(0, FOREVER)) == noted + 1
