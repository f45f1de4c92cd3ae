"""`potline restate` and `potline correct`: the past computed again, with its cause on record."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import typer

from analytics.beat.assess import warm
from collector.forward import Run
from collector.restating import Restating
from plant.batch import SECOND
from potline.booking import Booking
from potline.exits import FOUND, INVALID, Failure
from potline.opening import Kept, kept, opened_for_writing
from potline.tables import print_json, print_rows, progress_bar
from potline.times import format_time, parse_time
from store.restatements import Restatement
from store.spool import SpoolInUse
from store.writer import Writer

SLICE_S = 1.0
DRAIN_S = 3600.0

Told = Callable[[float], None]


def restate_all(opened: Kept, told: Told) -> int:
    """Work off every restatement that is due, without a live calculation beside. -> figures that
    became different"""
    plant = opened.plant
    warm(plant)
    extent = opened.history.extent()
    if extent is None:
        return 0
    newest = opened.spool.checkpoints(None)
    stands = max(
        extent[1] // plant.beat_ns * plant.beat_ns + plant.beat_ns, newest.beat if newest else 0
    )
    live = Run.fresh(plant, stands)
    restating = Restating(plant, opened.history, opened.spool, opened.restatements)
    changed = 0
    first = opened.restatements.due()
    while (order := opened.restatements.due()) is not None:
        live = restating.step(live, time.time_ns() + 10 * SECOND, SLICE_S)
        told(restating.progress(stands))
        if not restating.under_way:
            done = opened.restatements.rows(order.start, order.end)
            changed += sum(sum(r.changed.values()) for r in done if r.version == order.version)
    if first is not None:
        booking = Booking(plant, opened.history, opened.spool, opened.restatements)
        try:
            booking.write_from(first.start)
        finally:
            booking.close()
    if first is not None and restating.not_done:
        raise Failure(FOUND, "the samples of that time are no longer kept: nothing was restated")
    return changed


def restate(path: Path, start: str | None, end: str | None, cause: str, as_json: bool) -> None:
    """Compute the kept figures of a time again with the plant file as it is now."""
    try:
        with opened_for_writing(path) as opened, progress_bar() as bar:
            begin, stop = _range(opened, start, end)
            opened.restatements.note(begin, stop, cause)
            writer = Writer(opened.spool, opened.store)
            writer.start()
            try:
                task = bar.add_task("computing again", total=1.0)
                restate_all(opened, lambda part: bar.update(task, completed=part))
                writer.drain(DRAIN_S)
            finally:
                writer.stop()
            _tell(opened.restatements.rows(begin, stop)[0], as_json)
    except Failure as error:
        if isinstance(error.__context__, SpoolInUse):
            raise Failure(
                INVALID,
                f"{path}: is being collected; stop that first, so that it starts again with this "
                "plant file",
            ) from None
        raise


def correct(
    path: Path,
    tag: str,
    start: str,
    end: str,
    scale: float,
    offset: float,
    bad: bool,
    who: str,
    cause: str,
) -> None:
    """Correct readings of the past; a running collector computes again what follows from them."""
    with kept(path) as opened:
        if tag not in opened.plant.column_of:
            raise Failure(INVALID, f"{path}: no tag {tag}; `potline check` lists them")
        begin, stop = _range(opened, start, end)
        if stop > time.time_ns():
            raise Failure(INVALID, "--to lies in the future: only kept readings can be corrected")
        opened.restatements.correct(
            tag, begin, stop, float("nan") if bad else scale, offset, who, cause
        )
        typer.echo(
            f"{tag} corrected from {format_time(begin)} to {format_time(stop)}; a running "
            "collector computes again what follows, or `potline restate` does"
        )


def restatements(path: Path, start: str | None, end: str | None, as_json: bool) -> None:
    """What was computed again, why, and how much became different."""
    with kept(path) as opened:
        rows = opened.restatements.rows(*_range(opened, start, end))
    if as_json:
        print_json({"restatements": [_shown(row) for row in rows]})
        return
    print_rows(
        "restatements",
        ["version", "cause", "from", "to", "done", "figures changed"],
        [
            [
                row.version,
                row.cause,
                format_time(row.start),
                format_time(row.end),
                row.remark or (format_time(row.done) if row.done else "due"),
                sum(row.changed.values()),
            ]
            for row in rows
        ],
    )


def _range(opened: Kept, start: str | None, end: str | None) -> tuple[int, int]:
    zone = opened.plant.site.zone
    extent = opened.history.extent()
    if extent is None:
        raise Failure(FOUND, "no samples are kept yet")
    begin = parse_time(start, zone) if start else extent[0]
    stop = parse_time(end, zone) if end else extent[1] + 1
    if stop <= begin:
        raise Failure(INVALID, f"--to {end} is not after --from {start}")
    return begin, stop


def _shown(row: Restatement) -> dict[str, object]:
    return {
        "version": row.version,
        "cause": row.cause,
        "tags": row.tags,
        "from": format_time(row.start),
        "to": format_time(row.end),
        "done": format_time(row.done) if row.done else None,
        "beats": row.beats,
        "changed": row.changed,
        "remark": row.remark,
    }


def _tell(row: Restatement, as_json: bool) -> None:
    if as_json:
        print_json(_shown(row))
        return
    typer.echo(f"version {row.version}: {row.beats} beats computed again")
    for name, count in sorted(row.changed.items()):
        typer.echo(f"{count:>9}  {name}")
