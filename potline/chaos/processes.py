"""What a storm runs: simulator, collector, brokers, database; real processes, stopped by pid."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from potline.chaos.rehearsal import HOST, ORG, TOKEN_FILE
from potline.exits import FOUND, Failure
from simulators.control import send

READY_S = 90.0
STOP_S = 40.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


class Process:
    """Killed and started again; it does not outlive the storm. starts: how often it was."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._popen: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        """Blocks for a moment."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """Of a process that has ended by itself; None while it runs."""
        return self._popen.poll() if self._popen else None

    def spawn(self) -> None:
        with self.log.open("ab") as sink:
            self._popen = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        self.starts += 1

    async def start(self) -> None:
        """Returns when it is ready. Failure when it never is."""
        self.spawn()
        deadline = time.monotonic() + READY_S
        while not await asyncio.to_thread(self.ready):
            if self.status is not None or time.monotonic() > deadline:
                self.kill()
                last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Failure(FOUND, f"{self.name} did not start: {' '.join(last)}; see {self.log}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, also where it is paused."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait(10)

    def signal(self, number: int) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self._popen.send_signal(number)

    async def stop(self) -> int | None:
        """SIGTERM and a while, then SIGKILL. -> exit status"""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if self._popen is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._popen.wait, STOP_S)
        self.kill()
        return self.status


class Simulator(Process):
    """`potline simulate --fast --wave` of the plant; faults over its control port."""

    def __init__(self, folder: Path, plant: Path, control: int, certificate: Path | None) -> None:
        super().__init__("simulator", folder)
        self._plant, self._control, self._certificate = plant, control, certificate

    def command(self) -> list[str]:
        secured = []
        if self._certificate is not None:
            key = self._certificate.with_suffix(".pem")
            secured = [f"--certificate={self._certificate}", f"--private-key={key}"]
        potline = [sys.executable, "-m", "potline", "simulate", str(self._plant)]
        return [*potline, "--fast", "--wave", f"--control={self._control}", *secured]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return send(self._control, request)

    def ready(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return bool(self.ask({"status": True})["ok"])
        return False


class Collector(Process):
    """`potline run` of the plant, with a clock that can be stepped."""

    def __init__(self, folder: Path, plant: Path, api: int, clock: Path) -> None:
        super().__init__("collector", folder)
        self._plant, self._api, self._clock = plant, api, clock

    def command(self) -> list[str]:
        return [sys.executable, "-m", "potline.chaos.stepped_clock", str(self._clock), "run",
                str(self._plant)]  # fmt: skip

    def ready(self) -> bool:
        return self.get("healthz") is not None

    def get(self, path: str) -> Any:
        """What the API answers to a GET, None without an answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._api}/{path}", timeout=2) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None


class Mosquitto(Process):
    """With all that it acknowledged on the disk, so that it may be killed."""

    durable = True

    def __init__(self, name: str, folder: Path, port: int, program: str) -> None:
        super().__init__(name, folder)
        self._program, self._port = program, port
        self._config = folder / f"{name}.conf"
        kept = folder / name
        kept.mkdir()
        self._config.write_text(
            f"listener {port} {HOST}\n"
            "allow_anonymous true\n"
            f"user {getpass.getuser()}\n"  # root would give itself up, and could not save sessions
            "persistence true\n"
            f"persistence_location {kept}/\n"
            "autosave_on_changes true\n"
            "autosave_interval 1\n"
            "max_queued_messages 0\n"
            "max_inflight_messages 1000\n"
        )

    def command(self) -> list[str]:
        return [self._program, "-c", str(self._config)]

    def ready(self) -> bool:
        return listens(self._port)


class Amqtt(Process):
    """The demo's broker: MQTT 3.1.1, and nothing of what it holds survives it."""

    durable = False

    def __init__(self, name: str, folder: Path, port: int) -> None:
        super().__init__(name, folder)
        self._port = port
        self._config = folder / f"{name}.yaml"
        self._config.write_text(
            f'listeners:\n  default:\n    type: tcp\n    bind: "{HOST}:{port}"\n'
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin: {}\n"
        )

    def command(self) -> list[str]:
        return [sys.executable, "-c", "from amqtt.scripts.broker_script import main; main()", "-c",
                str(self._config)]  # fmt: skip

    def ready(self) -> bool:
        return listens(self._port)


class Influxd(Process):
    """An InfluxDB 2 of the storm's own."""

    def __init__(self, folder: Path, port: int, program: str) -> None:
        super().__init__("influxd", folder)
        self._folder, self._port, self._program = folder, port, program

    def command(self) -> list[str]:
        kept = self._folder / "influxd"
        return [
            self._program, f"--http-bind-address={HOST}:{self._port}",
            f"--bolt-path={kept / 'bolt'}", f"--engine-path={kept / 'engine'}",
            f"--sqlite-path={kept / 'sqlite'}", "--reporting-disabled", "--log-level=warn",
        ]  # fmt: skip

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._port}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def set_up(self) -> None:
        """An organisation and a token, once."""
        body = {"username": "storm", "password": "only-on-loopback", "org": ORG, "bucket": "first"}
        request = urllib.request.Request(
            f"http://{HOST}:{self._port}/api/v2/setup",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            token = json.load(answer)["auth"]["token"]
        file = self._folder / TOKEN_FILE
        file.touch(mode=0o600)
        file.write_text(token)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def find_influxd() -> str | None:
    """On the path, or where `make provision` puts it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "potline" / "bin"
    made = sorted(cache.glob("influxd-*"))
    return shutil.which("influxd") or (str(made[-1]) if made else None)
