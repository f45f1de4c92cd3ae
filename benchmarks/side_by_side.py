"""potline, Telegraf and asyncua's own subscription, one after another, at the same plant.

    python -m benchmarks.side_by_side [--rates 50000 160000] [--seconds 20] [--rounds 3] [--write]

OPC UA: one fast simulator (`potline simulate --fast --wave`), cells of 80 Doubles at 1 Hz, each at
a moment of its own, into a fresh InfluxDB 2. potline runs whole: durable spool, every figure, page
and API. Telegraf writes what it reads. asyncua's subscription only counts. MQTT: Mosquitto and a
publisher that writes PUBLISH packets to the socket, 8 values in JSON at QoS 1, to the same two.
CPU is user and system time of each process. Lag is from source time to when a query of InfluxDB
shows the value, asked five times a second for ten cells. Values are counted by InfluxDB.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

from benchmarks import _telegraf
from benchmarks._page import put
from benchmarks._servers import Running, Usage, ours, process, until
from benchmarks.collector import MQTT, PLANT, VALUES, cpu, unused_port
from benchmarks.mqtt import mosquitto, publish
from benchmarks.scale import SIGNAL, SIGNALS
from plant.batch import SECOND
from plant.load import load
from plant.model import StoreSettings
from store.flux import Rows, any_of, source
from store.influx_client import Client
from tests.conftest import CACHE, Influxd
from tools.provision import telegraf_program

MESSAGES_PER_S, MQTT_CELLS = 10_000, 1000
BUCKET = "bench_raw"
PROBED, PROBE_S = 10, 0.2
WARM_UP_S, LONGEST_SETTLE_S, SETTLED_S = 15.0, 240.0, 3.0
END_S, COUNT_S = 4.0, 600.0
BROKER = "max_inflight_messages 0\nmax_queued_messages 0\n"
"""Telegraf speaks MQTT 3.1.1 and acknowledges after writing: with Mosquitto's 20 messages in flight
it would take 1,100 a second. potline asks for its own number, by MQTT 5."""
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

STORE = """
[store]
kind = "influxdb"
path = "{path}"
url = "{url}"
org = "{org}"
token_env = "POTLINE_BENCH_TOKEN"
bucket_prefix = "bench"
raw_days = 40
"""
OPCUA = """
[[source]]
id = "s"
kind = "opcua"
url = "opc.tcp://127.0.0.1:{port}"
namespace = "urn:potline:bench"
anonymous = true
publishing_interval_s = 0.5
[[tags]]
each = "line"
source = "s"
node = "s={{line}}.{{name}}"
interval_s = 1
signals = ["current"]
[[tags]]
each = "cell"
source = "s"
node = "s={{cell}}.{{name}}"
interval_s = 1
signals = ["voltage", "target_voltage", "alumina_fed", "beam_position", {names}]
"""

Start = Callable[["Database", Path, Path], Running]


@dataclass(frozen=True, slots=True)
class Row:
    """What one collector did in a round."""

    values_per_s: float
    cpu_us: float  # a value, or a message
    share: float  # of a core
    memory_MB: float
    database_us: float
    database_share: float
    lag_p50_s: float
    lag_p99_s: float


def plant_text(cells: int, rest: str, server: Influxd, folder: Path) -> str:
    head, _, tail = PLANT.partition('[store]\nkind = "embedded"\npath = "unused"\n')
    store = STORE.format(path=folder / "var", url=server.url, org=server.org)
    return (head + store + tail + rest).replace("CELLS", f"{cells:04}")


def opcua_plant(rate: int, port: int, server: Influxd, folder: Path) -> Path:
    anodes = range(SIGNALS - 4)
    names = ", ".join(f'"anode_{n}"' for n in anodes)
    text = OPCUA.format(port=port, names=names) + "".join(SIGNAL.format(n=n) for n in anodes)
    path = folder / "plant.toml"
    path.write_text(plant_text(rate // SIGNALS, text, server, folder), encoding="utf-8")
    return path


def mqtt_plant(port: int, server: Influxd, folder: Path) -> Path:
    path = folder / "plant.toml"
    text = MQTT.replace("PORT", str(port))
    path.write_text(plant_text(MQTT_CELLS, text, server, folder), encoding="utf-8")
    return path


class Database:
    """A fresh InfluxDB, and what it shows."""

    def __init__(self, server: Influxd) -> None:
        assert server.popen is not None
        self.server = server
        self.process = psutil.Process(server.popen.pid)
        os.environ["POTLINE_BENCH_TOKEN"] = server.token
        settings = StoreSettings(
            kind="influxdb",
            path="",
            url=server.url,
            org=server.org,
            token_file="",
            token_env="POTLINE_BENCH_TOKEN",
            bucket_prefix="bench",
            raw_days=40,
            figures_days=0,
            alarms_days=0,
        )
        self._client = Client(settings, {BUCKET: 40})
        self._client.make_buckets()

    def close(self) -> None:
        self._client.close()

    def newest(self, ids: list[str], field: str) -> dict[str, int]:
        """Source time [ns] of the newest value of each cell, of the last minute."""
        asked = source(BUCKET, time.time_ns() - 60 * SECOND, None) + any_of("id", ids)
        rows = self._client.query(
            f'{asked} |> filter(fn: (r) => r._field == "{field}") |> last()', np.dtype(np.float64)
        )
        if not len(rows.times):
            return {}
        found = rows.table["id"].to_pylist()
        return dict(zip(found, rows.times.tolist(), strict=True))

    def count(self, start: int, end: int) -> int:
        """Values between two times; what either writes of their quality is none."""
        asked = source(BUCKET, start, end) + (
            '|> filter(fn: (r) => r._field != "Quality" and r._field !~ /_q$/)'
        )
        request = urllib.request.Request(
            f"{self.server.url}/api/v2/query?org={self.server.org}",
            f"{asked} |> count() |> group() |> sum()".encode(),
            {"Authorization": f"Token {self.server.token}", "Content-Type": "application/vnd.flux"},
        )
        with urllib.request.urlopen(request, timeout=COUNT_S) as answer:
            rows = Rows.parse(answer.read(), np.dtype(np.int64))
        return int(rows.values[0]) if len(rows.values) else 0


class Probe(threading.Thread):
    """How late values are when they can be queried."""

    def __init__(self, database: Database, ids: list[str], field: str) -> None:
        super().__init__(daemon=True)
        self.lags_s: list[float] = []
        self._database, self._ids, self._field = database, ids, field
        self._end = threading.Event()

    def run(self) -> None:
        known = self._database.newest(self._ids, self._field)
        while not self._end.wait(PROBE_S):
            newest = self._database.newest(self._ids, self._field)
            now = time.time_ns()
            for entity, at in newest.items():
                if at > known.get(entity, 0):
                    self.lags_s.append((now - at) / SECOND)
            known = newest

    def stop(self) -> list[float]:
        self._end.set()
        self.join()
        return self.lags_s


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen in a stretch of time, before its values are counted."""

    start: int  # ns
    end: int
    own: float  # CPU seconds
    memory_MB: float
    theirs: float
    lags_s: list[float]

    @classmethod
    def of(
        cls, collector: psutil.Process, database: Database, ids: list[str], seconds: float
    ) -> Round:
        probe = Probe(database, ids, "voltage")
        probe.start()
        before, other, start = Usage.of(collector), Usage.of(database.process), time.time_ns()
        time.sleep(seconds)
        after, others, end = Usage.of(collector), Usage.of(database.process), time.time_ns()
        own, theirs = after.cpu_s - before.cpu_s, others.cpu_s - other.cpu_s
        return cls(start, end, own, after.memory_MB, theirs, probe.stop())

    def counted(self, values: float, a_message: int = 1) -> Row:
        wall = (self.end - self.start) / SECOND
        p50, p99 = np.percentile(self.lags_s, (50, 99)) if self.lags_s else (np.nan, np.nan)
        per = max(values, 1) / a_message / 1e6
        return Row(
            values / wall, self.own / per, self.own / wall, self.memory_MB, self.theirs / per,
            self.theirs / wall, float(p50), float(p99),
        )  # fmt: skip

    def count(self, database: Database, a_message: int) -> Row:
        """What these seconds brought was told some lag before them."""
        late = int(statistics.median(self.lags_s) * SECOND) if self.lags_s else 0
        return self.counted(database.count(self.start - late, self.end - late), a_message)


