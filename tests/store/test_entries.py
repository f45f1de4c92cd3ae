"""Entries: only added to, and the same whatever the order in which they came."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.batch import SECOND
from store.entries import Entries, Entry, EntryError, checked, enterable

NOW = 1_795_261_200 * SECOND  # 2026-11-21T11:40:00Z
HOUR = 3600 * SECOND
TAG = "L1-007.metal_level"


@pytest.fixture
def table(tmp_path):
    table = Entries(tmp_path / "entries.sqlite")
    yield table
    table.close()


def entry(value, entered=0, time=0, tag=TAG, who="Li Wei", comment=""):
    return Entry(tag, NOW + time * HOUR, NOW + entered * HOUR, value, who, comment)


def standing(table, tags=(TAG,)):
    return table.standing(tags, NOW - 100 * HOUR, NOW + 100 * HOUR)


def test_the_later_entry_stands_and_nothing_is_lost(table):
    assert table.add([entry(22.0, 1), entry(23.0, 2)]) == 2
    assert [e.value for e in standing(table)] == [23.0]
    assert [e.value for e in table.history([TAG], NOW, NOW + HOUR, 10)] == [23.0, 22.0]


def test_a_correction_that_arrives_first_still_stands(table):
    table.add([entry(23.0, 2)])
    table.add([entry(22.0, 1)])
    assert [e.value for e in standing(table)] == [23.0]


def test_entered_at_the_same_moment_the_greatest_stands(table):
    table.add([entry(22.0), entry(23.0), entry(nan)])
    assert [e.value for e in standing(table)] == [23.0]


def test_withdrawn_and_said_again(table):
    table.add([entry(22.0, 1), entry(nan, 2)])
    (row,) = standing(table)
    assert isnan(row.value)
    table.add([entry(21.0, 3)])
    assert [e.value for e in standing(table)] == [21.0]


def test_the_same_entry_twice_is_kept_once(table):
    assert table.add([entry(22.0, 1), entry(nan, 2)]) == 2
    assert table.add([entry(22.0, 1), entry(nan, 2), entry(22.0, 1, who="Wang")]) == 1


def test_times_and_tags_are_chosen(table):
    other = "L1-008.metal_level"
    table.add([entry(1.0, time=-1), entry(2.0), entry(3.0, time=1), entry(4.0, tag=other)])
    found = table.standing([TAG], NOW, NOW + HOUR)
    assert [e.value for e in found] == [2.0]
    assert [e.value for e in standing(table, [other, TAG])] == [1.0, 2.0, 3.0, 4.0]
    assert standing(table, []) == []


def test_nothing_can_be_changed_or_deleted(table, tmp_path):
    table.add([entry(22.0)])
    with sqlite3.connect(tmp_path / "entries.sqlite") as db:
        for sql in ("UPDATE entries SET value = 9", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                db.execute(sql)
    db.close()


def test_all_or_none(table):
    broken = dataclasses.replace(entry(22.0), who=None)
    with pytest.raises(sqlite3.IntegrityError):
        table.add([entry(21.0), broken])
    assert standing(table) == []


def test_what_is_not_booked_yet_survives_a_kill(tmp_path):
    """Another process enters a value and is killed at once: it is kept, and it is still due."""
    path = tmp_path / "entries.sqlite"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from store.entries import Entries, Entry\n"
        "t = Entries(Path(sys.argv[1])); t.add([Entry('a.b', 5, 6, 7.0, 'x')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=30)
    assert done.returncode == -9
    table = Entries(path)
    newest, rows = table.unbooked()
    assert rows == [Entry("a.b", 5, 6, 7.0, "x")]
    table.booked(newest)
    table.close()
    again = Entries(path)
    assert again.unbooked() == (0, [])
    again.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 3), st.sampled_from([nan, 1.0, 2.0, 3.0]),
            st.sampled_from(["a", "b"]),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_any_order_of_arrival_gives_the_same(tmp_path_factory, rows, random):
    folder = tmp_path_factory.mktemp("entries")
    entries = [entry(value, entered, time, who=who) for time, entered, value, who in rows]
    shuffled = random.sample(entries, len(entries))
    found = []
    for name, order in (("one", entries), ("other", shuffled)):
        table = Entries(folder / f"{name}.sqlite")
        for row in order:
            table.add([row])
        found.append(repr(standing(table)))
        table.close()
    assert found[0] == found[1]


def check(plant, **changes):
    row = {"entity": "L1-007", "signal": "metal_level", "time": NOW - HOUR, "value": 22.0,
           "who": "Li Wei"}  # fmt: skip
    return checked(plant, enterable(plant), NOW, **(row | changes))


def test_an_entry_is_in_the_signals_unit(plant):
    assert check(plant, value=220.0, unit="mm").value == pytest.approx(22.0)
    assert check(plant, signal="bath_temperature", value=1760.0, unit="degF").value == (
        pytest.approx(960.0)
    )
    row = check(plant, who="  Li Wei ", comment=" by hand ")
    assert (row.who, row.comment, row.entered) == ("Li Wei", "by hand", NOW)
    assert isnan(check(plant, value=None).value)


def test_a_signal_without_an_instrument_can_be_entered(plant):
    assert "L1-007.kf_percent" not in plant.column_of
    assert check(plant, signal="kf_percent", value=1.2).tag == "L1-007.kf_percent"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"entity": "L1-077"}, "no such cell"),
        ({"entity": "L1-07"}, "did you mean"),
        ({"signal": "metal_lvel"}, 'did you mean "metal_level"'),
        ({"signal": "voltage"}, "measured all the time"),
        ({"entity": "L1", "signal": "metal_level"}, "no value of a line is entered"),
        ({"time": NOW + HOUR}, "in the future"),
        ({"time": 5 * SECOND}, "before 2000"),
        ({"entered": NOW - 2 * HOUR}, "before the sample was taken"),
        ({"entered": NOW + HOUR}, "entered in the future"),
        ({"who": "  "}, "nobody says it"),
        ({"value": 2200.0}, "outside 0 to 100 cm"),
        ({"value": nan}, "is not a value"),
        ({"unit": "kg"}, "cannot be converted"),
        ({"unit": "furlongs"}, "unknown unit"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(plant, changes, said):
    with pytest.raises(EntryError) as caught:
        check(plant, **changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
