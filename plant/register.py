"""[[rectifier]] and [[meter]]: instruments, what contains what, and the meter register."""

from __future__ import annotations

from collections.abc import Mapping

from plant.model import Meter, MeterRegister, Rectifier
from plant.rows import Rows
from plant.schema.equipment import MeterRow, RectifierRow, RegisterRow
from plant.suggest import did_you_mean


def read_rectifiers(rows: Rows) -> tuple[Rectifier, ...]:
    found = rows.all("rectifier", RectifierRow)
    for i, row in found:
        _check_line(rows, "rectifier", i, row.line)
        _check_calibration(rows, "rectifier", i, row)
    return tuple(Rectifier(r.id, r.name or r.id, r.line, _register(r)) for _, r in found)


def read_meters(rows: Rows) -> tuple[Meter, ...]:
    found = rows.all("meter", MeterRow)
    parents = {row.id: row.parent for _, row in found}
    for i, row in found:
        if row.line:
            _check_line(rows, "meter", i, row.line)
        _check_calibration(rows, "meter", i, row)
        _check_place(rows, i, row, parents)
    return tuple(
        Meter(r.id, r.name or r.id, r.line, r.kind, r.parent, _register(r)) for _, r in found
    )


def _register(row: RegisterRow) -> MeterRegister:
    return MeterRegister(
        row.level or "",
        row.accuracy_class,
        row.serial,
        row.calibrated or "",
        row.calibration_expires or "",
    )


def _check_line(rows: Rows, table: str, i: int, line: str) -> None:
    known = rows.ids("line")
    if line not in known and not rows.problems.touch("line"):
        what = f'there is no line "{line}"; {did_you_mean(line, known)}'
        rows.problems.add((table, i, "line"), what)


def _check_calibration(rows: Rows, table: str, i: int, row: RegisterRow) -> None:
    if row.calibrated and row.calibration_expires and row.calibration_expires <= row.calibrated:
        rows.problems.add(
            (table, i, "calibration_expires"),
            f"{row.calibration_expires} is not after calibrated {row.calibrated}; exchange them",
        )


def _check_place(rows: Rows, i: int, row: MeterRow, parents: Mapping[str, str]) -> None:
    """Whether the meter stands where one of its kind can."""
    if row.kind == "dc_source" and not row.line:
        what = 'missing for kind "dc_source", which feeds the DC bus of a line; write line = "…"'
        rows.problems.add(("meter", i, "line"), what)
    if row.kind == "sub" and not row.parent:
        what = 'missing for kind "sub"; write the meter that contains it, parent = "…"'
        rows.problems.add(("meter", i, "parent"), what)
    if not row.parent:
        return
    known = rows.ids("meter") + rows.ids("rectifier")
    if row.kind in ("main", "dc_source"):
        what = f'means nothing for kind "{row.kind}", which is in no other meter; leave it out'
        rows.problems.add(("meter", i, "parent"), what)
    elif row.parent not in known:
        others = [name for name in known if name != row.id]
        what = f'there is no meter or rectifier "{row.parent}"; {did_you_mean(row.parent, others)}'
        rows.problems.add(("meter", i, "parent"), what)
    elif row.id in _above(row.parent, parents):
        what = f'"{row.parent}" contains itself by way of "{row.id}"; correct one parent'
        rows.problems.add(("meter", i, "parent"), what)


def _above(name: str, parents: Mapping[str, str]) -> list[str]:
    """The meter and all that contain it, each once."""
    chain: list[str] = []
    while name and name not in chain:
        chain.append(name)
        name = parents.get(name, "")
    return chain
