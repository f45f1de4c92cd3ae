"""`potline import`: an export through the same intake, spool and calculation as live data."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import typer

from collector.export import ExportError, Layout, read_export
from collector.intake import Counts, Intake
from collector.source import Delivery
from plant.batch import Batch
from plant.model import Plant
from potline.exits import FOUND, INVALID, Failure
from potline.opening import Kept, opened_for_writing
from potline.restating import Told, restate_all
from potline.tables import print_json, progress_bar
from store.writer import Writer

DRAIN_S = 3600.0
NOWHERE = "import"
"""The ledger's account for values that belong to no tag, and so to no source."""


def import_file(path: Path, file: Path, time_zone: str | None, as_json: bool) -> None:
    with opened_for_writing(path) as opened, progress_bar() as bar:
        plant = opened.plant
        writer = Writer(opened.spool, opened.store)
        writer.start()
        try:
            reading = bar.add_task(f"reading {file.name}", total=1.0)
            layout = Layout(time_zone=time_zone or plant.site.time_zone)
            span, counts = asyncio.run(
                take_in(opened, file, layout, lambda part: bar.update(reading, completed=part))
            )
            writer.drain(DRAIN_S)
            kept = 0
            if span is not None:
                computing = bar.add_task("computing", total=1.0)
                opened.restatements.note(*span, f"import of {file.name}")
                done = restate_all(opened, lambda p: bar.update(computing, completed=p))
                kept = sum(sum(row.changed.values()) for row in done)
            writer.drain(DRAIN_S)
        except ExportError as error:
            raise Failure(INVALID, str(error)) from None
        finally:
            writer.stop()
    received, refused = sum(counts.received.values()), Counter[str]()
    for (_, reason), count in counts.refused.items():
        refused[reason] += count
    taken = received - refused.total()
    if as_json:
        print_json({"read": received, "taken": taken, "refused": refused, "figures": kept})
    else:
        typer.echo(f"{received} values read, {taken} taken, {kept} figures kept")
        for reason, count in refused.most_common():
            typer.echo(f"{count} refused: {reason}")
    if taken == 0:
        raise Failure(FOUND, f"{file}: nothing could be taken")


async def take_in(
    opened: Kept, file: Path, layout: Layout, told: Told
) -> tuple[tuple[int, int] | None, Counts]:
    """Read, screen and spool the whole export. -> start and end of its samples [ns], the intake's
    counts"""
    edges: list[int] = []

    def note(batch: Batch) -> None:
        edges.extend((int(batch.times.min()), int(batch.times.max()) + 1))

    intake = Intake(opened.plant, opened.spool, note)
    committing = asyncio.create_task(intake.run())
    try:
        for batch, refused in read_export(file, opened.plant, layout, told):
            if refused:
                await intake.put(Delivery(NOWHERE, Batch.empty(), refused))
            for source, part in by_source(opened.plant, batch):
                await intake.put(Delivery(source, part))
        await intake.drain()
    finally:
        committing.cancel()
    return (min(edges), max(edges)) if edges else None, intake.counts


def by_source(plant: Plant, batch: Batch) -> Iterator[tuple[str, Batch]]:
    """The batch in parts, one for each source that has tags in it."""
    of = plant.source_of_tag[batch.tags]
    for i in np.unique(of):
        yield plant.sources[i].id, batch.take(of == i)
