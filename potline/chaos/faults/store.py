"""The database, or what answers in its place."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from potline.chaos.answers import Answers
from potline.chaos.faults.kind import fault
from potline.chaos.rehearsal import HOST
from simulators.proxy import Network

if TYPE_CHECKING:
    from potline.chaos.storm import Storm


@fault("store", (1, 6), "influxd killed with SIGKILL, then started again")
async def kill_store(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    assert storm.influxd is not None  # without it nothing of the store is struck
    storm.influxd.kill()
    yield
    await storm.influxd.start()


def _answering(name: str, status: str, *headers: str) -> None:
    @fault("store", (2, 10), f"database answers {status}", name=name)
    async def course(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
        proxy = storm.proxies["store"]
        real = proxy.target
        async with Answers(status, *headers) as answers:
            proxy.target = (HOST, answers.port)
            proxy.reset()
            try:
                yield
            finally:
                proxy.target = real
                proxy.reset()


def _network(name: str, what: str, network: Callable[[random.Random], Network]) -> None:
    @fault("store", (2, 8), what, name=name)
    async def course(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
        storm.proxies["store"].network = network(luck)
        try:
            yield
        finally:
            storm.proxies["store"].network = Network()


_answering("store_500", "500 Internal Server Error")
_answering("store_503", "503 Service Unavailable")
_answering("store_429", "429 Too Many Requests", "retry-after: 1")
_answering("store_401", "401 Unauthorized")
_network(
    "store_times_out",
    "connections to the database swallow what comes",
    lambda luck: Network(black_hole=True),
)
_network(
    "store_half_answers",
    "connections to the database end after some bytes",
    lambda luck: Network(close_after=luck.randrange(100, 20_000)),
)
_network(
    "store_slow",
    "each byte to and from the database 0.2-1 s later",
    lambda luck: Network(delay_s=luck.uniform(0.2, 1.0)),
)
