"""Processes that are killed or paused, and a clock that is wrong."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from potline.chaos import stepped_clock
from potline.chaos.faults.kind import fault

if TYPE_CHECKING:
    from potline.chaos.storm import Storm


@fault("collector", (0.5, 3), "collector killed with SIGKILL, then started again")
async def kill_collector(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    async with storm.without_collector():
        yield


@fault("collector", (0.2, 1), "collector stopped by SIGTERM, then started again")
async def restart_collector(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    async with storm.without_collector(gently=True):
        yield


@fault("collector", (1, 6), "collector held by SIGSTOP, then let go on")
async def pause_collector(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.collector.signal(signal.SIGSTOP)
    yield
    storm.collector.signal(signal.SIGCONT)


@fault("simulator", (0.5, 3), "every server of the plant killed, then started again")
async def kill_plant(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.plant_ended()
    storm.simulator.kill()
    yield
    await storm.simulator.start()
    await storm.plant_began()


@fault("broker", (0.5, 4), "MQTT broker killed with SIGKILL, then started again")
async def kill_broker(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.brokers[target].kill()
    yield
    await storm.brokers[target].start()


@fault("broker", (1, 6), "MQTT broker held by SIGSTOP, then let go on")
async def pause_broker(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.brokers[target].signal(signal.SIGSTOP)
    yield
    storm.brokers[target].signal(signal.SIGCONT)


@fault("clock", (2, 8), "collector's clock set back by 60 % of max_future_s, then right again")
async def clock_back(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    with _stepped(storm, -0.6 * storm.plant.time.max_future_s):
        yield


@fault("clock", (2, 8), "collector's clock set forward by 20 s, then right again")
async def clock_forward(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    with _stepped(storm, 20.0):
        yield


@contextlib.contextmanager
def _stepped(storm: Storm, ahead_s: float) -> Iterator[None]:
    stepped_clock.write(storm.clock, round(ahead_s * 1e9))
    try:
        yield
    finally:
        stepped_clock.write(storm.clock, 0)
