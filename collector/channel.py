"""A background task's deliveries as an async iterator; a bug of the task comes out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

from collector.source import Delivery

Put = Callable[[Delivery], Awaitable[None]]

_WAITING = 16
"""Deliveries that may wait for the intake; a source that has more to give waits itself."""


async def channel(
    run: Callable[[Put], Coroutine[Any, Any, None]],
) -> AsyncGenerator[Delivery, None]:
    """Run `run(put)` beside the consumer; ends when it does, cancels it when closed."""
    queue: asyncio.Queue[Delivery] = asyncio.Queue(_WAITING)
    task = asyncio.create_task(run(queue.put))
    try:
        while not (task.done() and queue.empty()):
            getter = asyncio.ensure_future(queue.get())
            try:
                await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
                if getter.done():
                    yield getter.result()
            finally:
                getter.cancel()
        task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))
