"""Real processes of our own command line: started, watched, killed by pid."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

MINI = Path(__file__).parent / "e2e" / "mini.toml"


def until(what: str, ready: Callable[[], object], within_s: float = 30.0) -> object:
    """Poll until `ready` gives something true; the failure says what was waited for."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        value = ready()
        if value:
            return value
        time.sleep(0.2)
    pytest.fail(f"waited {within_s} s for {what}")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """`python -m potline …` with its output in a file."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        with log.open("ab") as sink:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "potline", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """kill -9"""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self, within_s: float = 30.0) -> int:
        """SIGTERM, and the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within_s)

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def potline(
    *arguments: object, status: int | None = 0, within_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "potline", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=within_s,
        env={**os.environ, "COLUMNS": "200"},
    )
    if status is not None and done.returncode != status:
        pytest.fail(f"potline {arguments}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def get_or_none(url: str) -> dict | None:
    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        return get(url)
    return None


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def write_plant(folder: Path, store: str, mqtt: int, opcua: int | None = None) -> Path:
    """The small plant with these ports and this [store]."""
    text = MINI.read_text(encoding="utf-8")
    for word, value in {"STORE": store, "MQTT": mqtt, "OPCUA": opcua or unused_port()}.items():
        text = text.replace(f"@{word}@", str(value))
    path = folder / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return path
