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
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assess import warm
from analytics.beat.assessment import SCOPES
from analytics.table.book_rows import BOOK
from analytics.table.figures import beat_figures
from collector.intake import Intake
from collector.source import Delivery
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from potline.stack import RESTATE_S, Stack
from simulators.offline import simulate
from simulators.scenario import Fault
from store.contract import FigureBlock
from store.entries import Entry

DEMO = Path(__file__).parents[1] / "deploy" / "plants" / "demo.toml"
START = 1_767_542_400 * SECOND  # 2026-01-05 00:00 in Shanghai
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EVERY_S = 10.0
TICK = 60 * SECOND
"""What comes within a minute comes at once, in no order."""
LAG_S = 30.0
SPELLS_PER_DAY = 6
RESTARTS_PER_DAY = 2
SLOW_NS = 3 * DAY
TWICE = 0.01
METER, SCALE = "L1-R.ac_power", 1.02
FOREVER = 2**62

Integers = NDArray[np.int64]


def small_plant(cells: int, path: Path) -> Plant:
    """The demo's plant with few cells and slower tags, kept for ever."""
    text = DEMO.read_text("utf-8").replace(
        '{ A = "001-012", B = "013-024" }', f'{{ A = "001-{cells:03}" }}'
    )
    path.write_text(text, "utf-8")
    plant = load(path)
    tags = tuple(
        replace(t, interval_s=max(t.interval_s, EVERY_S), hold_s=max(t.hold_s, 3 * EVERY_S))
        for t in plant.tags
    )
    beats = replace(plant.time, beat_s=EVERY_S, figures_every_s=60.0)
    return replace(plant, tags=tags, time=beats)


@dataclass(frozen=True, slots=True)
class Week:
    """All that there is to be told of a plant."""

    samples: Batch
    entries: Sequence[Entry]
    correction: tuple[int, int]  # of METER, from and to [ns]
    seconds: float


def week(plant: Plant, seconds: float, seed: int) -> Week:
    """What is entered by hand is told of the cells of the first line; one tap in five is weighed
    again later, one in ten withdrawn."""
    faults = []
    for day in range(max(1, round(seconds / 86400))):
        cell = day % len(plant.cells)
        for kind, amount, for_s in (("alumina", 1.0, np.inf), ("block_feeder", 0.0, 240.0)):
            at = day * 86400 + seconds % 86400 / 3 + 7200
            faults.append(Fault(kind, plant.cells[cell].id, cell, amount, "", at, for_s))
    told = simulate(plant, START, seconds, seed, faults, sensor_errors=True)
    samples = Batch.concat(told)
    samples = samples.take(np.argsort(samples.times, kind="stable"))
    by_hand = np.array(
        [t.signal.pace == "slow" and t.entity.startswith(plant.lines[0].id) for t in plant.tags]
    )[samples.tags]
    entries = []
    for n, row in enumerate(np.flatnonzero(by_hand).tolist()):
        at, value = int(samples.times[row]), float(samples.values[row])
        entry = Entry(plant.tags[samples.tags[row]].id, at, at + HOUR, value, "laboratory")
        entries.append(entry)
        if entry.tag.endswith("tap_mass") and n % 5 == 0:
            entries.append(replace(entry, entered=at + DAY, value=value * 1.01))
        if n % 10 == 9:
            entries.append(replace(entry, entered=at + 2 * DAY, value=np.nan))
    middle = START + round(seconds / 2) * SECOND
    return Week(samples.take(~by_hand), entries, (middle - HOUR, middle), seconds)


@dataclass(frozen=True, slots=True)
class Order:
    """When each thing is told [ns]."""

    samples: Integers
    entries: Integers
    correction: int
    again: NDArray[np.intp]  # rows of samples that come twice
    restarts: Sequence[int]
    luck: np.random.Generator


def in_order(week: Week) -> Order:
    entered = np.array([entry.entered for entry in week.entries], np.int64)
    nothing = np.zeros(0, np.intp)
    return Order(
        week.samples.times, entered, week.correction[1], nothing, (), np.random.default_rng(0)
    )


def shuffled(plant: Plant, week: Week, seed: int) -> Order:
    luck = np.random.default_rng(seed)
    times, tags = week.samples.times, week.samples.tags
    sources = plant.source_of_tag[tags]
    late = (luck.uniform(0, LAG_S, len(plant.sources)) * SECOND).astype(np.int64)[sources]
    days = week.seconds / 86400
    for n in range(max(2, round(SPELLS_PER_DAY * days))):
        if n % 2:
            group = sources == luck.integers(len(plant.sources))
        else:
            group = tags == luck.integers(len(plant.tags))
        begin = START + int(luck.uniform(0, week.seconds) * SECOND)
        lasts, waits = np.exp(luck.uniform(np.log((60, 60)), np.log((6 * 3600, 2 * 86400))))
        end = begin + int(lasts * SECOND)
        rows = group & (times >= begin) & (times < end)
        late[rows] = np.maximum(late[rows], end + int(waits * SECOND) - times[rows])
    slow = np.array([tag.signal.pace == "slow" for tag in plant.tags])[tags]
    late[slow] = luck.uniform(0, SLOW_NS, int(slow.sum())).astype(np.int64)
    taken = np.array([entry.time for entry in week.entries], np.int64)
    stops = luck.uniform(0.05, 0.98, max(1, round(RESTARTS_PER_DAY * days))) * week.seconds
    return Order(
        samples=times + late,
        entries=taken + luck.uniform(0, SLOW_NS, len(taken)).astype(np.int64),
        correction=week.correction[1] + int(luck.uniform(0, week.seconds / 3) * SECOND),
        again=np.flatnonzero(luck.random(len(times)) < TWICE),
        restarts=sorted((START + stops * SECOND).astype(np.int64).tolist()),
        luck=luck,
    )


def ticks(week: Week, order: Order) -> Iterator[tuple[int, Batch, list[Entry]]]:
    """(when, samples, entries) of each minute in which something is told."""
    again = order.samples[order.again] + (order.luck.random(len(order.again)) * DAY).astype("i8")
    told = np.concatenate([order.samples, again]) // TICK
    row = np.concatenate([np.arange(len(order.samples)), order.again])
    by_tick = np.lexsort((order.luck.permutation(len(told)), told))
    entered = order.entries // TICK
    moments = np.unique(np.concatenate([told, entered, [order.correction // TICK]]))
    edges = np.searchsorted(told[by_tick], np.append(moments, FOREVER))
    for tick, first, last in zip(moments.tolist(), edges[:-1], edges[1:], strict=True):
        entries = [week.entries[i] for i in np.flatnonzero(entered == tick)]
        yield (tick + 1) * TICK, week.samples.take(row[by_tick[first:last]]), entries


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
        stack.writer.start()

    def close(self) -> None:
        """As a kill would: what is in memory only is lost."""
        self.committing.cancel()
        self.stack.writer.stop()
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
        self.stack.writer.drain(600)


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
