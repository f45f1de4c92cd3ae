"""The network between the collector and a server or broker."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from potline.chaos.faults.kind import fault
from simulators.proxy import Network

if TYPE_CHECKING:
    from potline.chaos.storm import Storm


@fault("link", (0.1, 0.5), "every connection reset once")
async def reset(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.proxies[target].reset()
    yield


@fault("link", (1, 6), "connections reset, new ones too")
async def refuse(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    proxy = storm.proxies[target]
    proxy.network = Network(refuse=True)
    proxy.reset()
    try:
        yield
    finally:
        proxy.network = Network()


def _network(
    name: str,
    lasts_s: tuple[float, float],
    what: str,
    network: Callable[[random.Random], Network],
) -> None:
    @fault("link", lasts_s, what, name=name)
    async def course(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
        storm.proxies[target].network = network(luck)
        try:
            yield
        finally:
            storm.proxies[target].network = Network()


_network(
    "black_hole",
    (1, 8),
    "connections swallow what comes; no side is told",
    lambda luck: Network(black_hole=True),
)
_network(
    "delay",
    (2, 8),
    "each byte 0.1-0.8 s later, both ways",
    lambda luck: Network(delay_s=luck.uniform(0.1, 0.8)),
)
_network(
    "narrow",
    (2, 8),
    "100-400 kB/s through a connection, both ways",
    lambda luck: Network(bytes_per_s=luck.uniform(1e5, 4e5)),
)
_network(
    "cut_short",
    (2, 6),
    "connections end after some bytes, in the middle of a message",
    lambda luck: Network(close_after=luck.randrange(1, 50_000)),
)
_network(
    "corrupt",
    (0.5, 2),
    "bits of a few bytes turned on the way",
    lambda luck: Network(corrupt=luck.randrange(1, 6)),
)
