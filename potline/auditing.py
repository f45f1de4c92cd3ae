"""`potline audit`: the ledger of every source, and the store's own count beside it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import typer

from potline.exits import FOUND, Failure
from potline.opening import Kept, kept
from potline.tables import print_json, print_rows

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
                typer.echo(f"{row['source']}: {count} rejected: {reason}")
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
    plant = opened.plant
    before = opened.spool.ledger()
    counted = opened.store.count(0, np.iinfo(np.int64).max)
    after = opened.spool.ledger()
    rows = []
    ids = [source.id for source in plant.sources]
    for source, entry in after.items():
        of_source = plant.source_of_tag == (ids.index(source) if source in ids else -1)
        in_store = int(counted[of_source].sum())
        # Between the two readings the writer may have moved on: the store may hold any of these.
        low = before[source].stored if source in before else 0
        store_difference = min(in_store - low, 0) + max(in_store - entry.stored, 0)
        rows.append(
            {
                "source": source,
                "received": entry.received,
                "stored": entry.stored,
                "spooled": entry.spooled,
                "rejected": dict(entry.rejected),
                "difference": entry.balance,
                "in_store": in_store,
                "store_difference": store_difference,
            }
        )
    return rows
