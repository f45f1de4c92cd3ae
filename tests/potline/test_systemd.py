"""What systemd is told, over its own kind of socket, and the unit file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from harness import Process, unused_port, write_plant

from plant.batch import SECOND
from potline.systemd import Notifier, Pulse

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "potline.service"


@pytest.fixture
def systemd(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def heard(listener: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().split("\n"))


def test_a_run_says_ready_lives_and_says_when_it_stops(systemd, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    plant = write_plant(tmp_path, store, mqtt=unused_port())
    run = Process(tmp_path / "log", "run", plant, "--port", 0)
    try:
        first = heard(systemd)
        assert (first["READY"], first["MAINPID"]) == ("1", str(run.popen.pid))
        assert first["STATUS"].startswith("0 of 2 sources flow (not pots, meters)")
        began = time.monotonic()
        beats = [heard(systemd) for _ in range(3)]
        took = time.monotonic() - began
        assert all(beat["WATCHDOG"] == "1" and "STATUS" in beat for beat in beats)
        assert took < 3.0, "each half of WATCHDOG_USEC"
        assert run.stop() == 0
        last = [heard(systemd)]
        while "STOPPING" not in last[-1]:
            last.append(heard(systemd))
        assert "draining" in last[-1]["STATUS"]
    finally:
        run.kill()


def stack(beats: int, newest_s: float, stands_s: float) -> SimpleNamespace:
    """lateness_s 3, beat_s 1."""
    return SimpleNamespace(
        beats=beats,
        plant=SimpleNamespace(time=SimpleNamespace(lateness_s=3.0, beat_s=1.0)),
        pipeline=SimpleNamespace(
            run=SimpleNamespace(builder=SimpleNamespace(start=round(stands_s * SECOND))),
            watermarks=SimpleNamespace(newest=np.array([0, round(newest_s * SECOND)])),
        ),
    )


def test_a_calculation_that_stands_still_is_dead_and_a_silent_plant_is_not():
    now = [0.0]
    its = stack(beats=7, newest_s=100, stands_s=100)
    pulse = Pulse(its, patience_s=10, clock=lambda: now[0])
    for now[0] in (5.0, 500.0):  # no sample: no beat is due
        assert pulse.beats()
    its.pipeline.watermarks.newest[1] = 130 * SECOND  # samples come, no beat does
    now[0] = 509.0
    assert pulse.beats()
    now[0] = 510.5
    assert not pulse.beats()
    its.beats += 1  # slow, and alive
    assert pulse.beats()
    now[0] = 521.0
    assert not pulse.beats()


def test_a_start_that_takes_long_is_not_dead():
    now = [0.0]
    pulse = Pulse(stack(beats=0, newest_s=5000, stands_s=1), 10, lambda: now[0])
    now[0] = 1000.0
    assert pulse.beats()


def test_who_is_asked_for(tmp_path):
    assert Notifier.of({}) is None
    theirs = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    found = Notifier.of(theirs)
    assert found is not None
    assert found.watchdog_s is None
    ours = Notifier.of({**theirs, "WATCHDOG_PID": str(os.getpid())})
    assert ours is not None
    assert ours.watchdog_s == 60
    ours.tell(WATCHDOG=1)  # nobody listens there: told in the log, and no error


def test_abstract_sockets():
    name = f"potline-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        Notifier(f"@{name}", None).tell(READY=1, STATUS="fine")
        assert listener.recv(100) == b"READY=1\nSTATUS=fine"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    text = UNIT.read_text()
    program = "/opt/potline/.venv/bin/potline"
    assert text.count(program) == 3
    file = tmp_path / "potline.service"
    file.write_text(text.replace(program, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
