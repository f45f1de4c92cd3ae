"""What each of two collectors knows of the store that they share.

Both receive everything and keep it in their own spool; one of them, the active, writes. It tells
the other by digests which samples the store has: for each source and second of the samples' own
time how many there are, and the sum of a hash of each (tag, time). Where the other has received the
same it need not write them. What is not told of within PATIENCE_S the other writes itself, so that
the store has what either of the two received, and a lost message costs work and never a sample.

A sample whose time is the collector's or of the moment it asked (Quality.RECEIVED_TIME, CONFIRMED)
is another one at each of the two: the active's newest such time stands for them.

Figures and events are the active's: those of the other are dropped once the active has computed,
and the store has, what belongs to the same plant time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch, Quality
from plant.model import Plant
from store.segments import SampleSegment, Segment

BY_PEER = "stored_by_peer"
"""Why the ledger has a sample as rejected that the store has of the other collector."""
PATIENCE_S = 30.0
MARGIN_NS = 10 * SECOND
"""Figures of the active's last seconds are not relied on: the book of a day follows its beats."""
MOST_ROWS = 2_000_000
"""Samples held in memory until the active has told of them; the rest waits in the spool."""
MOST_BUCKETS = 20_000
MOST_TOLD = 2_000
"""Digests in one message."""
OUR_TIME = int(Quality.RECEIVED_TIME | Quality.CONFIRMED)

StoreState = Literal["up", "behind", "away"]
"""The active's store takes samples; so it does, and there is a backlog; it does not."""
Bucket = tuple[str, int]
"""A source, and a second since the epoch."""
Digest = tuple[int, int]
"""How many samples, and the sum of their hashes modulo 2**64."""
Pending = Callable[[Collection[int]], list[Segment]]


@dataclass(frozen=True, slots=True)
class Told:
    """What the active tells of its store. digests: since it was last heard. marks: source -> newest
    time of the samples that carry our own time, ns. computed: from when to when, in plant time,
    everything is computed and stored, ns; None: nothing yet."""

    digests: Sequence[tuple[str, int, int, int]]  # source, second, count, hash
    marks: dict[str, int]
    computed: tuple[int, int] | None
    store: StoreState


@dataclass(frozen=True, slots=True)
class _Held:
    segment: Segment
    buckets: tuple[Bucket, ...] = ()
    newest: tuple[tuple[str, int], ...] = ()  # source, newest of our own times


