"""What a spool segment holds, and its bytes: columns, compressed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from plant.batch import Batch
from store.contract import FigureBlock

ROW_BYTES = 4 + 8 + 8 + 1 + 1
CODEC = "lz4_raw"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: kind "alarm" or "anode_effect", row as in Store.write_events."""

    kind: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SampleSegment:
    """Samples of one append. tags are plant columns, -1 where the plant file has lost the tag.

    suspect: rows that may be there already. duplicates: those that are; None until it was found
    out. sources: int16[n], the spool's number of each row's source, for the ledger.
    """

    id: int
    batch: Batch
    suspect: NDArray[np.bool_]
    duplicates: NDArray[np.bool_] | None
    sources: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class FigureSegment:
    """at: the newest time in the spool when it came, ns."""

    id: int
    block: FigureBlock
    at: int


@dataclass(frozen=True, slots=True)
class EventSegment:
    """at: as of a FigureSegment."""

    id: int
    events: tuple[Event, ...]
    at: int


Segment = SampleSegment | FigureSegment | EventSegment


def encode_samples(numbers: NDArray[np.int32], batch: Batch, suspect: NDArray[np.bool_]) -> bytes:
    """The columns one after the other, tags and times as differences, compressed; `numbers` are the
    spool's own numbers of the tags."""
    columns = (
        np.diff(numbers, prepend=np.int32(0)),
        np.diff(batch.times, prepend=np.int64(0)),
        batch.values,
        batch.quality,
        suspect,
    )
    body = b"".join(np.ascontiguousarray(c).tobytes() for c in columns)
    packed: bytes = pa.compress(body, CODEC, asbytes=True)
    return len(batch).to_bytes(4, "little") + packed


def decode_samples(blob: bytes) -> tuple[Batch, NDArray[np.bool_]]:
    """What encode_samples was given: (batch with the spool's numbers as tags, suspect)."""
    n = int.from_bytes(blob[:4], "little")
    body = pa.decompress(memoryview(blob)[4:], n * ROW_BYTES, CODEC)
    tags = np.cumsum(np.frombuffer(body, np.int32, n), dtype=np.int32)
    times = np.cumsum(np.frombuffer(body, np.int64, n, 4 * n))
    values = np.frombuffer(body, np.float64, n, 12 * n)
    quality = np.frombuffer(body, np.uint8, n, 20 * n)
    return Batch(tags, times, values, quality), np.frombuffer(body, np.bool_, n, 21 * n)


def encode_figures(block: FigureBlock) -> bytes:
    head = orjson.dumps(
        (block.scope, block.names, block.entities, len(block.times), block.replaces)
    )
    return zlib.compress(head + b"\n" + block.times.tobytes() + block.values.tobytes(), 1)


def decode_figures(blob: bytes) -> FigureBlock:
    head, body = zlib.decompress(blob).split(b"\n", 1)
    scope, names, entities, n, *replaces = orjson.loads(head)
    values = np.frombuffer(body, np.float64, offset=8 * n).reshape(n, len(names), len(entities))
    times = np.frombuffer(body, np.int64, n)
    whole = tuple(replaces[0]) if replaces else ()  # segments of older versions have none
    return FigureBlock(scope, tuple(names), tuple(entities), times, values, whole)


def encode_events(events: tuple[Event, ...]) -> bytes:
    return orjson.dumps([(e.kind, e.row) for e in events])


def decode_events(blob: bytes) -> tuple[Event, ...]:
    return tuple(Event(kind, row) for kind, row in orjson.loads(blob))
