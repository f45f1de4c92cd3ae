"""`potline restate`, `correct` and `corrections`: the past computed again, its cause on record."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite, isnan, nan
from pathlib import Path

import typer

from analytics.beat.assess import warm
from collector.forward import Run
from collector.restating import FOREVER, Restating
from plant.batch import SECOND
from plant.suggest import did_you_mean
from potline.booking import Booking
from potline.exits import FOUND, INVALID, Failure
from potline.opening import Kept, kept, opened_for_writing
from potline.tables import print_json, print_rows, progress_bar
from potline.times import format_time, parse_time
from store.restatements import Correction, Restatement
from store.writer import Writer

SLICE_S = 1.0
DRAIN_S = 3600.0
FOLLOWS = "a running collector computes again what follows, or `potline restate` does"

Told = Callable[[float], None]


def restate_all(opened: Kept, told: Told) -> list[Restatement]:
    """Work off every restatement that is due, without a live calculation beside. -> those done"""
    plant = opened.plant
    warm(plant)
    extent = opened.history.extent()
    if extent is None:
        return []
    newest = opened.spool.checkpoints(None)
    stands = max(
        extent[1] // plant.beat_ns * plant.beat_ns + plant.beat_ns, newest.beat if newest else 0
    )
    live = Run.fresh(plant, stands)
    restating = Restating(plant, opened.history, opened.spool, opened.restatements)
    done = []
    while (order := opened.restatements.due()) is not None:
        live = restating.step(live, time.time_ns() + 10 * SECOND, SLICE_S)
        told(restating.progress(stands))
        if not restating.under_way:
            done.append(opened.restatements.row(order.version))
    if done:
        known = {row.version for row in opened.restatements.rows(0, FOREVER)}
        causes = "; ".join(dict.fromkeys(row.cause for row in done))
        booking = Booking(plant, opened.history, opened.spool, opened.restatements, causes)
        try:
            booking.write_from(min(row.start for row in done))
        finally:
            booking.close()
        book = opened.restatements.rows(0, FOREVER)
        done += [row for row in reversed(book) if row.version not in known]
    return done


def restate(
    path: Path, start: str | None, end: str | None, cause: str | None, as_json: bool
) -> None:
    """Compute the kept figures of a time again with the plant file as it is now; without a cause
    what is due already."""
    if cause is None and (start or end):
        raise Failure(INVALID, "--from and --to need a --cause, for the record")
    with opened_for_writing(path) as opened, progress_bar() as bar:
        if cause is not None:
            opened.restatements.note(*_range(opened, start, end), cause)
        writer = Writer(opened.spool, opened.store)
        writer.start()
        try:
            task = bar.add_task("computing again", total=1.0)
            done = restate_all(opened, lambda part: bar.update(task, completed=part))
            writer.drain(DRAIN_S)
        finally:
            writer.stop()
    if as_json:
        print_json({"restatements": [_shown(row) for row in done]})
    else:
        for row in done:
            _tell(row)
    lost = [f"version {row.version}, {row.cause}: {row.remark}" for row in done if row.remark]
    if lost:
        raise Failure(FOUND, *lost)


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
    if bad and (scale, offset) != (1.0, 0.0):
        raise Failure(INVALID, "--bad readings have no --scale and no --offset: leave them out")
    if not bad and (scale, offset) == (1.0, 0.0):
        raise Failure(INVALID, "that changes nothing: give --scale, --offset or --bad")
    if not (isfinite(scale) and isfinite(offset)):
        raise Failure(INVALID, f"--scale {scale:g} --offset {offset:g}: give finite numbers")
    with kept(path) as opened:
        if tag not in opened.plant.column_of:
            near = did_you_mean(tag, list(opened.plant.column_of))
            raise Failure(INVALID, f"{path}: no tag {tag}; {near}")
        begin, stop = _range(opened, start, end)
        if stop > time.time_ns():
            raise Failure(INVALID, "--to lies in the future: only kept readings can be corrected")
        id_ = opened.restatements.correct(
            tag, begin, stop, nan if bad else scale, offset, who, cause
        )
        typer.echo(
            f"correction {id_}: {tag} from {format_time(begin)} to {format_time(stop)}; {FOLLOWS}"
        )


def corrections(path: Path, withdraw: int | None, as_json: bool) -> None:
    """List the corrections of meters, or take one back."""
    with kept(path) as opened:
        if withdraw is not None and not opened.restatements.withdraw(withdraw):
            raise Failure(
                INVALID,
                f"{path}: no correction {withdraw} holds; `potline corrections` lists them",
            )
        rows = opened.restatements.corrections(withdrawn=True)
    if as_json:
        print_json({"corrections": [_corrected(row) for row in rows]})
    elif withdraw is not None:
        typer.echo(f"correction {withdraw} withdrawn; {FOLLOWS}")
    else:
        print_rows(
            "corrections",
            ["id", "tag", "from", "to", "readings count", "who", "cause", "withdrawn"],
            [
                [
                    row.id,
                    row.tag,
                    format_time(row.start),
                    format_time(row.end),
                    "as bad" if isnan(row.scale) else f"* {row.scale:g} + {row.offset:g}",
                    row.who,
                    row.cause,
                    format_time(row.withdrawn) if row.withdrawn else "",
                ]
                for row in rows
            ],
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
    """[begin, stop) in ns; all that is kept where not given."""
    zone = opened.plant.site.zone
    extent = opened.history.extent()
    if extent is None:
        raise Failure(FOUND, "no samples are kept yet")
    begin = parse_time(start, zone) if start else extent[0]
    stop = parse_time(end, zone) if end else extent[1] + 1
    if stop <= begin:
        raise Failure(
            INVALID,
            f"{end or 'the end of what is kept'} is not after {start or 'its beginning'}: "
            f"samples are kept from {format_time(extent[0])} to {format_time(extent[1])}",
        )
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


def _corrected(row: Correction) -> dict[str, object]:
    return {
        "id": row.id,
        "tag": row.tag,
        "from": format_time(row.start),
        "to": format_time(row.end),
        "bad": isnan(row.scale),
        "scale": row.scale,
        "offset": row.offset,
        "made": format_time(row.made),
        "who": row.who,
        "cause": row.cause,
        "withdrawn": format_time(row.withdrawn) if row.withdrawn else None,
    }


def _tell(row: Restatement) -> None:
    typer.echo(f"version {row.version}, {row.cause}: {row.beats} beats computed again")
    for name, count in sorted(row.changed.items()):
        typer.echo(f"{count:>9}  {name}")
