"""A source that gives its samples once is read while it is our turn, and only then."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from collector.in_turn import InTurn, Turn
from collector.source import Delivery, SourceHealth
from plant.batch import Batch


class Counting:
    """Delivers as fast as it is asked; tells how often it was begun and ended."""

    def __init__(self) -> None:
        self.health = SourceHealth()
        self.begun = self.ended = 0

    async def deliveries(self):
        self.begun += 1
        try:
            while True:
                await asyncio.sleep(0.01)
                yield Delivery("s", Batch.empty())
        finally:
            self.ended += 1


async def test_it_reads_in_its_turn_only(until):
    turn, reader = Turn(), Counting()
    seen = []

    async def read() -> None:
        async for delivery in InTurn(reader, turn).deliveries():
            seen.append(delivery)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    assert reader.begun == 0
    for round_ in (1, 2):
        turn.give(True)
        count = len(seen)
        await until(lambda count=count: len(seen) > count + 3)
        turn.give(False)
        await until(lambda round_=round_: reader.ended == round_)
        count = len(seen)
        await asyncio.sleep(0.1)
        assert len(seen) == count
    turn.give(True)
    await until(lambda: reader.begun == 3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert reader.ended == 3


async def test_a_reader_that_is_slow_to_end_may_be_cancelled_twice(until):
    class Slow(Counting):
        async def deliveries(self):
            self.begun += 1
            try:
                await asyncio.sleep(60)
                yield Delivery("s", Batch.empty())
            finally:
                await asyncio.sleep(0.1)
                self.ended += 1

    turn, reader = Turn(), Slow()
    turn.give(True)

    async def read() -> None:
        async with aclosing(InTurn(reader, turn).deliveries()) as deliveries:
            async for _ in deliveries:
                pass

    task = asyncio.create_task(read())
    await until(lambda: reader.begun == 1)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reader.ended == 1
