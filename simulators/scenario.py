"""Faults: what a scenario file or the control port may do to the plant, checked against it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plant.model import Plant
from simulators.bad_data import BAD_DATA


class ScenarioError(ValueError):
    """A fault that cannot be: what, where and what would be right, in one line."""


@dataclass(frozen=True, slots=True)
class Kind:
    """where: the key that names the target. amount: the key of how much, "" when there is none;
    default None means it must be given. low, high: what the amount may be."""

    where: str
    amount: str = ""
    default: float | None = None
    low: float = -math.inf
    high: float = math.inf


KINDS: Mapping[str, Kind] = {
    "set_voltage": Kind("cell", "mV", None, -500, 2000),
    "block_feeder": Kind("cell", "flow", 0.0, 0, 1),
    "alumina": Kind("cell", "percent", None, 0.5, 8),
    "trip_line": Kind("line", "fraction", 0.0, 0, 1),
    "freeze_tag": Kind("tag"),
    "drop_connection": Kind("source"),
    "bad_data": Kind("tag", "what"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the plant from at_s for for_s simulated seconds."""

    kind: str
    where: str  # id of a cell, line, source or tag
    index: int  # its place in the plant's order
    amount: float
    what: str  # of bad_data
    at_s: float  # since the start of the simulation
    for_s: float  # inf: until cleared


def load(path: Path, plant: Plant) -> list[Fault]:
    """The [[fault]] rows of a scenario file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    if unknown := sorted(set(document) - {"fault"}):
        raise ScenarioError(f"{path}: unknown key '{unknown[0]}'; a scenario has only [[fault]]")
    rows = document.get("fault", [])
    if not isinstance(rows, list):
        raise ScenarioError(f"{path}: write [[fault]] with two brackets")
    return [fault(row, plant, f"{path}: fault {i}") for i, row in enumerate(rows, 1)]


def fault(row: Mapping[str, Any], plant: Plant, origin: str, now_s: float = 0.0) -> Fault:
    """One fault, strictly; `now_s` stands in for a missing at_s."""
    name = row.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise ScenarioError(f"{origin}: kind '{name}' is none of {', '.join(KINDS)}")
    kind = KINDS[name]
    known = {"kind", "at_s", "for_s", kind.where} | ({kind.amount} - {""})
    if unknown := sorted(set(row) - known):
        keys = ", ".join(sorted(known))
        raise ScenarioError(f"{origin}: {name} does not know '{unknown[0]}', only {keys}")
    ids = _ids(plant, kind.where)
    where = row.get(kind.where)
    if not isinstance(where, str) or where not in ids:
        example = next(iter(ids), "none there")
        raise ScenarioError(
            f"{origin}: {name} needs {kind.where} = an id of {plant.path} such as '{example}', "
            f"not {where!r}"
        )
    what, amount = "", math.nan
    if kind.amount == "what":
        what = str(row.get("what", ""))
        source = plant.sources[plant.source_of_tag[ids[where]]]
        possible = [name for name, kinds in BAD_DATA.items() if source.kind in kinds]
        if what not in possible:
            raise ScenarioError(
                f"{origin}: what = '{what}' is nothing that {source.kind} can send; "
                f"it can send {', '.join(possible)}"
            )
    elif kind.amount:
        amount = _number(row, kind.amount, kind.default, origin)
        if not kind.low <= amount <= kind.high:
            raise ScenarioError(
                f"{origin}: {kind.amount} = {amount:g} is not in {kind.low:g} to {kind.high:g}"
            )
    at_s = _number(row, "at_s", now_s, origin)
    for_s = _number(row, "for_s", math.inf, origin)
    if for_s <= 0:
        raise ScenarioError(f"{origin}: for_s = {for_s:g} must be more than 0")
    return Fault(name, where, ids[where], amount, what, at_s, for_s)


def _ids(plant: Plant, where: str) -> Mapping[str, int]:
    if where == "tag":
        return plant.column_of
    rows: Sequence[Any] = {"cell": plant.cells, "line": plant.lines, "source": plant.sources}[where]
    return {row.id: i for i, row in enumerate(rows)}


def _number(row: Mapping[str, Any], key: str, default: float | None, origin: str) -> float:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ScenarioError(f"{origin}: {key} must be a number, not {value!r}")
    return float(value)


class Faults:
    """Which faults are active; told the time."""

    def __init__(self, scenario: Iterable[Fault]) -> None:
        self._waiting: dict[int, Fault] = dict(enumerate(scenario, 1))
        self._last = len(self._waiting)
        self.active: dict[int, Fault] = {}

    def add(self, fault: Fault) -> int:
        """-> the number to clear it by."""
        self._last += 1
        self._waiting[self._last] = fault
        return self._last

    def clear(self, number: int) -> bool:
        """End a fault, or call off one that waits. -> whether there was one"""
        known = self.active.pop(number, None) or self._waiting.pop(number, None)
        return known is not None

    def advance(self, now_s: float) -> list[Fault]:
        """-> the faults that start now."""
        for number in [n for n, f in self.active.items() if f.at_s + f.for_s <= now_s]:
            del self.active[number]
        due = {n: f for n, f in self._waiting.items() if f.at_s <= now_s}
        for number in due:
            del self._waiting[number]
        self.active |= {n: f for n, f in due.items() if f.kind not in ("alumina", "bad_data")}
        return list(due.values())

    def of(self, kind: str) -> list[Fault]:
        return [fault for fault in self.active.values() if fault.kind == kind]
