"""What the server kept of an outage, read from its history (OPC 10000-11) behind the live samples.

Bodies are taken apart here with every length held against what is there, and their values are read
by the same scanner as live ones.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import structlog
from asyncua import ua
from asyncua.ua import uaerrors
from numpy.typing import NDArray

from collector.opcua.decode import Decoder, Undecodable, plain_header
from collector.opcua.limits import Limits
from collector.opcua.services import Services
from plant.batch import SECOND, Batch, Quality
from plant.model import Plant, Source
from store.records import Gap

VALUES_A_NODE = 1000
"""In one response; the rest comes by continuation points."""
SAME_OUTAGE_S = 60.0
FILLED = "filled from the server's history"
_RESPONSE = 667
_DATA = (b"\x01\x00" + struct.pack("<H", 658), b"\x02\x00\x00" + struct.pack("<I", 658))
_READ_RESPONSE = b"\x01\x00" + struct.pack("<H", 634)

log = structlog.get_logger()

Fill = Callable[[Batch, Sequence[Gap]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """Of one node's history; body: as a ReadResponse has it, with `count` values."""

    status: int
    more: bytes
    count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Outage:
    """Of one tag, its column: nothing came between start and end [ns]."""

    column: int
    start: int
    end: int


class History:
    """Knows what is to be filled, over all sessions; `run` fills it while there is one."""

    def __init__(
        self,
        source: Source,
        plant: Plant,
        services: Services,
        limits: Limits,
        decoder: Decoder,
        fill: Fill,
    ) -> None:
        self.wanted = bool(source.options.get("history"))
        self._rate = float(source.options.get("history_rate_per_s", 5000.0))
        self._source = source
        self._plant = plant
        self._services = services
        self._limits = limits
        self._decoder = decoder
        self._fill = fill
        self._since = np.zeros(len(plant.tags), np.int64)  # ns; 0: nothing is missing
        self._waiting: list[Outage] = []
        self._some = asyncio.Event()
        self._told = False

    def outage(self, columns: NDArray[np.int32], newest: NDArray[np.int64]) -> None:
        """Of these tags something may be missing since their newest times (int64[tags], ns)."""
        begun = self._since[columns] > 0
        self._since[columns] = np.where(begun, self._since[columns], np.maximum(newest[columns], 0))

    def came(self, batch: Batch) -> None:
        """Live rows, of which the first of a tag ends its outage."""
        since = self._since[batch.tags]
        for row in np.flatnonzero((since > 0) & (batch.times > since)).tolist():
            column, end = int(batch.tags[row]), int(batch.times[row])
            start, self._since[column] = int(self._since[column]), 0
            if start and end - start > 1.5 * self._plant.interval_ns[column]:
                self._waiting.append(Outage(column, start, end))
        if self.wanted and self._waiting:
            self._some.set()
        else:
            self._waiting.clear()

    async def run(self, nodes: Callable[[int], tuple[int, ua.NodeId] | None]) -> None:
        """nodes(column): its item and node in this session, None when it has none."""
        while True:
            await self._some.wait()
            self._waiting.sort(key=lambda outage: outage.start)
            first = self._waiting[0].start
            together = [
                outage
                for outage in self._waiting[: self._limits.most("history")]
                if outage.start - first <= SAME_OUTAGE_S * SECOND
            ]
            known = [(o, n) for o in together if (n := nodes(o.column)) is not None]
            if known:
                try:
                    await self._read(known)
                except TimeoutError:
                    if len(together) > 1:
                        continue  # with less at a time
                    self._tell(known[0][0], "no answer in time")
                except (uaerrors.UaStatusCodeError, Undecodable) as error:
                    self._tell(known[0][0], str(error) or type(error).__name__)
            done = set(together)
            self._waiting = [outage for outage in self._waiting if outage not in done]
            if not self._waiting:
                self._some.clear()

    async def _read(self, wanted: Sequence[tuple[Outage, tuple[int, ua.NodeId]]]) -> None:
        """All that the server has of these, a response at a time."""
        start = min(outage.start for outage, _ in wanted)
        end = max(outage.end for outage, _ in wanted)
        rest = [(outage, node, b"") for outage, node in wanted]
        got = {outage.column: 0 for outage, _ in wanted}
        while rest:
            began = time.monotonic()
            parts = await self._limits.in_calls(
                "history", [(node, more) for _, (_, node), more in rest], self._caller(start, end)
            )
            values, remaining = 0, []
            for (outage, (handle, node), _), part in zip(rest, parts, strict=True):
                if part.status >> 31:
                    self._tell(outage, ua.StatusCode(ua.UInt32(part.status)).name)
                    got.pop(outage.column, None)
                    continue
                values += part.count
                rows = self._rows(part, handle, outage)
                got[outage.column] += len(rows)
                gap = Gap(self._plant.tags[outage.column].id, outage.start, outage.end, FILLED)
                done = not part.more
                if len(rows) or (done and got[outage.column]):
                    whole = done and got[outage.column] > 0
                    await self._fill(rows, [gap] if whole else [])
                if not done:
                    remaining.append((outage, (handle, node), part.more))
            rest = remaining
            spent = time.monotonic() - began
            await asyncio.sleep(max(0.0, values / self._rate - spent))

    def _caller(
        self, start: int, end: int
    ) -> Callable[[Sequence[tuple[ua.NodeId, bytes]]], Awaitable[list[Part]]]:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_moment(start),
            EndTime=_moment(end + 1000),
            NumValuesPerNode=VALUES_A_NODE,
            ReturnBounds=False,
        )

        async def call(nodes: Sequence[tuple[ua.NodeId, bytes]]) -> list[Part]:
            request = ua.HistoryReadRequest()
            request.Parameters.HistoryReadDetails = details
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            request.Parameters.ReleaseContinuationPoints = False
            request.Parameters.NodesToRead = [
                ua.HistoryReadValueId(NodeId=node, ContinuationPoint=more or None)
                for node, more in nodes
            ]
            return parts_of(await self._services.send(request))

        return call

    def _rows(self, part: Part, handle: int, outage: Outage) -> Batch:
        """Strictly within the outage, in order, marked."""
        if not part.count:
            return Batch.empty()
        asked = np.full(part.count, handle, np.int64)
        batch = self._decoder.reading(part.body, asked, time.time_ns()).batch
        inside = (
            (batch.tags == outage.column)
            & (batch.times > outage.start)
            & (batch.times < outage.end)
            & (batch.quality & Quality.RECEIVED_TIME == 0)
        )
        batch = batch.take(inside)
        batch = batch.take(np.argsort(batch.times, kind="stable"))
        quality = batch.quality | np.uint8(Quality.BACKFILLED)
        return Batch(batch.tags, batch.times, batch.values, quality)

    def _tell(self, outage: Outage, reason: str) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "the server gives no history; have it keep one, or leave history out",
                source=self._source.id,
                tag=self._plant.tags[outage.column].id,
                reason=reason,
            )


