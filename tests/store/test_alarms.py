"""The alarms table: one open alarm for each (entity, rule), whatever happens."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.batch import SECOND
from store.alarms import AlarmTable, AlreadyAcknowledged, NoSuchAlarm, Transition

NOW = 1_795_261_200 * SECOND


@pytest.fixture
def table(tmp_path, plant):
    table = AlarmTable(tmp_path / "alarms.sqlite", plant)
    yield table
    table.close()


def raised(at=0, entity="L1-007", value=480.2, rule="excess-energy"):
    return Transition(rule, entity, True, NOW + at * SECOND, value)


def cleared(at, entity="L1-007", rule="excess-energy"):
    return Transition(rule, entity, False, NOW + at * SECOND, 50.0)


def test_raised_acknowledged_cleared(table):
    (event,) = table.apply([raised()])
    (alarm,) = table.open()
    assert (alarm.state, alarm.value, alarm.limit) == ("unack-active", 480.2, 300)
    assert (alarm.priority, alarm.raised, alarm.cleared) == (2, NOW, None)
    assert (event.kind, event.row["time"]) == ("alarm", NOW)
    assert event.row["key"] == "excess-energy@L1-007"
    known = table.acknowledge(alarm.id, "Li Wei", "beam checked", at=NOW + 5)
    assert (known.state, known.acknowledged, known.acknowledged_by) == (
        "ack-active",
        NOW + 5,
        "Li Wei",
    )
    with pytest.raises(AlreadyAcknowledged, match="Li Wei"):
        table.acknowledge(alarm.id, "someone else")
    table.apply([cleared(60)])
    assert table.open() == []
    assert table.get(alarm.id).state == "normal"
    actions = [(c.action, c.state, c.who) for c in table.audit(alarm.id)]
    assert actions == [
        ("raised", "unack-active", ""),
        ("acknowledged", "ack-active", "Li Wei"),
        ("cleared", "normal", ""),
    ]


def test_back_to_normal_before_it_was_acknowledged(table):
    table.apply([raised(0), cleared(10)])
    (alarm,) = table.open()
    assert (alarm.state, alarm.cleared) == ("rtn-unack", NOW + 10 * SECOND)
    table.apply([raised(20, value=500.0)])
    (again,) = table.open()
    assert (again.id, again.state, again.cleared) == (alarm.id, "unack-active", None)
    assert (again.value, again.raised) == (500.0, NOW)
    table.apply([cleared(30)])
    assert table.acknowledge(alarm.id, "Li Wei").state == "normal"
    assert table.open() == []


def test_a_new_alarm_after_the_old_one_is_over(table):
    table.apply([raised(0)])
    table.acknowledge(1, "Li Wei")
    table.apply([cleared(10), raised(20)])
    assert [a.id for a in table.history()] == [2, 1]
    assert [a.state for a in table.history()] == ["unack-active", "normal"]


def test_history_by_time(table):
    table.apply([raised(0), cleared(10), raised(5, "L1-008"), raised(100, "L1-009")])
    ids = {a.entity for a in table.history(NOW + 11 * SECOND, NOW + 50 * SECOND)}
    assert ids == {"L1-008"}
    assert len(table.history(limit=2)) == 2


def test_unknown_alarm(table):
    with pytest.raises(NoSuchAlarm, match="no alarm 99"):
        table.acknowledge(99, "x")


def test_low_limits_and_no_limits(table):
    table.apply(
        [
            Transition("boiler-oxygen", "B1", True, NOW, 1.0),
            Transition("line-current-drop", "L1", True, NOW, 0.5),
            Transition("anode-effect", "L1-001", True, NOW, float("nan")),
        ]
    )
    limits = {a.rule: a.limit for a in table.open()}
    assert limits["boiler-oxygen"] == 1.5
    assert limits["line-current-drop"] == 0.95
    assert np.isnan(limits["anode-effect"])


MOVES = st.lists(
    st.tuples(st.sampled_from(["L1-001", "L1-002"]), st.booleans(), st.integers(0, 40)),
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(moves=MOVES, cut=st.integers(0, 30), acknowledge=st.integers(0, 30))
def test_replaying_transitions_changes_nothing(tmp_path_factory, plant, moves, cut, acknowledge):
    """After kill -9 the calculation runs again from a checkpoint: transitions come twice."""
    moves = sorted(moves, key=lambda m: m[2])
    steps = [Transition("excess-energy", e, up, NOW + at, 400.0) for e, up, at in moves]
    table = AlarmTable(tmp_path_factory.mktemp("alarms") / "alarms.sqlite", plant)
    for k, step in enumerate(steps):
        table.apply([step])
        if k == acknowledge and table.open():
            open_alarm = table.open()[0]
            if open_alarm.acknowledged is None:
                table.acknowledge(open_alarm.id, "x")
        keys = [(a.entity, a.rule) for a in table.open()]
        assert len(keys) == len(set(keys))
    before = table.history()
    assert table.apply(steps[cut:]) == []
    assert repr(table.history()) == repr(before)
    table.close()


def test_64_at_once_make_one_alarm(tmp_path, plant):
    tables = [AlarmTable(tmp_path / "alarms.sqlite", plant) for _ in range(64)]
    gate = threading.Barrier(64)
    failures: list[Exception] = []

    def work(table, k):
        try:
            gate.wait(30)
            table.apply([raised(k % 3), raised(k % 3, "L1-008")])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(t, k)) for k, t in enumerate(tables)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert sorted(a.entity for a in tables[0].history()) == ["L1-007", "L1-008"]
    for table in tables:
        table.close()


def test_acknowledged_survives_kill_9(tmp_path, plant):
    code = (
        "import os, sys; from pathlib import Path; from plant.load import load\n"
        "from store.alarms import AlarmTable, Transition\n"
        "table = AlarmTable(Path(sys.argv[1]), load('deploy/plants/demo.toml'))\n"
        f"table.apply([Transition('excess-energy', 'L1-007', True, {NOW}, 480.2)])\n"
        "table.acknowledge(1, 'Li Wei', 'seen')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "alarms.sqlite"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=60)
    assert done.returncode == -9
    table = AlarmTable(path, plant)
    (alarm,) = table.open()
    assert (alarm.state, alarm.acknowledged_by, alarm.comment) == ("ack-active", "Li Wei", "seen")
    table.close()


def test_a_rule_that_left_the_plant_file_leaves_no_alarm_open(tmp_path, table, plant):
    table.apply([raised(), Transition("boiler-oxygen", "B1", True, NOW, 1.0)])
    rules = tuple(r for r in plant.alarms if r.id != "excess-energy")
    other = AlarmTable(tmp_path / "alarms.sqlite", dataclasses.replace(plant, alarms=rules))
    assert [e.row["rule"] for e in other.retire(NOW + SECOND)] == ["excess-energy"]
    assert [a.rule for a in other.open()] == ["boiler-oxygen"]
    assert other.audit(1)[-1].action == "removed"
    other.close()


def test_while_the_disk_is_full_what_was_raised_and_cleared_waits(table):
    (pages,) = table._db.execute("PRAGMA page_count").fetchone()
    table._db.execute(f"PRAGMA max_page_count = {pages}")
    many = [raised(at=n, entity=f"L1-{n:03d}") for n in range(11, 25)]
    more = [raised(at=60 + n, entity=f"L2-{n:03d}") for n in range(1, 25)]
    rooms = 0
    while table.waiting == 0:  # until no room is left
        rooms += 1
        table.apply([raised(at=100 * rooms + 1), cleared(100 * rooms + 2)])
        assert rooms < 1000
    assert table.apply(many) == table.apply(more) == []
    table._db.execute("PRAGMA max_page_count = 100000")
    assert len(table.apply([])) == 2 + len(many) + len(more)
    assert table.waiting == 0
    assert {alarm.entity for alarm in table.open()} >= {t.entity for t in (*many, *more)}
