"""Put samples into a spool and hold its account against them."""

from __future__ import annotations

import dataclasses

import numpy as np

from plant.model import Plant, SpoolSettings
from store.spool import Spool

SECOND = 1_000_000_000
NOW = 1_795_261_200 * SECOND


def received(plant, batch):
    counts = np.bincount(plant.source_of_tag[batch.tags], minlength=len(plant.sources))
    return {s.id: int(n) for s, n in zip(plant.sources, counts, strict=True)}


def put(spool, batch, suspect=False, refused=None, gaps=()):
    counts = received(spool.plant, batch)
    for (source, _), n in (refused or {}).items():
        counts[source] = counts.get(source, 0) + n
    return spool.append(batch, counts, refused or {}, gaps, np.full(len(batch), suspect))


def closes(spool):
    rows = spool.ledger()
    assert {source: row.balance for source, row in rows.items()} == dict.fromkeys(rows, 0)
    return rows


def total(spool):
    """(received, stored, spooled, rejected by reason) of all sources, once the ledger closes."""
    rows = closes(spool).values()
    rejected: dict[str, int] = {}
    for row in rows:
        for reason, n in row.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + n
    return (
        sum(r.received for r in rows),
        sum(r.stored for r in rows),
        sum(r.spooled for r in rows),
        rejected,
    )


def tags_of(plant, source):
    return sum(tag.source == source for tag in plant.tags)


def bounded(plant: Plant, when_full: str = "wait", max_GB: float = 0.0005, **more: object) -> Plant:
    """The plant with a small spool."""
    return dataclasses.replace(plant, spool=SpoolSettings(max_GB, when_full=when_full, **more))


def deliver_all(spool: Spool) -> None:
    while segments := spool.pending(10**6):
        spool.delivered(segments, {})
