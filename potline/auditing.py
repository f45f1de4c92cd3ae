"""`potline audit`: the ledger of every source, and the store's own count beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import typer

from plant.model import Signal, Tag
from potline.exits import FOUND, Failure
from potline.opening import Kept, kept
from potline.tables import print_json, print_rows
from store.bounds import CORRUPT
from store.open import open_store
from store.records import SourceLedger
from store.shared import BY_PEER, is_shared

TRIES = 5
"""The ledger and the store are read one after the other while a run goes on; a difference counts
only when it stays."""


def audit_plant(path: Path, as_json: bool) -> None:
    with kept(path) as opened:
        for _ in range(TRIES):
            rows = audit_rows(opened)
            if all(row["difference"] == 0 and row["store_difference"] == 0 for row in rows):
                break
        gaps = opened.spool.gaps()
        open_gaps = opened.spool.open_gaps(time.time_ns())
        given_up = opened.spool.losses()
        refused = opened.spool.bad_lines()
    closes = all(row["difference"] == 0 and row["store_difference"] == 0 for row in rows)
    if as_json:
        print_json(
            {
                "closes": closes,
                "sources": rows,
                "gaps": len(gaps),
                "open_gaps": len(open_gaps),
                "given_up": [asdict(loss) for loss in given_up],
                "set_aside": len(refused),
            }
        )
    else:
        header = ("source", "received", "stored", "spooled", "rejected", "difference", "in store")
        print_rows(
            "received = stored + spooled + rejected",
            header,
            [
                (
                    row["source"],
                    row["received"],
                    row["stored"],
                    row["spooled"],
                    sum(row["rejected"].values()),
                    row["difference"],
                    row["in_store"],
                )
                for row in rows
            ],
        )
        for row in rows:
            for reason, count in sorted(row["rejected"].items()):
                there = row["in_store_though_damaged"] if reason == CORRUPT else 0
                note = f"; the store had {there} of them before" if there else ""
                typer.echo(f"{row['source']}: {count} rejected: {reason}{note}")
        for loss in given_up:
            typer.echo(f"given up: {loss.samples} {loss.kind}: {loss.cause}")
        typer.echo(
            f"{len(gaps)} gaps on record, {len(open_gaps)} not ended; "
            f"{len(refused)} rows set aside by the store"
        )
        typer.echo("the audit closes" if closes else "the audit does NOT close")
    if not closes:
        raise Failure(FOUND)


def audit_rows(opened: Kept) -> list[dict[str, Any]]:
    """One row a source: ledger, its difference, and what the store itself counts."""
    before = opened.spool.ledger()
    counted = _counted(opened)
    after = opened.spool.ledger()
    in_store = _by_source(opened.spool.tags(), counted, after)
    rows = []
    for source, entry in after.items():
        # Between the two readings the writer may have moved on: the store may hold any of these.
        low = _in_store(before[source]) if source in before else 0
        found = in_store.get(source, 0)
        more = 0 if is_shared(opened.plant) else max(found - entry.stored, 0)  # of the other one
        # Written, and damaged here before that was noted: nobody can read any more which.
        though_damaged = min(more, entry.rejected.get(CORRUPT, 0))
        rows.append(
            {
                "source": source,
                "received": entry.received,
                "stored": entry.stored,
                "spooled": entry.spooled,
                "rejected": dict(entry.rejected),
                "difference": entry.balance,
                "in_store": found,
                "in_store_though_damaged": though_damaged,
                "store_difference": min(found - low, 0) + more - though_damaged,
            }
        )
    return rows


def _counted(opened: Kept) -> dict[str, int]:
    """By tag what the store has, of tags too that the plant file has no more."""
    plant = opened.plant
    gone = {tag for tag, _ in opened.spool.tags()} - plant.column_of.keys()
    tags = plant.tags + tuple(
        _gone(column, tag) for column, tag in enumerate(sorted(gone), len(plant.tags))
    )
    store = open_store(replace(plant, tags=tags)) if gone else opened.store
    try:
        counts = store.count(0, np.iinfo(np.int64).max)
    finally:
        if gone:
            store.close()
    return dict(zip((tag.id for tag in tags), counts.tolist(), strict=True))


def _gone(column: int, tag: str) -> Tag:
    """As much of a tag as a store must know to count it."""
    entity, _, name = tag.rpartition(".")
    signal = Signal(name, "cell", "", "gauge", -inf, inf, inf, "", "")
    return Tag(column, tag, entity, signal, "", {}, "", 1.0, 0.0, -inf, inf, 1.0, inf)


def _by_source(
    known: Sequence[tuple[str, str]], counted: Mapping[str, int], ledger: Mapping[str, SourceLedger]
) -> dict[str, int]:
    """What the store has of each source. Of a tag that was read from several in turn the store does
    not say how much of which: they get what their ledgers name, the last one the rest."""
    sources_of: dict[str, list[str]] = {}
    for tag, source in known:
        sources_of.setdefault(tag, []).append(source)
    found: Counter[str] = Counter()
    for tag, sources in sorted(sources_of.items(), key=lambda row: len(row[1])):
        left = counted.get(tag, 0)
        for source in sources[:-1]:
            share = min(left, max(ledger[source].stored - found[source], 0))
            found[source] += share
            left -= share
        found[sources[-1]] += left
    return found


def _in_store(entry: SourceLedger) -> int:
    """What it must have: of us, and of the other one of a pair."""
    return entry.stored + entry.rejected.get(BY_PEER, 0)
