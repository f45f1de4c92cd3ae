"""A simulated week of a small plant, and the orders in which it may be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from simulators.offline import simulate
from simulators.scenario import Fault
from store.entries import Entry

DEMO = Path(__file__).parents[1] / "deploy" / "plants" / "demo.toml"
START = 1_767_542_400 * SECOND  # 2026-01-05 00:00 in Shanghai
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EVERY_S, BEAT_S = 10.0, 30.0
TICK = 300 * SECOND
"""What comes within five minutes comes at once, in no order."""
SPELLS_PER_DAY = 4
RESTARTS_PER_DAY = 2
BY_HAND_S, SLOW_NS = 3600.0, 3 * DAY
TWICE_PER_DAY = 1
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
    beats = replace(plant.time, beat_s=BEAT_S, figures_every_s=600.0)
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
            at = day * 86400 + 7200
            faults.append(Fault(kind, plant.cells[cell].id, cell, amount, "", at, for_s))
    told = simulate(plant, START, seconds, seed, faults, sensor_errors=True)
    samples = Batch.concat(told)
    samples = samples.take(np.argsort(samples.times, kind="stable"))
    by_hand = np.array(
        [t.interval_s >= BY_HAND_S and t.entity.startswith(plant.lines[0].id) for t in plant.tags]
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
    late = np.zeros(len(times), np.int64)
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
        until = end - times[rows] if luck.random() < 0.5 else 0  # at once, or one by one
        late[rows] = np.maximum(late[rows], until + int(waits * SECOND))
    twice = np.zeros(len(times), np.bool_)
    for begin in luck.uniform(0, week.seconds, max(1, round(TWICE_PER_DAY * days))):
        since = START + int(begin * SECOND)
        twice |= (sources == luck.integers(len(plant.sources))) & (abs(times - since) < HOUR // 6)
    slow = np.array([tag.interval_s >= BY_HAND_S for tag in plant.tags])[tags]
    late[slow] = luck.uniform(0, SLOW_NS, int(slow.sum())).astype(np.int64)
    taken = np.array([entry.time for entry in week.entries], np.int64)
    stops = luck.uniform(0.05, 0.98, max(1, round(RESTARTS_PER_DAY * days))) * week.seconds
    return Order(
        samples=times + late,
        entries=taken + luck.uniform(0, SLOW_NS, len(taken)).astype(np.int64),
        correction=week.correction[1] + int(luck.uniform(0, week.seconds / 3) * SECOND),
        again=np.flatnonzero(twice),
        restarts=sorted((START + stops * SECOND).astype(np.int64).tolist()),
        luck=luck,
    )


def ticks(week: Week, order: Order) -> Iterator[tuple[int, Batch, list[Entry]]]:
    """(when, samples, entries) of each spell of TICK in which something is told."""
    again = order.samples[order.again] + HOUR
    told = np.concatenate([order.samples, again]) // TICK
    row = np.concatenate([np.arange(len(order.samples)), order.again])
    by_tick = np.lexsort((order.luck.permutation(len(told)), told))
    entered = order.entries // TICK
    moments = np.unique(np.concatenate([told, entered, [order.correction // TICK]]))
    edges = np.searchsorted(told[by_tick], np.append(moments, FOREVER))
    for tick, first, last in zip(moments.tolist(), edges[:-1], edges[1:], strict=True):
        entries = [week.entries[i] for i in np.flatnonzero(entered == tick)]
        yield (tick + 1) * TICK, week.samples.take(row[by_tick[first:last]]), entries
