"""A short storm with real processes closes, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from harness import potline, unused_port, write_plant

KINDS = (
    "kill_collector",
    "kill_plant",
    "kill_broker",
    "full_disk",
    "clock_back",
    "black_hole",
    "reset",
    "cut_short",
    "drop_notifications",
    "lose_notifications",
    "drop_sessions",
    "restart_server",
)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    return write_plant(
        tmp_path, '[store]\nkind = "embedded"\npath = "never-used"\n', mqtt=unused_port()
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has just ended
            continue
        if str(folder) in line and process.name != str(os.getpid()):
            found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(400)
def test_a_short_storm_closes(plant, tmp_path, monkeypatch):
    folder, report = tmp_path / "tmp", tmp_path / "out" / "storm.md"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    tempfile.tempdir = None
    only = [word for kind in KINDS for word in ("--only", kind)]
    options = ("--seconds", 30, "--faults", 12, "--seed", 4, *only, "--report", report, "--json")
    done = potline("chaos", plant, *options, status=None, within_s=360)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["closes"]
    assert found["faults"] >= 6
    assert found["told"] > 500
    assert (found["unexplained"], found["wrong"], found["duplicates"]) == (0, 0, 0)
    assert not found["failed_faults"]
    assert all(row["difference"] == row["store_difference"] == 0 for row in found["ledger"])
    assert sum(found["missing"].values()) + found["kept"] >= found["told"]
    assert report.read_text().startswith("# A storm\n")
    assert list(folder.iterdir()) == [], "the storm's folder is gone"
    assert processes_of(folder) == []
    assert not (plant.parent / "never-used").exists()
    assert str(folder) not in Path("/proc/mounts").read_text()


def test_an_unknown_kind_is_named(plant):
    done = potline("chaos", plant, "--only", "kill_colector", status=2)
    assert 'did you mean "kill_collector"?' in done.stderr
