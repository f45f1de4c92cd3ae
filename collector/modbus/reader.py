"""Modbus TCP source: polls on the grid of each tag's interval, one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

import numpy as np
import structlog

from collector.channel import Put, channel
from collector.link import LinkState
from collector.modbus.connection import ModbusConnection, Refused
from collector.modbus.plan import Decoder, Item, Planner, Request
from collector.scaling import Scaling
from collector.source import Delivery
from plant.batch import SECOND, Batch, Quality
from plant.model import Plant, Source

REFUSED_S = 60.0
"""Between tries of a register that the device refuses."""
SILENT_S = 10.0
"""Between tries of a unit that does not answer, so that it delays the others little."""
SPLITTING = ("illegal_address", "illegal_value")
"""Said of a request for which a smaller one may be answered."""
ABSENT = ("gateway_path_unavailable", "gateway_no_response")
"""Said by a gateway of the unit behind it."""

log = structlog.get_logger()


class ModbusReader:
    """Samples of one device, or of the units behind one gateway. The time of a sample is the middle
    between request and answer."""

    def __init__(self, source: Source, plant: Plant) -> None:
        options = source.options
        self._source = source
        self._plant = plant
        self._link = LinkState(source.id, f"{options['host']}:{options['port']}")
        self.health = self._link.health
        self._items = [Item.of(tag) for tag in plant.tags if tag.source == source.id]
        self._planner = Planner.of(options)
        self._decoder = Decoder(source)
        self._scaling = Scaling.of(plant)
        self._refused: dict[int, float] = {}  # column -> when it is tried again
        self._silent: dict[int, float] = {}  # unit id -> the same
        self._resumed = True
        self._behind = False

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        options = self._source.options
        while self._items:
            connection = ModbusConnection(options["host"], options["port"], options["timeout_s"])
            try:
                await connection.open()
                self._planner.forget()
                self._refused.clear()
                self._silent.clear()
                self._resumed = True
                await self._serve(connection, put)
            except (OSError, TimeoutError) as error:
                self._link.lost(error)
            finally:
                connection.close()
            await asyncio.sleep(self._link.delay_s())

    async def _serve(self, connection: ModbusConnection, put: Put) -> None:
        """Poll after poll: what became due several times meanwhile is polled once."""
        interval = {item.column: int(self._plant.interval_ns[item.column]) for item in self._items}
        due = dict.fromkeys(interval.values(), 0)
        while True:
            now = time.time_ns()
            # the clock may be set back: no point of the grid is further than the next one
            due = {every: min(at, _next(now, every)) for every, at in due.items()}
            if (wait := min(due.values()) - now) > 0:
                await asyncio.sleep(min(wait / SECOND, 1.0))
                continue
            items = [item for item in self._items if due[interval[item.column]] <= now]
            answers = await self._poll(connection, put, items)
            if answers == {False}:  # is it these units, or the link?
                answers |= await self._poll(connection, put, self._items)
                if answers == {False}:
                    raise TimeoutError("no unit answers; look at the device, unit_id and timeout_s")
            after = time.time_ns()
            if False not in answers:
                self._pace(after - now, min(due))
            due = {every: _next(after, every) if at <= now else at for every, at in due.items()}

    async def _poll(
        self, connection: ModbusConnection, put: Put, items: Iterable[Item]
    ) -> set[bool]:
        """Deliver each answer as it comes. -> whether there was one, of all that was asked"""
        answers = set()
        now = time.monotonic()
        requests = self._planner.requests(
            item for item in items if self._refused.get(item.column, 0.0) <= now
        )
        while requests:
            request = requests.pop(0)
            if self._silent.get(request.first.unit_id, 0.0) > now:
                continue
            try:
                batch = await self._ask(connection, request)
                delivery = Delivery(self._source.id, batch, resumed=self._resumed)
                self._resumed = False
                self._read(request)
            except Refused as refusal:
                requests = self._on_refusal(request, str(refusal)) + requests
                delivery = Delivery(self._source.id, Batch.empty(), {str(refusal): 1})
            except TimeoutError as error:
                self._absent(request.first.unit_id, str(error))
                answers.add(False)
                continue
            answers.add(True)
            if self.health.link != "connected":
                self._link.connected()
            await put(delivery)
        return answers

    async def _ask(self, connection: ModbusConnection, request: Request) -> Batch:
        first = request.first
        tries = 1 if first.unit_id in self._silent else 1 + self._source.options["retries"]
        while True:
            tries -= 1
            before = time.time_ns()
            try:
                words = await connection.read(
                    first.unit_id, first.table, first.address, request.count
                )
            except TimeoutError:
                if not tries:
                    raise
                continue
            when = (before + time.time_ns()) // 2
            values = self._decoder.values(request, words)
            # a device says by NaN that it does not know
            quality = np.where(np.isnan(values), Quality.BAD, Quality.GOOD) | Quality.RECEIVED_TIME
            return Batch.of(
                request.columns,
                np.full(len(values), when),
                self._scaling.apply(request.columns, values),
                quality,
            )

    def _read(self, request: Request) -> None:
        self._silent.pop(request.first.unit_id, None)
        for item in request.items:
            self._refused.pop(item.column, None)
            self.health.unresolved.pop(self._plant.tags[item.column].id, None)

    def _on_refusal(self, request: Request, reason: str) -> list[Request]:
        """-> what to ask instead, now and from now on"""
        if reason in SPLITTING and (parts := self._planner.split(request)):
            return parts
        if reason in ABSENT:
            self._absent(request.first.unit_id, reason)
            return []
        self._unresolved(request.items, reason)
        if reason in SPLITTING or reason == "illegal_function":
            again = time.monotonic() + REFUSED_S
            self._refused |= {item.column: again for item in request.items}
        return []

    def _absent(self, unit: int, reason: str) -> None:
        self._silent[unit] = time.monotonic() + SILENT_S
        self._unresolved([item for item in self._items if item.unit_id == unit], reason)

    def _unresolved(self, items: Sequence[Item], reason: str) -> None:
        reasons = {
            self._plant.tags[item.column].id: f"unit {item.unit_id} {item.table} {item.address}: "
            f"{reason}"
            for item in items
        }
        known = self.health.unresolved.items()
        if new := [tag for tag, said in reasons.items() if (tag, said) not in known]:
            log.warning(
                "not read, trying on",
                source=self._source.id,
                tags=len(new),
                first=new[0],
                reason=reasons[new[0]],
            )
        self.health.unresolved |= reasons

    def _pace(self, took: int, shortest: int) -> None:
        """Log when a device begins or ends to need longer than its tags' interval, [ns]"""
        behind = took > shortest
        if behind != self._behind:
            self._behind = behind
            tell = log.warning if behind else log.info
            tell(
                "a poll takes longer than the interval of its tags: readings are left out"
                if behind
                else "polls keep up with the interval again",
                source=self._source.id,
                took_s=round(took / SECOND, 3),
                interval_s=shortest / SECOND,
            )


def _next(now: int, every: int) -> int:
    """The next point of the epoch's grid, [ns]"""
    return (now // every + 1) * every
