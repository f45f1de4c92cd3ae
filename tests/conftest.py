"""Real servers for the tests: on loopback, on free ports, in folders of the test, stopped by pid.

Without the program a test is skipped with the reason; under CI=true it fails.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
import structlog

ORG, TOKEN = "potline", "made-for-this-test"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "potline"


@pytest.fixture(autouse=True)
def logs_as_at_first() -> Iterator[None]:
    """A command that runs in the test's process sets them up for itself."""
    yield
    structlog.reset_defaults()


def missing(what: str) -> None:
    """Skip for want of a server; a failure under CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and under CI=true nothing is skipped")
    pytest.skip(what)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A program that listens on `port` and keeps what it has in `folder` from start to start."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = unused_port()
        self.popen: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        """Start, or start again on the same port and folder; returns when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.popen = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self.ready():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9"""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class Influxd(Server):
    """InfluxDB 2.9.1, set up with an organisation and a token of the tests."""

    org, token = ORG, TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        program = CACHE / "bin" / "influxd-2.9.1"
        if not program.exists():
            missing(f"no influxd 2.9.1 in {CACHE / 'bin'} (`make provision` builds it)")
        flags = {
            "http-bind-address": f"127.0.0.1:{self.port}",
            "bolt-path": self.folder / "bolt",
            "engine-path": self.folder / "engine",
            "sqlite-path": self.folder / "sqlite",
        }
        options = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
        return [str(program), *options, "--reporting-disabled", "--log-level", "warn"]

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def start(self) -> None:
        fresh = not (self.folder / "bolt").exists()
        super().start()
        if fresh:
            body = {"username": "test", "password": "only-on-loopback", "org": ORG}
            request = urllib.request.Request(
                f"{self.url}/api/v2/setup",
                orjson.dumps({**body, "bucket": "first", "token": TOKEN}),
                {"content-type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=30).close()


class Mosquitto(Server):
    """Mosquitto with persistence, without a password, on loopback."""

    def command(self) -> list[str]:
        program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
        if program is None:
            missing("no mosquitto on this machine")
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            f"user {getpass.getuser()}\n"  # root would give itself up, and could not save sessions
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            "autosave_on_changes true\n"
            "autosave_interval 1\n"
            "max_queued_messages 0\n"
        )
        return [str(program), "-c", str(config)]


class Elsewhere:
    """An InfluxDB that someone runs: POTLINE_TEST_INFLUX_URL, _TOKEN and _ORG."""

    def __init__(self) -> None:
        self.url = os.environ["POTLINE_TEST_INFLUX_URL"]
        self.token = os.environ["POTLINE_TEST_INFLUX_TOKEN"]
        self.org = os.environ.get("POTLINE_TEST_INFLUX_ORG", ORG)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[[type[Server]], Server]]:
    """servers(Influxd) or servers(Mosquitto): one of the test's own, running; it may be killed and
    started again."""
    started: list[Server] = []

    def start(kind: type[Server]) -> Server:
        server = kind(tmp_path / f"{kind.__name__.lower()}-{len(started)}")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def own_influxd(servers: Callable[[type[Server]], Server]) -> Server:
    return servers(Influxd)


@pytest.fixture
def mosquitto(servers: Callable[[type[Server]], Server]) -> Server:
    """A Mosquitto of the test's own, running: .port, .kill(), .start()"""
    return servers(Mosquitto)


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd | Elsewhere]:
    """The InfluxDB that tests share: .url, .org, .token. Take a bucket_prefix of your own."""
    if "POTLINE_TEST_INFLUX_URL" in os.environ:
        yield Elsewhere()
        return
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()
