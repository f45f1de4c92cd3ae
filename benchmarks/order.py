"""A simulated week in several orders of arrival: every figure must end in the same bits.

    python -m benchmarks.order [--days 7] [--cells 3] [--orders 3] [--seed 1]

Two lines of so many cells, samples each ten seconds, an anode effect a day. Samples and entered
values go through the intake, spool, calculation, restatement, book and embedded store of `potline
run`: once in order; then in seeded orders with sources behind each other, spells that come minutes
to days late, laboratory values, levels and taps days late and out of order, a meter that is
corrected at some moment, deliveries that come twice, and restarts in between.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from analytics.beat.assess import warm
from analytics.beat.assessment import SCOPES
from analytics.table.book_rows import BOOK
from analytics.table.figures import beat_figures
from benchmarks._orders import (
    DAY,
    HOUR,
    START,
    TICK,
    Order,
    Week,
    in_order,
    shuffled,
    small_plant,
    ticks,
    week,
)
from collector.intake import Intake
from collector.source import Delivery
from plant.batch import SECOND, Batch
from plant.model import Plant
from potline.logs import configure
from potline.stack import RESTATE_S, Stack
from store.contract import FigureBlock

METER, SCALE = "L1-R.ac_power", 1.02
FOREVER = 2**62


@dataclass(slots=True)
class Outcome:
    """What is kept in the end."""

    blocks: dict[tuple[str, str], FigureBlock]
    anode_effects: list[dict[str, Any]]
    restatements: int
    beats_again: int
    figures_again: int
    seconds: float


class House:
    """`potline run` in simulated time, without its servers."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.now = START
        self.later = time.time_ns()
        self.open()

    def open(self) -> None:
        self.stack = stack = Stack(self.plant)
        stack.pipeline.sinks = (stack.keeper, stack.alarm_sink, stack.booking)
        self.intake = Intake(
            self.plant,
            stack.spool,
            lambda batch: stack.pipeline.feed(batch, self.now),
            clock=lambda: self.now,
        )
        self.committing = asyncio.create_task(self.intake.run())

    def close(self) -> None:
        """As a kill would: what is in memory only is lost."""
        self.committing.cancel()
        self.stack.close()

    def restart(self) -> None:
        self.close()
        self.open()
        self.stack.pipeline.resume(self.now)

    async def take(self, batch: Batch) -> None:
        of = self.plant.source_of_tag[batch.tags]
        for source in np.unique(of).tolist():
            await self.intake.put(Delivery(self.plant.sources[source].id, batch.take(of == source)))
        await self.intake.drain()

    def step(self, budget_s: float = RESTATE_S) -> int:
        stack = self.stack
        closed = stack.pipeline.advance(self.now)
        stack.keeper.flush()
        self.later += 20 * SECOND  # what is noted counts as quiet by the next step
        stack.pipeline.restate(self.later, budget_s)
        stack.booking.step(self.now)
        return closed

    def finish(self) -> None:
        """Long after: all is due, and all that came late is worked in."""
        self.now += DAY
        while self.step() or self.stack.restatements.due() is not None:
            pass
        self.now += DAY
        self.step()
        self.carry()

    def carry(self) -> None:
        """From the spool to the store, all that there is."""
        while self.stack.writer.step():
            pass


async def collect(plant: Plant, folder: Path, week: Week, order: Order) -> Outcome:
    """Tell a plant its week in an order."""
    began = time.perf_counter()
    house = House(replace(plant, store=store_in(plant, folder)))
    restarts = list(order.restarts)
    corrected = False
    for house.now, batch, entries in ticks(week, order):
        await house.take(batch)
        house.stack.booking.entries.add(entries)
        if not corrected and house.now >= order.correction:
            corrected = True
            start, end = week.correction
            house.stack.restatements.correct(METER, start, end, SCALE, 0.0, "", "wrong ratio")
        house.step()
        if order.luck.random() < 0.5:
            house.carry()
        if restarts and house.now >= restarts[0]:
            restarts.pop(0)
            house.restart()
    house.finish()
    found = outcome(house.stack, time.perf_counter() - began)
    house.close()
    return found


def store_in(plant: Plant, folder: Path) -> Any:
    return replace(plant.store, kind="embedded", path=str(folder), raw_days=0, figures_days=0)


def outcome(stack: Stack, seconds: float) -> Outcome:
    blocks = {}
    for scope in SCOPES:
        layers = {"beat": [f.name for f in beat_figures()[scope]],
                  "book": [f.name for f in BOOK.get(scope, ())]}  # fmt: skip
        for layer, names in layers.items():
            if names:
                blocks[scope, layer] = stack.history.figures(scope, names, None, 0, FOREVER)
    done = stack.restatements.rows(0, FOREVER)
    return Outcome(
        blocks,
        stack.history.events("anode_effect", 0, FOREVER),
        len(done),
        sum(row.beats for row in done),
        sum(sum(row.changed.values()) for row in done),
        seconds,
    )


def differences(one: Outcome, other: Outcome) -> list[str]:
    """What is not the same, bit for bit."""
    found = []
    for key, block in one.blocks.items():
        again = other.blocks[key]
        if not np.array_equal(block.times, again.times):
            odd = np.setxor1d(block.times, again.times)
            found.append(f"{key}: {len(odd)} times in one only, first {odd[0]}")
            continue
        bits = block.values.view(np.int64) != again.values.view(np.int64)
        bits &= ~(np.isnan(block.values) & np.isnan(again.values))
        for t, f, e in np.argwhere(bits):
            found.append(
                f"{key[0]}.{block.names[f]} of {block.entities[e]} at {block.times[t]}: "
                f"{block.values[t, f, e]} and {again.values[t, f, e]}"
            )
    odd_effects = [row for row in one.anode_effects if row not in other.anode_effects]
    odd_effects += [row for row in other.anode_effects if row not in one.anode_effects]
    return found + [f"anode effect {row['key']}" for row in odd_effects]


HEAD = (
    "| order | samples | late | latest, h | told twice | entered | restarts | restatements |"
    " beats again | figures again | compared | different | s |\n" + "|---" * 13 + "|"
)


def row(name: str, week: Week, order: Order, one: Outcome, other: Outcome) -> str:
    late = order.samples - week.samples.times
    compared = sum(int(np.isfinite(b.values).sum()) for b in one.blocks.values())
    cells = (
        name, f"{len(late):,}", f"{int((late > TICK).sum()):,}", f"{late.max() / HOUR:.0f}",
        f"{len(order.again):,}", len(week.entries), len(order.restarts), other.restatements,
        f"{other.beats_again:,}", f"{other.figures_again:,}", f"{compared:,}",
        len(differences(one, other)), f"{other.seconds:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--cells", type=int, default=3, help="of each of two lines")
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    configure(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant = small_plant(given.cells, folder / "plant.toml")
        warm(plant)
        told = week(plant, given.days * 86400, given.seed)
        first = in_order(told)
        expected = asyncio.run(collect(plant, folder / "0", told, first))
        print(f"{given.days:g} days, 2 lines of {given.cells} cells, seed {given.seed}, "
              f"{len(expected.anode_effects)} anode effects\n\n{HEAD}")  # fmt: skip
        print(row("as it happens", told, first, expected, expected), flush=True)
        bad: list[str] = []
        for n in range(1, given.orders + 1):
            order = shuffled(plant, told, given.seed * 1000 + n)
            found = asyncio.run(collect(plant, folder / str(n), told, order))
            print(row(f"shuffled {n}", told, order, expected, found), flush=True)
            bad += differences(expected, found)
    for line in bad[:20]:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
