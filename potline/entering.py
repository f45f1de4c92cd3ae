"""`potline enter`: values that people enter, one by one or from a CSV, all or nothing."""

from __future__ import annotations

import csv
import getpass
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import typer

from plant.model import Plant, Signal
from potline.exits import INVALID, Failure
from potline.plants import load_plant
from potline.tables import print_json
from potline.times import format_time, parse_time
from store.entries import FILE, Entries, Entry, EntryError, checked, enterable

NEEDED = ("entity", "signal", "time", "value")
COLUMNS = (*NEEDED, "unit", "who", "comment", "entered")
MOST_ERRORS = 20
WITHDRAW = "withdraw"
"""Written for a value: what was said of that time is taken back. An empty cell is an error."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What an entry is checked against."""

    plant: Plant
    signals: dict[str, Signal]
    now: int  # ns
    who: str  # where a row does not say it

    def entry(self, row: Mapping[str, str]) -> Entry:
        """EntryError and Failure when it cannot be one."""
        zone = self.plant.site.zone
        entered = row.get("entered", "")
        return checked(
            self.plant,
            self.signals,
            self.now,
            entity=row["entity"],
            signal=row["signal"],
            time=parse_time(row["time"], zone),
            value=_number(row["value"]),
            unit=row.get("unit", ""),
            who=row.get("who", "") or self.who,
            comment=row.get("comment", ""),
            entered=parse_time(entered, zone) if entered else None,
        )


def enter_value(path: Path, row: Mapping[str, str], who: str, as_json: bool) -> None:
    """One value; row: as a line of the CSV."""
    form = _form(path, who)
    try:
        entries = [form.entry(row)]
    except EntryError as error:
        raise Failure(INVALID, str(error)) from None
    _keep(form, entries, as_json)


def enter_file(path: Path, file: Path, who: str, as_json: bool) -> None:
    form = _form(path, who)
    entries, errors = [], []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for number, row in _rows(file, text):
                try:
                    entries.append(form.entry(row))
                except (EntryError, Failure) as error:
                    errors.append(f"{file}:{number}: {error}")
    except OSError as error:
        raise Failure(INVALID, f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failure(INVALID, f"{file}: not a CSV in UTF-8 ({error}); export it again") from None
    if errors:
        more = len(errors) - MOST_ERRORS
        shown = errors[:MOST_ERRORS] + ([f"and {more} more"] if more > 0 else [])
        raise Failure(INVALID, *shown, f"{file}: nothing was kept; correct the lines above")
    if not entries:
        raise Failure(INVALID, f"{file}: no line below its first; nothing to keep")
    _keep(form, entries, as_json)


def _form(path: Path, who: str) -> _Form:
    plant = load_plant(path)
    return _Form(plant, enterable(plant), time.time_ns(), who or _login())


def _rows(file: Path, text: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of each line that says something."""
    lines = csv.reader(text, strict=True)
    header = [name.strip().casefold() for name in next(lines, [])]
    missing = [name for name in NEEDED if name not in header]
    strange = [name for name in header if name not in COLUMNS]
    if missing or strange or len(set(header)) < len(header):
        raise Failure(
            INVALID,
            f"{file}: the first line must name the columns {', '.join(NEEDED)}, and may name "
            f"{', '.join(COLUMNS[len(NEEDED) :])}, each once; it is {','.join(header) or 'empty'}",
        )
    for row in lines:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise Failure(
                INVALID,
                f"{file}:{lines.line_num}: {len(cells)} cells in a file of {len(header)} columns; "
                "a comma inside a text needs quotes around it",
            )
        yield lines.line_num, dict(zip(header, cells, strict=True))


def _number(text: str) -> float | None:
    if text.casefold() == WITHDRAW:
        return None
    try:
        return float(text)
    except ValueError:
        raise EntryError(
            f"{text!r} is not a number; write one as 12.5, or {WITHDRAW} to take back what was said"
        ) from None


def _login() -> str:
    """Who runs the command; "" where the system has no name for that."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _keep(form: _Form, entries: list[Entry], as_json: bool) -> None:
    table = Entries(Path(form.plant.store.path) / FILE)
    try:
        kept = table.add(entries)
    finally:
        table.close()
    if as_json:
        print_json({"entries": len(entries), "kept": kept, "known": len(entries) - kept})
    elif len(entries) == 1 and kept:
        (entry,) = entries
        withdrawn = entry.value != entry.value
        unit = form.signals[entry.tag].unit
        said = "withdrawn" if withdrawn else f"{entry.value:g} {unit}"
        typer.echo(f"{entry.tag} at {format_time(entry.time, form.plant.site.zone)}: {said}")
    else:
        typer.echo(f"{kept} entries kept, {len(entries) - kept} were known before")
