"""`potline enter`: one value or a CSV, all or nothing, one clear line for each that is wrong."""

from __future__ import annotations

import json
from math import isnan

import pytest
from harness import potline, write_plant

from potline.entering import enter_file
from potline.exits import Failure
from store.entries import FILE, Entries

LEAST, MOST = 0, 2**62


@pytest.fixture
def plant(tmp_path):
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    return write_plant(tmp_path, store, mqtt=1883, opcua=4840)


def kept(plant, *tags):
    table = Entries(plant.parent / "var" / FILE)
    rows = table.standing(tags, LEAST, MOST)
    table.close()
    return rows


def test_one_value_and_its_withdrawal(plant):
    asked = ("enter", plant, "L1-001", "bath_temperature")
    at = ("--at", "2026-01-20T06:30:00", "--who", "Li Wei")
    done = potline(*asked, 957.5, *at, "--comment", "probe 3")
    assert "L1-001.bath_temperature at 2026-01-20T06:30:00" in done.stdout
    assert "957.5 degC" in done.stdout
    (row,) = kept(plant, "L1-001.bath_temperature")
    assert (row.value, row.who, row.comment) == (957.5, "Li Wei", "probe 3")
    assert row.time == 1768861800 * 10**9  # in the site's zone, +08:00
    assert "withdrawn" in potline(*asked, "withdraw", *at).stdout
    (row,) = kept(plant, "L1-001.bath_temperature")
    assert isnan(row.value)


def test_a_csv_and_the_same_again(plant, tmp_path):
    file = tmp_path / "lab.csv"
    file.write_text(
        "\ufeffentity, signal,time,value,unit,who,entered,comment\n"
        "L1-001,alumina_percent,2026-01-20 06:30,2.4,,Wang,2026-01-20 14:00,\n"
        'L1-001,metal_level,2026-01-20T06:30:00+08:00,221,mm,,2026-01-20 14:00,"by hand, twice"\n'
        "\n"
        "L1-002,tap_mass,2026-01-20T05:00:00Z,4.5,t,,2026-01-21,\n",
        encoding="utf-8",
    )
    done = potline("enter", plant, file, "--who", "Li Wei", "--json")
    assert json.loads(done.stdout) == {"entries": 3, "kept": 3, "known": 0}
    again = potline("enter", plant, file, "--who", "Li Wei", "--json")
    assert json.loads(again.stdout) == {"entries": 3, "kept": 0, "known": 3}
    rows = kept(plant, "L1-001.alumina_percent", "L1-001.metal_level", "L1-002.tap_mass")
    assert [(r.value, r.who, r.comment) for r in rows] == [
        (2.4, "Wang", ""), (22.1, "Li Wei", "by hand, twice"), (4500.0, "Li Wei", ""),
    ]  # fmt: skip


def test_one_wrong_line_keeps_nothing_and_every_wrong_line_is_named(plant, tmp_path):
    file = tmp_path / "lab.csv"
    file.write_text(
        "entity,signal,time,value\n"
        "L1-001,alumina_percent,2026-01-20T06:30:00Z,2.4\n"
        'L1-001,alumina_percent,2026-01-20T07:30:00Z,"2,4"\n'
        "L1-001,alumina_percent,2026-01-20T08:30:00Z,\n"
        "L9-001,alumina_percent,2026-01-20T08:30:00Z,2.4\n"
        "L1-001,alumina_percent,yesterday,2.4\n"
        "L1-001,alumina_percent,2026-01-20T08:30:00Z,240\n"
    )
    said = potline("enter", plant, file, status=2).stderr.splitlines()
    numbers = [line.partition(": ")[0].rpartition(":")[2] for line in said[:-1]]
    assert numbers == ["3", "4", "5", "6", "7"]
    assert "'2,4' is not a number; write one as 12.5" in said[0]
    assert "no such cell" in said[2]
    assert "is not a time" in said[3]
    assert "outside" in said[4]
    assert "nothing was kept" in said[-1]
    assert not (plant.parent / "var" / FILE).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("cell,signal,time,value\n", "the first line must name the columns entity"),
        ("entity,signal,time,value,value\n", "each once"),
        ("entity,signal,time,value\n", "nothing to keep"),
        ("", "the first line must name"),
        ("entity,signal,time,value\nL1-001,metal_level,2026-01-20,1,2\n", ":2: 5 cells in a file"),
        (b"\xff\xfe\x00", "not a CSV in UTF-8"),
    ],
)
def test_a_file_that_is_none(plant, tmp_path, content, said):
    file = tmp_path / "lab.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Failure) as caught:
        enter_file(plant, file, "Li Wei", False)
    assert caught.value.status == 2
    assert said in caught.value.lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("absent.csv",), "absent.csv: No such file"),
        (("L1-001", "metal_level"), "is not a number"),
        (("L1-001", "metal_level", 20, "--at", "2200-01-01"), "in the future"),
    ],
)
def test_a_value_that_is_none(plant, arguments, said):
    error = potline("enter", plant, *arguments, status=2).stderr
    assert said in error
    assert "Traceback" not in error
