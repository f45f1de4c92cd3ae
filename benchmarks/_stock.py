"""asyncua's own subscription with a handler that counts: what most Python collectors are made of.

    python -m benchmarks._stock PLANT.toml

Each line from standard input is answered with: items, values so far, and the median and the 99th
percentile of how late those since the line before came. [s]
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from asyncua import Client, Node, ua

from plant.load import load

ITEMS_A_CALL = 1000


class Handler:
    def __init__(self) -> None:
        self.values = 0
        self.late_s: list[float] = []

    def datachange_notification(self, node: Node, value: Any, data: Any) -> None:
        self.values += 1
        came: datetime = data.monitored_item.Value.SourceTimestamp
        self.late_s.append((datetime.now(UTC) - came.replace(tzinfo=UTC)).total_seconds())


async def collect(path: Path) -> None:
    plant = load(path)
    options = plant.sources[0].options
    handler, items = Handler(), 0
    async with Client(options["url"], timeout=60, watchdog_intervall=600) as client:
        index = await client.get_namespace_index(options["namespace"])
        subscription = await client.create_subscription(500, handler)
        answering = asyncio.get_running_loop()
        nodes = [client.get_node(ua.NodeId(t.address["node"][2:], index)) for t in plant.tags]

        async def subscribe() -> None:
            nonlocal items
            for first in range(0, len(nodes), ITEMS_A_CALL):
                some = nodes[first : first + ITEMS_A_CALL]
                await subscription.subscribe_data_change(some, queuesize=4, sampling_interval=1000)
                items += len(some)

        subscribing = asyncio.create_task(subscribe())
        while await answering.run_in_executor(None, sys.stdin.readline):
            late, handler.late_s = handler.late_s, []
            p50, p99 = np.percentile(late, (50, 99)) if late else (np.nan, np.nan)
            print(items, handler.values, p50, p99, flush=True)
        subscribing.cancel()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(collect(Path(sys.argv[1])))
