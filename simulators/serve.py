"""The simulated plant in real time, over the protocols of its own plant file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from plant.batch import SECOND, Batch
from plant.model import Plant, Source
from simulators.control import ControlServer
from simulators.modbus_server import ModbusServer
from simulators.mqtt_publisher import MqttPublisher
from simulators.opcua_server import OpcUaServer
from simulators.sample_log import SampleLog
from simulators.scale.server import ScaleServer, Security
from simulators.scenario import Fault, check_served
from simulators.simulation import Simulation
from simulators.sparkplug_node import SparkplugNodes
from simulators.wave import Wave

log = structlog.get_logger(__name__)

_GATHER_NS = 40_000_000  # samples of this span go out together, so each is this late at most


class Clock:
    """Simulated time: `speed` times faster than the wall until it has caught up with it."""

    def __init__(self, start_ns: int, speed: float) -> None:
        self._start, self._speed = start_ns, speed
        self._began = time.time_ns()

    def now(self) -> int:
        wall = time.time_ns()
        return min(wall, self._start + round((wall - self._began) * self._speed))

    async def reach(self, moment: int) -> None:
        """Wait until it is `moment`, [ns]; gives way to others in any case."""
        await asyncio.sleep(0)
        while (left := moment - self.now()) > 0:
            ahead = min(moment, time.time_ns()) - self.now()
            await asyncio.sleep(max(left / self._speed if ahead > 0 else left, 0) / SECOND)


class Outlet(Protocol):
    """What a source of the plant is on its other side."""

    source: Source

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *error: object) -> None: ...
    async def set_link(self, up: bool) -> None: ...


class Outlets:
    """The servers and clients that samples leave by."""

    def __init__(
        self, plant: Plant, log: SampleLog | None, fast: bool, security: Security | None
    ) -> None:
        self._plant = plant
        self._log = log
        opcua = [source for source in plant.sources if source.kind == "opcua"]
        self.opcua = [] if fast else [OpcUaServer(plant, source) for source in opcua]
        self.fast = [ScaleServer(plant, source, security) for source in opcua] if fast else []
        self.mqtt = [MqttPublisher(plant, s) for s in plant.sources if s.kind == "mqtt"]
        self.modbus = [ModbusServer(plant, s) for s in plant.sources if s.kind == "modbus"]
        self.sparkplug = [SparkplugNodes(plant, s) for s in plant.sources if s.kind == "sparkplug"]
        self.all: list[Outlet] = [
            *self.opcua, *self.fast, *self.mqtt, *self.modbus, *self.sparkplug
        ]  # fmt: skip
        by_id = {outlet.source.id: outlet for outlet in self.all}
        outlets = [by_id.get(source.id) for source in plant.sources]
        self._of_tag = [outlets[source] for source in plant.source_of_tag]
        self._served = np.array([outlet is not None for outlet in self._of_tag], np.bool_)
        self._polled = np.array([isinstance(o, ModbusServer) for o in self._of_tag], np.bool_)
        self._scale = np.array([tag.scale for tag in plant.tags])
        self._offset = np.array([tag.offset for tag in plant.tags])

    async def send(self, batch: Batch) -> None:
        served = self._served[batch.tags]
        if not served.all():
            batch = batch.take(served)
        scale, offset = self._scale[batch.tags], self._offset[batch.tags]
        wire = (batch.values - offset) / scale
        if self._log is not None:  # what a reader makes of it, to the last bit
            told = ~self._polled[batch.tags]  # polls have times and roundings of their own
            logged = Batch.of(batch.tags, batch.times, wire * scale + offset)
            self._log.add(logged if told.all() else logged.take(told))
        for server in self.fast:
            mine = server.serves[batch.tags]
            if mine.all():
                server.send(batch.tags, wire, batch.times)
                return
            server.send(batch.tags[mine], wire[mine], batch.times[mine])
            batch, wire = batch.take(~mine), wire[~mine]
        publishers: list[MqttPublisher | SparkplugNodes] = [*self.mqtt, *self.sparkplug]
        messages: dict[str, list[tuple[int, float, int]]] = {o.source.id: [] for o in publishers}
        for column, value, when in zip(
            batch.tags.tolist(), wire.tolist(), batch.times.tolist(), strict=True
        ):
            outlet = self._of_tag[column]
            if isinstance(outlet, OpcUaServer):
                await outlet.write(column, value, when)
            elif isinstance(outlet, ModbusServer):
                outlet.write(column, value)
            elif isinstance(outlet, MqttPublisher | SparkplugNodes):
                messages[outlet.source.id].append((column, value, when))
        for publisher in publishers:
            publisher.write(messages[publisher.source.id])

    async def apply(self, started: Iterable[Fault], active: Iterable[Fault]) -> None:
        """The faults of connections and of data."""
        started, active = list(started), list(active)
        for fault in started:
            if fault.kind == "bad_data":
                outlet = self._of_tag[fault.index]
                # checked with the scenario: only these kinds send it
                assert isinstance(outlet, OpcUaServer | ScaleServer | MqttPublisher)
                outlet.spoil_next(fault.index, fault.what)
        down = {fault.where for fault in active if fault.kind == "drop_connection"}
        plain: list[Outlet] = [*self.opcua, *self.mqtt, *self.modbus, *self.sparkplug]
        for each in plain:
            await each.set_link(each.source.id not in down)
        for server in self.fast:
            name = server.source.id
            await server.misbehave(
                [fault for fault in started if fault.where == name],
                [fault for fault in active if fault.where == name],
            )


async def serve(
    plant: Plant,
    *,
    seed: int = 1,
    speed: float = 1.0,
    since_s: float = 3600.0,
    seconds: float | None = None,
    scenario: Iterable[Fault] = (),
    sensor_errors: bool = False,
    truth_dir: Path | None = None,
    control_port: int | None = None,
    fast: bool = False,
    wave: bool = False,
    aligned: bool = False,
    security: Security | None = None,
) -> None:
    """Serve the plant until cancelled, or for `seconds` simulated seconds.

    speed: above 1, simulated time begins since_s ago and runs so many times faster than the clock
    until it has caught up with it, so no time stamp is ever in the future.
    sensor_errors: each tag errs as the accuracy that the plant file states, drawn by seed.
    truth_dir: where the truth is written, at the end. control_port: see simulators.control.
    fast: OPC UA by simulators.scale, security is its certificate. wave: values of simulators.wave,
    aligned or spread over the interval.
    ScenarioError when a fault needs the fast server and another one serves; OSError when a port of
    the plant's own servers is taken.
    """
    scenario = list(scenario)
    check_served(scenario, fast)
    async with AsyncExitStack() as stack:
        samples = None
        if truth_dir is not None:
            samples = stack.enter_context(SampleLog(plant, truth_dir))
        outlets = Outlets(plant, samples, fast, security)
        for outlet in outlets.all:
            await stack.enter_async_context(outlet)
        ago = round(since_s * SECOND) if speed > 1 else 0
        start_ns = time.time_ns() - ago
        clock = Clock(start_ns, speed)  # before the plant is made, which takes seconds at scale
        simulation: Simulation | Wave
        if wave:
            simulation = Wave(plant, start_ns, seed, scenario, aligned=aligned)
        else:
            simulation = Simulation(plant, start_ns, seed, scenario, sensor_errors=sensor_errors)
        if control_port is not None:
            await stack.enter_async_context(ControlServer(simulation, control_port, fast))
        log.info("simulating", plant=plant.path, cells=len(plant.cells), tags=len(plant.tags))
        try:
            await _run(simulation, outlets, clock, seconds)
        finally:
            if truth_dir is not None:
                if isinstance(simulation, Simulation):
                    simulation.truth.write(truth_dir)
                _write_topics(outlets, truth_dir)


async def _run(
    simulation: Simulation | Wave, outlets: Outlets, clock: Clock, seconds: float | None
) -> None:
    while seconds is None or simulation.now_s < seconds:
        await clock.reach(simulation.time)
        batch = simulation.step()
        await outlets.apply(simulation.started, simulation.faults.active.values())
        sent = 0
        while sent < len(batch):
            await clock.reach(int(batch.times[sent]) + _GATHER_NS)
            due = int(np.searchsorted(batch.times, clock.now(), "right"))
            await outlets.send(simulation.stamp(batch.take(slice(sent, due))))
            sent = due


def _write_topics(outlets: Outlets, directory: Path) -> None:
    """How many messages were published, by topic."""
    counts = [item for publisher in outlets.mqtt for item in publisher.published.items()]
    table = pa.table({
        "topic": pa.array([topic for topic, _ in counts], pa.string()),
        "messages": pa.array([messages for _, messages in counts], pa.int64()),
    })  # fmt: skip
    pq.write_table(table, directory / "topics.parquet")
