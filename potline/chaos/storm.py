"""A storm: servers, proxies and the collector as real processes, and the faults among them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from plant.model import Plant
from potline.chaos import stepped_clock
from potline.chaos.disk import Disk
from potline.chaos.faults import KINDS
from potline.chaos.processes import (
    Amqtt,
    Collector,
    Influxd,
    Mosquitto,
    Process,
    Simulator,
    find_influxd,
    find_mosquitto,
)
from potline.chaos.rehearsal import BROKERED, HOST, SERVER_NAME, Layout, Rehearsal
from potline.chaos.schedule import Planned, Targets, plan
from potline.chaos.watch import Watch
from potline.exits import FOUND, Failure
from potline.plants import load_plant
from simulators.proxy import Proxy

FIRST_FLOW_S = 120.0
RECOVER_S = 40.0
CALM_S = 4.0
DRAIN_S = 300.0
LOOK_S = 2.0
TIMES = 3.0
"""A storm that takes so many times its seconds is ended."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was told."""

    path: Path
    seconds: float
    faults: int
    seed: int
    rate: float
    most_GB: float
    only: tuple[str, ...] = ()  # kinds of faults; all when empty


@dataclass(slots=True)
class Done:
    """A fault that was. Times are ns since the epoch.

    recovered_s: from its end to the first samples of each source that it had interrupted. found_s:
    until a silent server was found out, infinite if it was not. error: why it could not be done.
    """

    planned: Planned
    sources: frozenset[str]
    began: int = 0
    ended: int = 0
    interrupted: tuple[str, ...] = ()
    recovered_s: dict[str, float] = field(default_factory=dict)
    found_s: float | None = None
    error: str = ""