def parts_of(body: bytes) -> list[Part]:
    """Of a HistoryReadResponse, one for each node. Raises Undecodable."""
    head = _READ_RESPONSE + plain_header(body, _RESPONSE)
    (service,) = struct.unpack_from("<I", body, 16)
    ua.StatusCode(ua.UInt32(service)).check()
    at, parts = 32, []
    try:
        (count,) = struct.unpack_from("<i", body, 28)
        for _ in range(max(0, count)):
            (status,) = struct.unpack_from("<I", body, at)
            more, at = _bytes(body, at + 4)
            kind = next((k for k in _DATA if body.startswith(k, at)), b"")
            if kind and body[at + len(kind)] == 1:
                data, at = _bytes(body, at + len(kind) + 1)
                (values,) = struct.unpack_from("<i", data)
            elif body.startswith(b"\x00\x00\x00", at):
                data, values, at = b"\x00\x00\x00\x00", 0, at + 3
            else:
                raise Undecodable("a history that is no HistoryData")
            parts.append(Part(status, more, max(0, values), head + data + b"\xff\xff\xff\xff"))
    except (struct.error, IndexError):
        raise Undecodable("a HistoryReadResponse that says more than it holds") from None
    return parts


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    """A ByteString, and where it ends."""
    (length,) = struct.unpack_from("<i", body, at)
    end = at + 4 + max(0, length)
    if end > len(body):
        raise Undecodable("a length beyond the end")
    return body[at + 4 : end], end


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // SECOND, UTC).replace(
        microsecond=time_ns % SECOND // 1000
    )
