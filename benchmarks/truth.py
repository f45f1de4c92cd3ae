"""A simulated week through the real pipeline, each figure against the truth.

    python -m benchmarks.truth [--days 7] [--cells 60] [--seed 1] [--write]

Two lines of so many cells with the default faults, and with sensor errors drawn from the accuracies
that the plant file states. All samples go through intake, spool and embedded store; then they are
replayed through the calculation of beats and book, and what that keeps is read back. The truth is
the simulator's own, with constants of its own. With --write the tables go to docs/truth.md; the
same seed gives the same tables.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from analytics.beat.assess import warm
from analytics.beat.assessment import SCOPES, Scope
from analytics.book.input import DAY_FIGURES, DayRows
from analytics.book.metal_balance import balance
from analytics.table.book_rows import BOOK
from analytics.table.figures import beat_figures
from analytics.uncertainty.budget import uncertainties
from benchmarks._page import put
from benchmarks._truth_tables import Estimates, Floats, tables
from collector.forward import Run, forward
from collector.intake import Intake
from collector.keep import Keeper
from collector.slow_values import SlowReader
from collector.source import Delivery
from plant.batch import SECOND, Batch
from plant.load import load
from potline.booking import Booking
from potline.importing import by_source
from potline.opening import Kept, opened_for_writing
from simulators.offline import simulate
from store.writer import Writer

HOUR, DAY = 3600 * SECOND, 86400 * SECOND
START = 1_767_542_400 * SECOND
"""Midnight in Shanghai, so that days of the site and hours of the truth begin together."""
TOGETHER, LONGEST = 30, 30
"""Minutes in one delivery; beats in one frame: longer ones are split at each half-minute anyway."""
DRAIN_S = 3600.0
DEMO = Path(__file__).parents[1] / "deploy" / "plants" / "demo.toml"
PAGE = Path(__file__).parents[1] / "docs" / "truth.md"


def plant_file(folder: Path, cells: int) -> Path:
    """The demo's plant with more cells, its figures kept once an hour, nothing forgotten; line 2 of
    a technology that both PFC methods know."""
    half = cells // 2
    text = DEMO.read_text("utf-8")
    for old, new, times in (
        ('"001-012"', f'"001-{half:03}"', 2),
        ('"013-024"', f'"{half + 1:03}-{cells:03}"', 2),
        ('path = "var/demo"', f'path = "{folder}"\nraw_days = 0\nfigures_days = 0', 1),
        ("figures_every_s = 5", "figures_every_s = 3600", 1),
    ):
        if text.count(old) != times:
            raise ValueError(f"{DEMO}: {old} should be there {times} times; mend plant_file")
        text = text.replace(old, new)
    one, two = text.split('id = "L2"', 1)
    two = two.replace('technology = "PFPB_M"', 'technology = "CWPB"', 1)
    two = two.replace('pfc_factors = "cbam-2025"', 'pfc_factors = "ipcc-2006"', 1)
    path = folder / "plant.toml"
    path.write_text(f'{one}id = "L2"{two}', "utf-8")
    return path


async def take_in(opened: Kept, batches: Iterable[Batch], now: int) -> int:
    """All samples through screen and spool, as an import does it. -> how many were received"""
    intake = Intake(opened.plant, opened.spool, lambda _: None, clock=lambda: now)
    committing = asyncio.create_task(intake.run())
    try:
        for batch in together(batches):
            for source, part in by_source(opened.plant, batch):
                await intake.put(Delivery(source, part))
        await intake.drain()
    finally:
        committing.cancel()
    return intake.counts.received.total()


def together(batches: Iterable[Batch]) -> Iterator[Batch]:
    """TOGETHER batches at a time as one."""
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if len(waiting) == TOGETHER:
            yield Batch.concat(waiting)
            waiting = []
    if waiting:
        yield Batch.concat(waiting)


def replay(opened: Kept, end: int) -> None:
    """The kept samples through the calculation; figures, anode effects and book are kept."""
    plant = opened.plant
    keeper = Keeper(plant, opened.spool)
    booking = Booking(plant, opened.history, opened.spool, opened.restatements)
    run = Run.fresh(plant, START)
    for frame, assessment in forward(run, opened.history, end, LONGEST, alarms=False):
        keeper(frame, assessment)
        booking(frame, assessment)
        if frame.end % HOUR == 0:
            keeper.flush()
            booking.step(frame.end)
    booking.close()


def estimates(opened: Kept, days: int) -> Estimates:
    """What was kept, read back."""
    plant, history = opened.plant, opened.history
    end = START + days * DAY
    blocks = {}
    for scope in SCOPES:
        names = [figure.name for figure in beat_figures()[scope]]
        block = history.figures(scope, names, None, START + 1, end + 1)
        if len(block.times) != days * 24:
            raise ValueError(f"{len(block.times)} hours of figures are kept, not {days * 24}")
        blocks[scope] = block.values
    hours = [{scope: block[n] for scope, block in blocks.items()} for n in range(days * 24)]
    doubts = [uncertainties(plant, hour) for hour in hours]
    names = [row.name for row in BOOK["line"]]
    book = history.figures("line", names, None, end, end + 1)
    return Estimates(
        values=blocks,
        doubts={scope: np.stack([doubt[scope] for doubt in doubts]) for scope in SCOPES},
        effects=history.events("anode_effect", START, end),
        book=dict(zip(names, book.values[0], strict=True)),
        efficiency=metal_balance(opened, blocks["cell"], days),
    )


def metal_balance(opened: Kept, cells: Floats, days: int) -> dict[Scope, tuple[Floats, Floats]]:
    """Current efficiency of the whole time by the book's balance, which in the plant has 30 days:
    scope -> value, standard uncertainty. cells: float64[hours, figures, cells]"""
    plant, history = opened.plant, opened.history
    place = {figure.name: i for i, figure in enumerate(beat_figures()["cell"])}
    closing = cells[23::24]
    ends = START + DAY * np.arange(1, days + 1)
    by_name: dict[Scope, dict[str, Floats]] = {scope: {} for scope in SCOPES}
    by_name["cell"] = {name: closing[:, place[name]] for name in DAY_FIGURES["cell"]}
    entities = {scope: len(plant.entities(scope)) for scope in SCOPES}
    rows = DayRows(ends - DAY, ends, ends, entities, by_name)
    booking = Booking(plant, history, opened.spool, opened.restatements)
    slow = SlowReader(plant, history, booking.entries).values(rows, int(ends[0]))
    booking.close()
    found = balance(plant, rows, slow)
    return {
        "cell": found.of_cells(),
        "line": found.of_lines(plant.line_of_cell, len(plant.lines)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="the tables into docs/truth.md")
    asked = parser.parse_args()
    began = time.perf_counter()

    def told(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name:
        file = plant_file(Path(name), asked.cells)
        plant = load(file)
        warm(plant)
        end = START + asked.days * DAY
        simulation = simulate(
            plant, START, asked.days * DAY // SECOND, asked.seed, sensor_errors=True
        )
        with opened_for_writing(file) as opened:
            writer = Writer(opened.spool, opened.store)
            writer.start()
            told("simulating")
            received = asyncio.run(take_in(opened, simulation, end))
            told(f"{received:,} samples in the spool")
            writer.drain(DRAIN_S)
            told("and in the store: replaying")
            replay(opened, end)
            told("replayed")
            writer.stop(DRAIN_S)
            told("reading back")
            found = estimates(opened, asked.days)
        text = (
            f"{asked.days} days from 2026-01-05, 2 lines of {asked.cells} cells, seed {asked.seed}:"
            f" {received:,} samples.\n\n{tables(plant, simulation.truth.tables(), found)}"
        )
    told("done")
    print(text)
    if asked.write:
        put(PAGE, "truth", text)


if __name__ == "__main__":
    main()