class Storm:
    """`weather` runs it in a folder of its own, which the caller empties."""

    def __init__(self, asked: Asked, folder: Path, say: Callable[[str], None]) -> None:
        self.asked, self.folder, self._say = asked, folder, say
        self.done: list[Done] = []
        self.alive: list[tuple[int, int]] = []  # the plant told something: from, to [ns]
        self.judged = 0, 0  # the span that counts [ns]
        self.own_ends: list[str] = []  # processes that ended by themselves
        self._plant_since = 0
        self._down = 0  # the collector is kept down by so many faults
        self._touched: dict[str, asyncio.Lock] = {}

    # -- what faults use

    @contextlib.asynccontextmanager
    async def without_collector(self, gently: bool = False) -> AsyncIterator[None]:
        self._down += 1
        try:
            await self.collector.stop() if gently else self.collector.kill()
            yield
            await self.collector.start()
        finally:
            self._down -= 1

    def plant_ended(self) -> None:
        self.alive.append((self._plant_since, time.time_ns()))

    async def plant_began(self) -> None:
        status = await asyncio.to_thread(self.simulator.ask, {"status": True})
        self._plant_since = int(status["time"] - status["now_s"] * 1e9)

    # -- the whole of it

    @contextlib.asynccontextmanager
    async def weather(self) -> AsyncIterator[None]:
        """The storm is over and drained when this is entered; the database is still there."""
        async with AsyncExitStack() as stack:
            await self._set_up(stack)
            tasks = [
                asyncio.create_task(work()) for work in (self._storm, self._guard, self.watch.run)
            ]
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            yield

    async def _set_up(self, stack: AsyncExitStack) -> None:
        asked, folder = self.asked, self.folder
        user = load_plant(asked.path)
        mosquitto = find_mosquitto()
        influxd = find_influxd() if user.store.kind == "influxdb" else None
        if user.store.kind == "influxdb" and influxd is None:
            self._say("no influxd on this machine: the embedded store takes its place")
        self.disk = Disk(folder / "kept", int(asked.most_GB * 1e9))
        stack.callback(self.disk.close)
        layout = Layout.of(user, influxd is not None)
        rehearsal = Rehearsal(
            asked.path, user, layout, folder, self.disk.folder, asked.rate, mosquitto is None,
            asked.most_GB,
        )  # fmt: skip
        served = rehearsal.write("server")
        collected = rehearsal.write("proxy")
        self.plant_file = collected
        self.plant: Plant = load_plant(collected)
        self.clock = folder / "clock"
        stepped_clock.write(self.clock, 0)
        self.brokers: dict[str, Process] = {}
        self.durable = mosquitto is not None
        self.proxies: dict[str, Proxy] = {}
        for number, address in enumerate(layout.brokers.values()):
            name = f"broker-{number}"
            self.brokers[name] = (
                Mosquitto(name, folder, address.server, mosquitto)
                if mosquitto
                else Amqtt(name, folder, address.server)
            )
            await self._proxy(stack, name, address.server, address.proxy)
        for source, address in layout.servers.items():
            await self._proxy(stack, source, address.server, address.proxy)
        self.influxd = None
        if layout.store and influxd:
            self.influxd = Influxd(folder, layout.store.server, influxd)
            await self._proxy(stack, "store", layout.store.server, layout.store.proxy)
        certificate = await self._certify() if layout.secured else None
        self.secured = layout.secured
        self.simulator = Simulator(folder, served, layout.control, certificate)
        self.collector = Collector(folder, collected, layout.api, self.clock)
        self.watch = Watch(self.plant, self.collector)
        self.fed_by = {
            source.id: f"broker-{list(layout.brokers.values()).index(layout.broker_of(before))}"
            for source, before in zip(self.plant.sources, user.sources, strict=True)
            if source.kind in BROKERED
        }
        for process in self._processes():
            stack.callback(process.kill)

    def _processes(self) -> list[Process]:
        """Those that others need come first."""
        database = [self.influxd] if self.influxd else []
        return [*self.brokers.values(), *database, self.simulator, self.collector]

    async def _proxy(self, stack: AsyncExitStack, name: str, server: int, listen: int) -> None:
        proxy = Proxy(HOST, server, listen, seed=self.asked.seed)
        self.proxies[name] = await stack.enter_async_context(proxy)

    async def _certify(self) -> Path:
        """A certificate of the simulated servers, which the collector trusts."""
        from asyncua.crypto.cert_gen import setup_self_signed_certificate
        from cryptography.x509.oid import ExtendedKeyUsageOID

        from collector.opcua.certificates import parse
        from collector.opcua.trust import TrustList

        file = self.folder / "server.der"
        await setup_self_signed_certificate(
            file.with_suffix(".pem"), file, "urn:potline:storm", SERVER_NAME,
            [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "storm"},
        )  # fmt: skip
        TrustList(self.plant).put("trusted", parse(file.read_bytes())[0])
        return file

    async def _storm(self) -> None:
        for process in self._processes():
            await process.start()
            if process is self.influxd:
                await asyncio.to_thread(self.influxd.set_up)
        await self.plant_began()
        began = time.monotonic()
        flowing = await self.watch.flowing(self.watch.live, began, FIRST_FLOW_S)
        if missing := sorted(self.watch.live - set(flowing)):
            raise Failure(FOUND, f"no samples of {', '.join(missing)}: see {self.collector.log}")
        await asyncio.sleep(CALM_S)
        first = time.time_ns()
        asked = self.asked
        kinds = [
            kind
            for name, kind in KINDS.items()
            if name in (asked.only or KINDS)
            and (name != "read_only_disk" or self.disk.can_be_read_only)
        ]
        planned = plan(kinds, self._targets(), asked.seconds, asked.faults, asked.seed)
        self._say(f"the storm begins: {len(planned)} faults in {self.asked.seconds:.0f} s")
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(TIMES * self.asked.seconds + 60),
                asyncio.TaskGroup() as faults,
            ):
                for fault in planned:
                    faults.create_task(self._strike(fault, began))
        if (left := began + self.asked.seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)
        await asyncio.sleep(CALM_S)
        self.judged = first, time.time_ns()
        await asyncio.sleep(CALM_S)
        self._say("the storm is over: the plant stops, the spool drains")
        self.plant_ended()
        await self.simulator.stop()
        await self._drained()
        self._down += 1
        if status := await self.collector.stop():
            self.own_ends.append(f"collector with status {status}, when it was stopped")

    async def _drained(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            ledger = await asyncio.to_thread(self.collector.get, "api/v1/ledger")
            if ledger and not sum(row["spooled"] for row in ledger["sources"].values()):
                return
            await asyncio.sleep(0.5)

    def _targets(self) -> Targets:
        everything = frozenset(self.watch.live | {"store"})
        sources = frozenset(self.watch.live)
        brokers = {
            broker: frozenset(s for s, by in self.fed_by.items() if by == broker)
            for broker in self.brokers
        }
        kinds = {source.id: source.kind for source in self.plant.sources}
        own = {name: frozenset({name}) for name in self.proxies if name in sources}
        return {
            "collector": {"": everything},
            "clock": {"": everything},
            "disk": {"": everything},
            "simulator": {"": sources},
            "broker": {name: fed for name, fed in brokers.items() if fed},
            "link": own | {name: fed for name, fed in brokers.items() if fed},
            "server": {name: touched for name, touched in own.items() if kinds[name] == "opcua"},
            "store": {"": frozenset({"store"})} if self.influxd else {},
        }

    # -- one fault

    async def _strike(self, planned: Planned, began: float) -> None:
        await asyncio.sleep(max(0.0, began + planned.at_s - time.monotonic()))
        async with AsyncExitStack() as held:
            for name in sorted(planned.touches):
                await held.enter_async_context(self._touched.setdefault(name, asyncio.Lock()))
            done = Done(planned, planned.touches - {"store"})
            self.done.append(done)
            self._say(f"{planned.kind.name:24} {planned.target:12} begins: {planned.kind.what}")
            await self._do(done)
            slowest = max(done.recovered_s.values(), default=0.0)
            lost = len(done.interrupted) - len(done.recovered_s)
            after = f"; flows again after {slowest:.1f} s" if done.interrupted else ""
            found = "" if done.found_s is None else f"; found after {done.found_s:.1f} s"
            found += f"; {lost} sources do NOT flow again" if lost else ""
            self._say(f"{planned.kind.name:24} {planned.target:12} ends{found}{after}{done.error}")

    async def _do(self, done: Done) -> None:
        planned = done.planned
        luck = random.Random(planned.seed)
        finding = None
        interrupted: set[str] = set()
        if planned.kind.silent:
            await self.watch.steady(planned.target, RECOVER_S)
        done.began = time.time_ns()
        try:
            async with planned.kind.inject(self, planned.target, luck):
                if planned.kind.silent:
                    finding = asyncio.create_task(self._find(planned))
                until = time.monotonic() + planned.for_s
                while (left := until - time.monotonic()) > 0:
                    await asyncio.sleep(min(left, 0.1))
                    interrupted |= {s for s in done.sources if self.watch.interrupted(s)}
        except (Failure, OSError, ValueError, sqlite3.Error) as error:
            done.error = f"; FAILED: {error}"
        done.ended, ended = time.time_ns(), time.monotonic()
        if planned.kind.where in ("collector", "disk", "simulator"):
            interrupted = set(done.sources)
        done.interrupted = tuple(sorted(interrupted))
        if finding is not None:
            done.found_s = await finding
        done.recovered_s = await self.watch.flowing(done.interrupted, ended, RECOVER_S)

    async def _find(self, planned: Planned) -> float:
        seen = self.watch.seen[planned.target]
        return await self.watch.stalled(
            planned.target, seen.stalls, time.monotonic(), planned.for_s
        )

    async def _guard(self) -> None:
        """A collector that ends by itself is started again, as systemd does; what grows without
        bound ends the storm."""
        while True:
            await asyncio.sleep(LOOK_S)
            size = await asyncio.to_thread(_bytes, self.folder)
            if size > self.asked.most_GB * 1e9:
                raise Failure(
                    FOUND, f"the storm has filled {size / 1e9:.1f} GB: give it more with --most-gb"
                )
            for process in self._processes():
                if process.status is None or process.starts == 0 or self._down:
                    continue
                if process is self.collector:
                    self.own_ends.append(f"{process.name} with status {process.status}")
                    self._say(f"the collector ended by itself with status {process.status}")
                    process.spawn()


def _bytes(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += file.lstat().st_blocks * 512
    return size
