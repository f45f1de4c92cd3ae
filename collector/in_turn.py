"""Sources that give their samples once: of a pair of collectors the active one alone reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from collector.source import Delivery, SourceHealth, SourceReader


class Turn:
    """Whose turn it is; at first the other one's."""

    def __init__(self) -> None:
        self.ours = asyncio.Event()
        self.theirs = asyncio.Event()
        self.theirs.set()

    def give(self, ours: bool) -> None:
        begins, ends = (self.ours, self.theirs) if ours else (self.theirs, self.ours)
        ends.clear()
        begins.set()


class InTurn:
    """A reader that rests while it is the other one's turn. What it brought and was not durable
    stays with its source."""

    def __init__(self, reader: SourceReader, turn: Turn) -> None:
        self._reader = reader
        self._turn = turn

    @property
    def health(self) -> SourceHealth:
        return self._reader.health

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        while True:
            await self._turn.ours.wait()
            async with aclosing(self._reader.deliveries()) as deliveries:
                over = asyncio.ensure_future(self._turn.theirs.wait())
                try:
                    while (delivery := await _next(deliveries, over)) is not None:
                        yield delivery
                finally:
                    over.cancel()


async def _next(
    deliveries: AsyncGenerator[Delivery, None], over: asyncio.Future[Any]
) -> Delivery | None:
    """The next delivery, None when `over` comes first."""
    upcoming = asyncio.ensure_future(anext(deliveries))
    try:
        await asyncio.wait((upcoming, over), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _ended(upcoming)
    return None if upcoming.cancelled() else upcoming.result()


async def _ended(upcoming: asyncio.Future[Any]) -> None:
    """Cancel it and wait until it has ended, however often we are cancelled meanwhile: a generator
    cannot be closed while it runs."""
    again = False
    upcoming.cancel()
    while not upcoming.done():
        try:
            await asyncio.wait((upcoming,))
        except asyncio.CancelledError:
            again = True
    if again:
        raise asyncio.CancelledError