class Shared:
    """Used by the writer's threads, told from another. Begins as one that writes nothing."""

    def __init__(self, plant: Plant, clock: Callable[[], float] = time.monotonic) -> None:
        self._plant = plant
        self._clock = clock
        self._lock = threading.Lock()
        self._active = False
        self._hash = np.array([_hash(tag.id) for tag in plant.tags], np.uint64)
        self._sources = [source.id for source in plant.sources]
        self._stored: dict[Bucket, Digest] = {}  # by us
        self._untold: dict[Bucket, None] = {}
        self._marks: dict[str, int] = {}
        self._received: dict[Bucket, Digest] = {}  # while we are not the active
        self._theirs: dict[Bucket, Digest] = {}
        self._told = Told((), {}, None, "up")
        self._held: dict[int, _Held] = {}
        self._since: dict[int, float] = {}  # segment -> when it was first seen here
        self._added: list[tuple[int, int]] = []

    @classmethod
    def of(cls, plant: Plant) -> Shared | None:
        """None for a store that no other collector writes."""
        return cls(plant) if is_shared(plant) else None

    def take_over(self, before: Shared) -> None:
        """Go on where the one of another plant file stands, whose writer is at rest."""
        with before._lock, self._lock:
            for name in (
                "_active", "_stored", "_untold", "_marks", "_received", "_theirs", "_told",
                "_since", "_added",
            ):  # fmt: skip
                setattr(self, name, getattr(before, name))

    @property
    def active(self) -> bool:
        return self._active

    def lead(self, active: bool) -> None:
        """From now on we write all, or nothing that the other one writes."""
        with self._lock:
            self._active = active
            if active:
                self._held.clear()
                self._since.clear()
                self._received.clear()
                self._told = Told((), {}, None, "up")

    @property
    def held(self) -> int:
        """Samples received that wait until the active tells of them, as far as they were read."""
        with self._lock:
            return self._rows()

    # -- between the two

    def tell(self) -> tuple[list[tuple[str, int, int, int]], dict[str, int]]:
        """(digests, marks) for the other one; `heard` when they have arrived."""
        with self._lock:
            buckets = [b for b in self._untold if b in self._stored][:MOST_TOLD]
            return [(*b, *self._stored[b]) for b in buckets], dict(self._marks)

    def heard(self, digests: Iterable[tuple[str, int, int, int]]) -> None:
        with self._lock:
            for source, second, *digest in digests:
                if self._stored.get((source, second)) == tuple(digest):
                    self._untold.pop((source, second), None)

    def told(self, by_active: Told) -> None:
        """What the active says."""
        with self._lock:
            self._told = by_active
            for source, second, count, sum_ in by_active.digests:
                _put(self._theirs, (source, second), (count, sum_))

    def added(self) -> list[tuple[int, int]]:
        """Spans [start, end) in ns of samples that we wrote because the active had not: it must
        compute them again. They are given once."""
        with self._lock:
            spans, self._added = self._added, []
            return spans

    # -- for the writer

    def choose(self, pending: Pending, flying: Collection[int], limit: int) -> list[Segment]:
        """What is to be carried now. While another one is active: what it has told of, to be let go
        of, and what it has not told of for too long."""
        if self._active:
            return pending(flying)
        while self.held < MOST_ROWS:
            fresh = pending({*flying, *self._held})
            if not fresh:
                break
            with self._lock:
                for segment in fresh:
                    self._hold(segment)
        with self._lock:
            return self._due(flying, limit)

    def has(self, batch: Batch) -> NDArray[np.bool_]:
        """bool[n]: what the store has by what the active told; nothing if that is us."""
        found = np.zeros(len(batch), np.bool_)
        if self._active:
            return found
        with self._lock:
            for source, second, which in self._by_bucket(batch):
                found[which] = self._agreed((source, second))
            for source, which in self._of_our_time(batch):
                found[which] = batch.times[which] <= self._told.marks.get(source, -1)
        return found

    def computed(self, at: int) -> bool:
        """Whether the store has the active's figures and events of this plant time [ns]."""
        span = self._told.computed
        return not self._active and span is not None and span[0] <= at <= span[1] - MARGIN_NS

    def stored(self, batch: Batch) -> None:
        """The store has taken these of ours."""
        with self._lock:
            for (source, second, _), digest in zip(
                rows := list(self._by_bucket(batch)), self._digests(batch, rows), strict=True
            ):
                _add(self._stored, (source, second), digest)
                self._untold[source, second] = None
            for source, which in self._of_our_time(batch):
                newest = int(batch.times[which].max())
                self._marks[source] = max(newest, self._marks.get(source, 0))
            while len(self._untold) > MOST_BUCKETS:
                del self._untold[next(iter(self._untold))]
            if not self._active and len(batch):
                self._added.append((int(batch.times.min()), int(batch.times.max()) + 1))

    def done(self, segments: Iterable[Segment], delivered: bool) -> None:
        """No longer carried. Those that were not delivered are read from the spool again."""
        with self._lock:
            for segment in segments:
                self._held.pop(segment.id, None)
                if delivered:
                    self._since.pop(segment.id, None)

    # -- inside, under the lock

    def _rows(self) -> int:
        held = (h.segment for h in self._held.values())
        return sum(len(s.batch) for s in held if isinstance(s, SampleSegment))

    def _hold(self, segment: Segment) -> None:
        again = segment.id in self._since
        self._since.setdefault(segment.id, self._clock())
        if not isinstance(segment, SampleSegment):
            self._held[segment.id] = _Held(segment)
            return
        batch = segment.batch
        rows = list(self._by_bucket(batch))
        if not again:
            for (source, second, _), digest in zip(rows, self._digests(batch, rows), strict=True):
                _add(self._received, (source, second), digest)
        newest = tuple((s, int(batch.times[w].max())) for s, w in self._of_our_time(batch))
        self._held[segment.id] = _Held(segment, tuple((s, at) for s, at, _ in rows), newest)

    def _due(self, flying: Collection[int], limit: int) -> list[Segment]:
        due: list[Segment] = []
        rows, in_turn = 0, True
        for id_ in sorted(self._held):
            held = self._held[id_]
            if id_ in flying or not (self._settled(held) or self._overdue(id_)):
                in_turn &= isinstance(held.segment, SampleSegment)
            elif isinstance(held.segment, SampleSegment):
                if due and rows + len(held.segment.batch) > limit:
                    break
                rows += len(held.segment.batch)
                due.append(held.segment)
            elif in_turn:  # a figure replaces an older one of its key
                due.append(held.segment)
        return due

    def _settled(self, held: _Held) -> bool:
        if not isinstance(held.segment, SampleSegment):
            return self.computed(held.segment.at)
        marks = self._told.marks
        return all(map(self._agreed, held.buckets)) and all(
            newest <= marks.get(source, -1) for source, newest in held.newest
        )

    def _overdue(self, id_: int) -> bool:
        patience_s = {"up": PATIENCE_S, "behind": np.inf, "away": 1.0}[self._told.store]
        return self._clock() - self._since[id_] > patience_s

    def _agreed(self, bucket: Bucket) -> bool:
        received = self._received.get(bucket)
        return received is not None and self._theirs.get(bucket) == received

    def _by_bucket(self, batch: Batch) -> Iterable[tuple[str, int, NDArray[np.intp]]]:
        """(source, second, rows) of the samples with a time of their own."""
        rows = np.flatnonzero((batch.tags >= 0) & (batch.quality & OUR_TIME == 0))
        if not len(rows):
            return
        sources = self._plant.source_of_tag[batch.tags[rows]].astype(np.int64)
        key = batch.times[rows] // SECOND * len(self._sources) + sources
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        for part in np.split(order, edges):
            second, source = divmod(int(key[part[0]]), len(self._sources))
            yield self._sources[source], second, rows[part]

    def _of_our_time(self, batch: Batch) -> Iterable[tuple[str, NDArray[np.intp]]]:
        rows = np.flatnonzero((batch.tags >= 0) & (batch.quality & OUR_TIME != 0))
        sources = self._plant.source_of_tag[batch.tags[rows]]
        for source in np.unique(sources).tolist():
            yield self._sources[source], rows[sources == source]

    def _digests(
        self, batch: Batch, parts: Iterable[tuple[str, int, NDArray[np.intp]]]
    ) -> list[Digest]:
        hashes = _mixed(self._hash[batch.tags], batch.times)
        return [(len(which), int(hashes[which].sum(dtype=np.uint64))) for _, _, which in parts]


def is_shared(plant: Plant) -> bool:
    return plant.pair is not None and plant.pair.shared_store and plant.store.kind == "influxdb"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(tags: NDArray[np.uint64], times: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of each (tag, time): the finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    x = tags ^ (times.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def _add(to: dict[Bucket, Digest], bucket: Bucket, digest: Digest) -> None:
    count, sum_ = to.get(bucket, (0, 0))
    _put(to, bucket, (count + digest[0], (sum_ + digest[1]) % 2**64))


def _put(to: dict[Bucket, Digest], bucket: Bucket, digest: Digest) -> None:
    to[bucket] = digest
    if len(to) > MOST_BUCKETS:
        del to[next(iter(to))]