@contextlib.contextmanager
def database(folder: Path) -> Iterator[Database]:
    server = Influxd(folder)
    server.start()
    try:
        found = Database(server)
        yield found
        found.close()
    finally:
        server.stop()


def settle(store: Database, ids: list[str]) -> None:
    """A fresh database is slow while it meets its series for the first time: wait until what was
    late then is written, if the collector comes to that."""
    deadline = time.monotonic() + LONGEST_SETTLE_S
    time.sleep(WARM_UP_S)
    while time.monotonic() < deadline:
        probe = Probe(store, ids, "voltage")
        probe.start()
        time.sleep(WARM_UP_S)
        if max(probe.stop(), default=np.inf) < SETTLED_S:
            return


def rounds_of(
    what: str,
    folder: Path,
    prepare: Callable[[Influxd, Path], Path],
    command: Start,
    seconds: float,
    rounds: int,
    a_message: int = 1,
) -> list[Row]:
    """A fresh database and one collector, until its values come, and then the rounds."""
    with database(folder / f"influxd-{what}") as store:
        own = folder / what
        own.mkdir()
        path = prepare(store.server, own)
        ids = [cell.id for cell in load(path).cells]
        ids = ids[:: max(1, len(ids) // PROBED)][:PROBED]
        with command(store, path, own) as collector:
            until(f"values of {what}", lambda: len(store.newest(ids, "voltage")) == len(ids))
            settle(store, ids)
            seen = [Round.of(collector, store, ids, seconds) for _ in range(rounds)]
            time.sleep(END_S)
        return [one.count(store, a_message) for one in seen]


def potline(_: Database, path: Path, folder: Path) -> Running:
    return ours(folder / "log", "run", path, "--port", unused_port())


def telegraf(text: Callable[[str], str]) -> Start:
    def start(store: Database, _: Path, folder: Path) -> Running:
        server = store.server
        config = folder / "telegraf.conf"
        output = _telegraf.OUTPUT.format(
            url=server.url, token=server.token, org=server.org, bucket=BUCKET
        )
        config.write_text(text(output), encoding="utf-8")
        return process(folder / "log", _telegraf.command(config))

    return start


def stock(path: Path, seconds: float, rounds: int) -> list[Row]:
    """asyncua's subscription: no store, so its lag is to the handler."""
    command = [sys.executable, "-m", "benchmarks._stock", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdin
        assert child.stdout
        seen = psutil.Process(child.pid)

        def ask() -> list[float]:
            assert child.stdin
            assert child.stdout
            child.stdin.write("\n")
            child.stdin.flush()
            return [float(word) for word in child.stdout.readline().split()]

        def ready() -> bool:
            time.sleep(1)
            return ask()[0] >= len(load(path).tags)

        try:
            until("asyncua's subscription", ready, 600)
            rows = []
            for _ in range(rounds):
                _, count, *_ = ask()
                before, start = Usage.of(seen), time.time_ns()
                time.sleep(seconds)
                _, now, p50, p99 = ask()
                after, end = Usage.of(seen), time.time_ns()
                found = Round(start, end, after.cpu_s - before.cpu_s, after.memory_MB, 0.0, [])
                rows.append(replace(found.counted(now - count), lag_p50_s=p50, lag_p99_s=p99))
            return rows
        finally:
            child.kill()


def opcua(rate: int, seconds: float, rounds: int, folder: Path) -> Iterator[tuple[str, list[Row]]]:
    port = unused_port()

    def prepare(server: Influxd, into: Path) -> Path:
        return opcua_plant(rate, port, server, into)

    with contextlib.ExitStack() as stack:
        # the plant that is simulated has no store of its own: any will do
        nowhere = Influxd(folder / "unused")
        served = prepare(nowhere, folder)
        stack.enter_context(ours(folder / "simulator", "simulate", served, "--fast", "--wave"))
        yield "potline", rounds_of("potline", folder, prepare, potline, seconds, rounds)
        if telegraf_program().exists():
            plant = load(served)
            started = telegraf(lambda output: _telegraf.of_opcua(plant, output))
            yield "Telegraf", rounds_of("telegraf", folder, prepare, started, seconds, rounds)
        yield "asyncua", stock(served, seconds, 1)


def mqtt(seconds: float, rounds: int, folder: Path) -> Iterator[tuple[str, list[Row]]]:
    port = unused_port()
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    stop = spawn.Event()
    with mosquitto(folder, port, BROKER):
        publisher = spawn.Process(
            target=publish, args=(port, MESSAGES_PER_S, MQTT_CELLS, stop, there), daemon=True
        )
        publisher.start()

        def prepare(server: Influxd, into: Path) -> Path:
            return mqtt_plant(port, server, into)

        try:
            yield (
                "potline",
                rounds_of("potline", folder, prepare, potline, seconds, rounds, len(VALUES)),
            )
            if telegraf_program().exists():
                started = telegraf(lambda output: _telegraf.of_mqtt(port, list(VALUES), output))
                yield (
                    "Telegraf",
                    rounds_of("telegraf", folder, prepare, started, seconds, rounds, len(VALUES)),
                )
        finally:
            stop.set()
            publisher.kill()
            here.close()


HEAD = (
    "| collector | values/s | CPU a {unit} | of a core | memory | InfluxDB a {unit} | of a core "
    "| lag p50 | p99 |\n|---|---|---|---|---|---|---|---|---|"
)


def told(name: str, rows: list[Row], first: Row | None) -> str:
    """A line of the table: medians, and how many times the first one's CPU."""

    def median(of: Callable[[Row], float]) -> float:
        return statistics.median(of(row) for row in rows)

    own = median(lambda r: r.cpu_us)
    times = f" ({own / first.cpu_us:.0f}×)" if first else ""
    base = median(lambda r: r.database_us)
    store = f"{base:.2f} µs | {100 * median(lambda r: r.database_share):.0f} %" if base else "- | -"
    return (
        f"| {name} | {median(lambda r: r.values_per_s):,.0f} | {own:.2f} µs{times} "
        f"| {100 * median(lambda r: r.share):.1f} % | {max(r.memory_MB for r in rows):.0f} MB "
        f"| {store} "
        f"| {median(lambda r: r.lag_p50_s):.2f} s | {median(lambda r: r.lag_p99_s):.2f} s |"
    )


def show(title: str, unit: str, found: Iterator[tuple[str, list[Row]]]) -> list[str]:
    lines = [f"**{title}**", "", HEAD.format(unit=unit)]
    print(f"\n{title}\n", flush=True)
    print(lines[-1], flush=True)
    first: Row | None = None
    for name, rows in found:
        lines.append(told(name, rows, first))
        print(lines[-1], flush=True)
        if first is None:
            first = sorted(rows, key=lambda r: r.cpu_us)[len(rows) // 2]
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="*", default=[50_000, 160_000])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-mqtt", dest="mqtt", action="store_false")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    if not (CACHE / "bin" / "influxd-2.9.1").exists():
        print("not measured: no influxd (`make provision` builds it)")
        return
    subprocess.run([sys.executable, "tools/provision.py", "telegraf"], check=False)
    names = ("asyncua", "numpy", "numba", "paho-mqtt")
    machine = [
        f"`python -m benchmarks.side_by_side {' '.join(sys.argv[1:])}`",
        f"{cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, {', '.join(f'{n} {version(n)}' for n in names)}; "
        f"InfluxDB 2.9.1, {telegraf_program().name}; medians of {given.rounds} rounds of "
        f"{given.seconds:g} s, memory is the most.",
        "",
    ]
    print("\n".join(machine))
    lines = machine
    for rate in given.rates:
        with tempfile.TemporaryDirectory() as folder:
            found = opcua(rate, given.seconds, given.rounds, Path(folder))
            lines += show(f"OPC UA, {rate:,} Doubles at 1 Hz", "value", found)
    if given.mqtt:
        with tempfile.TemporaryDirectory() as folder:
            found = mqtt(given.seconds, given.rounds, Path(folder))
            title = f"MQTT, {MESSAGES_PER_S:,} messages/s of {len(VALUES)} values in JSON at QoS 1"
            lines += show(title, "message", found)
    if given.write:
        put(PAGE, "side_by_side", "\n".join(lines))


if __name__ == "__main__":
    main()
