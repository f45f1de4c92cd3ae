"""The plant file read again while potline runs: SIGHUP.

The order of a plant's tags is the order of every array, so another file has parts of its own, which
go on where those before stand. For that moment sources wait in front of the intake, and what they
have is then taken by the ids of its tags. A reader that nothing changed for goes on untouched; see
`collector.supervise` for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Literal

import structlog

from analytics.beat.assess import warm
from collector.carry import Move
from collector.feed import Reads
from plant.model import Plant, Tag
from potline.exits import FOUND, INVALID, Failure
from potline.parts import Parts
from potline.plants import load_plant
from potline.stack import Stack
from potline.systemd import reloading
from store.spool import SpoolFull

BACKLOG = 500_000
"""Samples: with more in the spool, the store is behind."""
DRAIN_S = 10.0

TOLD = attrgetter(*(f.name for f in fields(Tag) if f.name != "column"))
"""All that the plant file says of a tag."""

log = structlog.get_logger()

Outcome = Literal["applied", "unchanged", "refused"]


async def reload_when_asked(stack: Stack, path: Path, asked: asyncio.Event) -> None:
    """For ever. A reload that has begun is brought to its end, cancelled or not."""
    while True:
        await asked.wait()
        asked.clear()
        work = asyncio.ensure_future(reload(stack, path))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await work
            raise


async def reload(stack: Stack, path: Path) -> Outcome:
    """Apply the plant file as it is now, all of it or nothing, and say so in one line."""
    with reloading(stack), giving_way():
        try:
            outcome = await _apply(stack, await asyncio.to_thread(load_plant, path))
        except Failure as failure:
            outcome = "refused"
            log.error("plant file not applied, all goes on as before", reason=str(failure))
    stack.reloads.labels(outcome).inc()
    return outcome


async def _apply(stack: Stack, plant: Plant) -> Outcome:
    began = time.monotonic()
    before = stack.plant
    if fixed := needs_restart(before, plant):
        raise Failure(INVALID, f"{', '.join(fixed)}: to change this, restart potline")
    if await asyncio.to_thread(before.__eq__, plant):
        log.info("plant file read again: nothing changed")
        return "unchanged"
    parts = None
    try:
        parts, move, news = await asyncio.to_thread(_prepare, before, plant)
        still_s = await _hand_over(stack, parts, move)
    except (Failure, SpoolFull, OSError) as error:
        if parts is not None:
            parts.open.close()
        raise Failure(FOUND, str(error)) from None
    log.info(
        "plant file applied",
        **news,
        held_up_s=round(still_s, 3),
        took_s=round(time.monotonic() - began, 3),
    )
    return "applied"


def _prepare(before: Plant, plant: Plant) -> tuple[Parts, Move, dict[str, int]]:
    """All that can be made while the parts before still run; and what differs, for the log."""
    warm(plant)
    Reads.of(plant)
    return Parts(plant), Move.of(before, plant), _differences(before, plant)


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """A large file takes seconds to read: sources then wait for their turn a tenth as long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def needs_restart(before: Plant, after: Plant) -> list[str]:
    """What differs and is settled at the start, as the plant file names it."""
    settled: dict[str, Callable[[Plant], object]] = {
        "[site] id": lambda p: p.site.id,
        "[site] time_zone": lambda p: p.site.time_zone,
        "[site] shifts": lambda p: p.site.shifts,
        "[time] beat_s": lambda p: p.time.beat_s,
        "[store]": lambda p: p.store,
        "[api]": lambda p: dict(p.api),
        "[pair]": lambda p: p.pair,
    }
    return [name for name, of in settled.items() if of(before) != of(after)]


async def _hand_over(stack: Stack, parts: Parts, move: Move) -> float:
    """The parts take the place of those before. -> for how long the intake stood still [s]

    Failure: nothing changed."""
    before, plant = stack.plant, parts.plant
    loses_tags = not before.column_of.keys() <= plant.column_of.keys()
    if stack.intake.blocked or stack.keeper.blocked:
        raise _disk_full()
    await asyncio.to_thread(stack.spool.tidy)  # what is learnt of it below is then little
    if loses_tags:
        await _await_store(stack)
    await stack.supervisor.make_way(plant)  # the writer goes on: who leaves may wait for room
    if not loses_tags:
        await asyncio.to_thread(stack.writer.stop)
    async with stack.turn, stack.intake.still:
        began = time.monotonic()
        try:
            await asyncio.to_thread(_settle, stack, loses_tags)
        except Failure:
            stack.supervisor.adopt(before, None)
            if not loses_tags:
                stack.writer = stack.new_writer()
                stack.writer.start()
            raise
        await asyncio.to_thread(parts.take_over, stack, move)
        stack.intake.adopt(plant, parts.spool, move)
        outputs = stack.outputs
        stack.become(parts)
        stack.supervisor.adopt(plant, move)
        stack.keeper.add(stack.alarms.retire(time.time_ns()))
        stack.writer.start()
        still_s = time.monotonic() - began
    await asyncio.to_thread(outputs.stop)
    if stack.publishes:
        stack.outputs.start()
    return still_s


def _settle(stack: Stack, loses_tags: bool) -> None:
    """Make durable what was gathered; where tags go, the store gets all that came of them, since
    its next owner does not know them. Failure: it cannot be."""
    stack.keeper.flush()
    if stack.keeper.blocked:
        raise _disk_full()
    if loses_tags:
        if not stack.writer.drain(DRAIN_S):
            raise _store_behind()
        stack.writer.stop()


async def _await_store(stack: Stack) -> None:
    """Until the store keeps up. Failure: it does not."""
    until = time.monotonic() + DRAIN_S
    while stack.writer.last_error or _spooled(stack) > BACKLOG:
        if time.monotonic() > until:
            raise _store_behind()
        await asyncio.sleep(0.5)


def _spooled(stack: Stack) -> int:
    return sum(row.spooled for row in stack.spool.ledger().values())


def _disk_full() -> Failure:
    return Failure(FOUND, "the disk takes nothing now; reload again when there is room")


def _store_behind() -> Failure:
    return Failure(
        FOUND,
        "the file removes tags, and the store has not yet taken what came of them; reload again "
        "when it has",
    )


def _differences(before: Plant, after: Plant) -> dict[str, int]:
    old, new = before.column_of, after.column_of
    both = old.keys() & new.keys()
    changed = sum(TOLD(before.tags[old[i]]) != TOLD(after.tags[new[i]]) for i in both)
    sources = {s.id: s for s in before.sources}
    return {
        "tags_added": len(new) - len(both),
        "tags_removed": len(old) - len(both),
        "tags_changed": changed,
        "sources_changed": sum(sources.get(s.id) != s for s in after.sources),
        "cells": len(after.cells),
        "tags": len(after.tags),
    }
