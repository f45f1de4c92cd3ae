"""Faults: what a scenario file or the control port may do to the plant, checked against it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from plant.batch import SECOND
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
    "empty_hopper": Kind("cell"),
    "stick_beam": Kind("cell"),
    "alumina": Kind("cell", "percent", None, 0.5, 8),
    "slope_limit": Kind("cell", "mV_per_min", None, 0.1, 10),
    "shortfall": Kind("cell", "percent", None, 0, 1.5),
    "cathode": Kind("cell", "uOhm", None, -0.3, 0.3),
    "bypass": Kind("cell"),
    "trip_line": Kind("line", "fraction", 0.0, 0, 1),
    "modulate_line": Kind("line", "percent", None, -40, 15),
    "freeze_tag": Kind("tag"),
    "stick_tag": Kind("tag"),
    "bias_tag": Kind("tag", "by", None),
    "drift_tag": Kind("tag", "by_per_day", None),
    "spike_tag": Kind("tag", "by", None),
    "flip_unit": Kind("tag", "factor", 1000.0, 1e-6, 1e6),
    "reset_counter": Kind("tag"),
    "drop_samples": Kind("tag", "share", 0.5, 0, 1),
    "skew_clock": Kind("source", "seconds", None, -3600, 3600),
    "drop_connection": Kind("source"),
    "bad_data": Kind("tag", "what"),
    "freeze_server": Kind("source"),
    "stall_publishing": Kind("source"),
    "half_open": Kind("source"),
    "slow_answers": Kind("source", "seconds", 1.0, 0, 600),
    "lie_about_limits": Kind("source", "operations", 100.0, 1, 1e6),
    "limit_message_size": Kind("source", "bytes", 8192.0, 1024, 1e9),
    "limit_publish_requests": Kind("source", "requests", 1.0, 1, 1000),
    "refuse_transfer": Kind("source"),
    "drop_sessions": Kind("source"),
    "restart_server": Kind("source"),
    "permute_namespaces": Kind("source"),
    "vanish_nodes": Kind("source", "share", 0.1, 0, 1),
    "not_finite": Kind("source", "share", 0.01, 0, 1),
    "change_types": Kind("source", "share", 0.1, 0, 1),
    "drop_notifications": Kind("source", "share", 0.1, 0, 1),
    "lose_notifications": Kind("source", "share", 0.1, 0, 1),
    "duplicate_notifications": Kind("source", "share", 0.1, 0, 1),
    "reorder_notifications": Kind("source", "share", 0.1, 0, 1),
    "degrade_service": Kind("source", "level", 100.0, 0, 255),
    "skip_sequence": Kind("source", "share", 0.1, 0, 1),
}
HOSTILE = tuple(KINDS)[tuple(KINDS).index("freeze_server") :]
"""Of OPC UA servers; only the fast one can do them."""
ONCE = ("alumina", "bad_data", "drop_sessions")
"""Done at one moment; the others last."""


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
    at_ns: int | None = None  # instead of at_s: a moment, ns since the epoch

    def since(self, start_ns: int) -> Fault:
        """With at_s counted from start_ns."""
        if self.at_ns is None:
            return self
        return replace(self, at_s=(self.at_ns - start_ns) / SECOND)


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
    return [
        fault(each, plant, f"{path}: fault {i}")
        for i, row in enumerate(rows, 1)
        for each in _one_by_one(row)
    ]


def _one_by_one(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A row that names several cells, lines, tags or sources is one fault for each."""
    key = next((key for key in ("cell", "line", "tag", "source") if key in row), None)
    if key is None or not isinstance(row[key], list):
        return [row]
    return [{**row, key: one} for one in row[key]]


def fault(row: Mapping[str, Any], plant: Plant, origin: str, now_s: float = 0.0) -> Fault:
    """One fault, strictly; `now_s` stands in for a missing at_s."""
    name = row.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise ScenarioError(f"{origin}: kind '{name}' is none of {', '.join(KINDS)}")
    kind = KINDS[name]
    known = {"kind", "at_s", "at", "for_s", kind.where} | ({kind.amount} - {""})
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
    if name in HOSTILE and plant.sources[ids[where]].kind != "opcua":
        raise ScenarioError(f"{origin}: {name} needs a source of kind opcua, {where} is none")
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
    if name == "reset_counter" and plant.tags[ids[where]].signal.kind != "counter":
        raise ScenarioError(f"{origin}: reset_counter needs the tag of a counter, {where} is none")
    at_ns = _moment(row, origin)
    at_s = _number(row, "at_s", now_s, origin)
    for_s = _number(row, "for_s", math.inf, origin)
    if for_s <= 0:
        raise ScenarioError(f"{origin}: for_s = {for_s:g} must be more than 0")
    return Fault(name, where, ids[where], amount, what, at_s, for_s, at_ns)


def check_served(faults: Iterable[Fault], fast: bool) -> None:
    """ScenarioError where one needs the fast server and another one serves."""
    if fast:
        return
    for each in faults:
        if each.kind in HOSTILE:
            raise ScenarioError(
                f"{each.kind} of source {each.where} needs the fast server: simulate with --fast"
            )


def _moment(row: Mapping[str, Any], origin: str) -> int | None:
    at = row.get("at")
    if at is None:
        return None
    if "at_s" in row:
        raise ScenarioError(f"{origin}: write at or at_s, not both")
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ScenarioError(
            f"{origin}: at must be a date and time with its zone as 2026-12-01T00:00:00+08:00, "
            f"not {at}"
        )
    return round(at.timestamp()) * SECOND


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

    def __init__(self, scenario: Iterable[Fault], start_ns: int) -> None:
        self._start_ns = start_ns
        self._waiting: dict[int, Fault] = {}
        self._last = 0
        self._cleared: list[Fault] = []
        self.active: dict[int, Fault] = {}
        for fault in scenario:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """-> the number to clear it by."""
        self._last += 1
        self._waiting[self._last] = fault.since(self._start_ns)
        return self._last

    def clear(self, number: int) -> bool:
        """End a fault, or call off one that waits. -> whether there was one"""
        if (active := self.active.pop(number, None)) is not None:
            self._cleared.append(active)
            return True
        return self._waiting.pop(number, None) is not None

    def advance(self, now_s: float) -> tuple[list[Fault], list[Fault]]:
        """-> the faults that start now, those that end."""
        over = {n: f for n, f in self.active.items() if f.at_s + f.for_s <= now_s}
        due = {n: f for n, f in self._waiting.items() if f.at_s <= now_s}
        for number in over:
            del self.active[number]
        for number in due:
            del self._waiting[number]
        self.active |= {n: f for n, f in due.items() if f.kind not in ONCE}
        ended, self._cleared = [*self._cleared, *over.values()], []
        return list(due.values()), ended

    def next_s(self) -> float:
        """When the next one starts or ends, inf if never."""
        starts = [fault.at_s for fault in self._waiting.values()]
        ends = [fault.at_s + fault.for_s for fault in self.active.values()]
        return min([*starts, *ends], default=math.inf)

    def of(self, *kinds: str) -> list[Fault]:
        return [fault for fault in self.active.values() if fault.kind in kinds]
