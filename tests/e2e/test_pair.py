"""Two collectors of one plant under load: one is killed, stopped, cut off from the other."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from harness import get_or_none, potline, until, unused_port, write_plant

from plant.batch import SECOND
from plant.load import load
from simulators.proxy import Proxy
from simulators.wave import Wave
from store.open import open_store

CELLS = 80
SETTLE_S = 8
"""Until the beats of what was sent are computed and stored."""

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(420)]


class Half:
    """One collector of the pair."""

    def __init__(self, folder: Path, name: str, influxd, mqtt: int, opcua: int) -> None:
        folder.mkdir()
        (folder / "token").write_text(influxd.token, "utf-8")
        (folder / "secret").write_text("only on loopback, for tests", "utf-8")
        store = (
            f'[store]\nkind = "influxdb"\nurl = "{influxd.url}"\norg = "{influxd.org}"\n'
            f'token_file = "token"\nbucket_prefix = "pair"\npath = "{folder / "var"}"\n'
        )
        self.file = write_plant(folder, store, mqtt, opcua)
        text = self.file.read_text("utf-8").replace('A = "001-008"', f'A = "001-{CELLS:03}"')
        for signal in ("alumina_fed", "beam_position", "metal_tapped", "bath_temperature"):
            text = text.replace(f"{signal} = 60", f"{signal} = 1")
        text = text.replace("figures_every_s = 5", "figures_every_s = 1")
        self.file.write_text(text, "utf-8")
        self.name, self.port, self.peer_port = name, unused_port(), unused_port()
        self.runs = 0

    def join(self, peer_port: int, priority: int) -> None:
        """peer_port: where this one reaches the other."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(
                f'\n[pair]\nname = "{self.name}"\nlisten = "127.0.0.1:{self.peer_port}"\n'
                f'peer = "127.0.0.1:{peer_port}"\nsecret_file = "secret"\npriority = {priority}\n'
            )

    def start(self, processes) -> None:
        self.runs += 1
        name = f"{self.name}-{self.runs}"
        self.process = processes(name, "run", self.file, "--port", self.port)

    @property
    def pair(self) -> dict:
        answer = get_or_none(f"http://127.0.0.1:{self.port}/healthz") or {}
        return answer.get("pair", {})

    @property
    def active(self) -> bool:
        return self.pair.get("role") == "active"

    def metric(self, begins: str) -> float:
        """The sum of all samples whose line begins so."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(begins))

    @property
    def lives(self) -> bool:
        answer = get_or_none(f"http://127.0.0.1:{self.port}/api/v1/live") or {}
        return answer.get("time_ms") and time.time() - answer["time_ms"] / 1000 < 6


@contextmanager
def proxy_to(port: int):
    """A proxy in a thread of its own; .port, and what the network does, from here."""
    up, stop = threading.Event(), threading.Event()
    proxy = Proxy("127.0.0.1", port)

    async def serve() -> None:
        async with proxy:
            up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    up.wait(10)
    try:
        yield proxy
    finally:
        stop.set()
        thread.join(10)


def takes_over(half: Half) -> float:
    """Seconds until it is active."""
    began = time.monotonic()
    while not half.active:
        assert time.monotonic() - began < 15, f"{half.name} does not take over"
        time.sleep(0.02)
    return time.monotonic() - began


def test_nothing_is_lost_or_doubled_by_a_kill_a_stop_or_a_cut_cable(
    tmp_path, processes, own_influxd, mosquitto, record_property
):
    opcua = unused_port()
    first, second = (
        Half(tmp_path / name, name, own_influxd, mosquitto.port, opcua) for name in ("a", "b")
    )
    with proxy_to(second.peer_port) as there, proxy_to(first.peer_port) as back:
        first.join(there.port, 1)
        second.join(back.port, 2)
        processes("simulate", "simulate", first.file, "--fast", "--wave", "--aligned")
        first.start(processes)
        second.start(processes)
        until("figures of both", lambda: first.lives and second.lives, 180)
        until("one active", lambda: first.active and second.pair["peer_active"], 15)
        assert not second.active, "the lower priority number is active"
        time.sleep(4)
        begin = time.time_ns()
        assert second.metric('potline_samples_rejected_total{reason="stored_by_peer"') > 0, (
            "the standby lets go of what the active has stored"
        )

        there.network.black_hole = back.network.black_hole = True
        after_cut_s = takes_over(second)
        time.sleep(1)
        assert first.active, "a cut cable between the two stops nobody"
        there.network.black_hole = back.network.black_hole = False
        until("one active", lambda: first.active != second.active, 10)
        assert second.active, "the newer lease stands"
        assert first.lives

        second.process.kill()
        after_kill_s = takes_over(first)
        second.start(processes)
        until("the killed one stands by", lambda: second.lives and second.pair["peer_active"], 60)
        assert first.active
        assert not second.active

        began = time.monotonic()
        first.process.popen.terminate()
        takes_over(second)
        after_stop_s = time.monotonic() - began
        assert first.process.stop() == 0, first.process.text

        end = time.time_ns()
        time.sleep(SETTLE_S)
        assert second.process.stop() == 0, second.process.text
    times = {"kill_s": after_kill_s, "stop_s": after_stop_s, "cut_s": after_cut_s}
    record_property("take-over", times)
    assert max(times.values()) < 5.0, times
    assert after_stop_s < 2.5

    plant = load(first.file)
    with closing(open_store(plant)) as store:
        samples = store.samples(None, begin, end)
        figures = store.figures("cell", ["voltage"], None, begin, end)
    every_second = [
        tag.column for tag in plant.tags if tag.source == "pots" and tag.interval_s == 1
    ]
    seconds = np.arange(-(-begin // SECOND), end // SECOND + 1) * SECOND
    seconds = seconds[(begin <= seconds) & (seconds < end)]
    assert len(every_second) == 5 * CELLS + 1
    for column in every_second:
        rows = samples.tags == column
        assert samples.times[rows].tolist() == seconds.tolist(), plant.tags[column].id
        assert (samples.quality[rows] == 0).all()
        told = Wave(plant, begin).read(samples.tags[rows], samples.times[rows])
        assert np.array_equal(samples.values[rows], told)
    power = samples.tags == plant.column_of["L1-R.ac_power"]
    steps = np.diff(samples.times[power])
    assert steps.min() == steps.max(), "the messages of the broker: none missing, none twice"

    assert np.diff(figures.times).max() == round(plant.time.figures_every_s * SECOND)
    assert np.isfinite(figures.values).all()
    for half in (first, second):
        report = json.loads(potline("audit", half.file, "--json", status=None).stdout)
        assert report["closes"], json.dumps(report, indent=1)
        assert all(row["spooled"] == 0 for row in report["sources"] if half is second), report
