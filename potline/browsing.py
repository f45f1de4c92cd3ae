"""`potline browse`: what an OPC UA server has, and which tags of the plant it may be."""

from __future__ import annotations

import asyncio
import csv
import logging
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from plant.model import Boiler, Line, Meter, Plant, Rectifier, Signal, Source
from plant.suggest import did_you_mean
from plant.units import UnitError, conversion
from potline.exits import INVALID, UNREACHABLE, Failure
from potline.logs import configure
from potline.plants import load_plant
from potline.tables import print_json, print_rows

if TYPE_CHECKING:
    from collector.opcua.browse import Variable

NUMBERS = ("Boolean", "SByte", "Byte", "Int", "UInt", "Float", "Double")
COLUMNS = ("entity", "signal", "source", "node", "namespace", "unit")
SYNONYMS = {
    "voltage": (
        "cell voltage",
        "pot voltage",
        "u cell",
        "ucell",
        "volt",
        "volts",
        "槽电压",
        "电压",
    ),
    "target_voltage": ("set voltage", "voltage setpoint", "voltage sp", "设定电压"),
    "current": ("line current", "amperage", "amps", "potline current", "系列电流", "电流"),
    "line_voltage": ("series voltage", "potline voltage", "系列电压"),
    "bath_temperature": ("bath temp", "electrolyte temperature", "电解质温度"),
    "alumina_fed": ("alumina total", "alumina counter", "氧化铝下料量"),
    "beam_position": ("anode beam", "bridge position", "母线位置"),
    "ac_power": ("active power", "power", "kw", "有功功率"),
    "ac_energy": ("active energy", "energy", "kwh", "电能", "电度"),
    "power": ("active power", "kw", "有功功率"),
    "energy": ("active energy", "kwh", "电能", "电度"),
    "fuel_flow": ("gas flow", "coal flow", "燃料流量"),
    "steam_flow": ("steam", "蒸汽流量"),
    "steam_pressure": ("pressure", "蒸汽压力"),
    "steam_temperature": ("steam temp", "蒸汽温度"),
    "oxygen": ("o2", "氧含量"),
    "carbon_monoxide": ("co", "一氧化碳"),
}
"""Names that plants use besides the signal's own, its label and its label in Chinese."""


def browse_source(
    path: Path, source_id: str, pattern: str, file: Path | None, as_json: bool
) -> None:
    configure(logging.CRITICAL)
    plant = load_plant(path)
    source = _source(plant, source_id)
    found = [v for v in asyncio.run(_variables(plant, source)) if matches(v, pattern)]
    proposals = [propose(plant, v) for v in found]
    if file is not None:
        write_csv(file, source, found, proposals)
        unknown = sum(1 for p in proposals if p is None)
        typer.echo(f"{len(found)} tags in {file}", err=True)
        if unknown:
            typer.echo(
                f"{unknown} without entity and signal: fill them in or delete them", err=True
            )
    if as_json:
        print_json([_row(v, p) for v, p in zip(found, proposals, strict=True)])
    elif file is None:
        print_rows(
            f"{len(found)} variables of {source.options['url']}",
            ("path", "node", "namespace", "type", "value", "unit", "proposed"),
            [
                (v.path, v.node, v.namespace, v.type, _short(v.value), v.unit, ".".join(p or ()))
                for v, p in zip(found, proposals, strict=True)
            ],
        )


def _source(plant: Plant, wanted: str) -> Source:
    sources = {s.id: s for s in plant.sources if s.kind == "opcua"}
    if wanted not in sources:
        hint = did_you_mean(wanted, sources)
        raise Failure(INVALID, f'there is no OPC UA source "{wanted}" in {plant.path}; {hint}')
    return sources[wanted]


async def _variables(plant: Plant, source: Source) -> list[Variable]:
    from asyncua.ua.uaerrors import UaError

    from collector.opcua.browse import browsing
    from collector.opcua.certificates import SecurityError

    try:
        async with browsing(source, plant) as browser:
            return await browser.variables()
    except SecurityError as error:
        raise Failure(UNREACHABLE, f"{source.options['url']}: {error}") from None
    except (OSError, TimeoutError, UaError) as error:
        reason = str(error) or type(error).__name__
        raise Failure(
            UNREACHABLE,
            f"{source.options['url']} cannot be browsed: {reason}; "
            f"`potline check {plant.path} --connect` tells whether it answers",
        ) from None


def matches(variable: Variable, pattern: str) -> bool:
    """A shell pattern over path or node, whatever the case; a text without * is looked for."""
    wanted = pattern.casefold()
    wanted = wanted if any(c in wanted for c in "*?[") else f"*{wanted}*"
    return any(fnmatchcase(text.casefold(), wanted) for text in (variable.path, variable.node))


def write_csv(
    file: Path,
    source: Source,
    variables: Iterable[Variable],
    proposals: Iterable[tuple[str, str] | None],
) -> None:
    """As [[tags_csv]] of the plant file reads it."""
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for v, proposal in zip(variables, proposals, strict=True):
                own = "" if v.namespace == source.options["namespace"] else v.namespace
                writer.writerow([*(proposal or ("", "")), source.id, v.node, own, _unit(v)])
    except OSError as error:
        raise Failure(INVALID, f"{file} cannot be written: {error.strerror}") from None


# -- the mapping


def propose(plant: Plant, variable: Variable) -> tuple[str, str] | None:
    """(entity, signal) by the names in path and node and by the unit, None when none is clear."""
    if not variable.type.startswith(NUMBERS) or variable.type.endswith("[]"):
        return None
    text = f"{variable.path}/{variable.node.partition('=')[2]}"
    entity = _entity(plant, text)
    if entity is None:
        return None
    names = {_words(variable.path.rpartition("/")[2]), _words(re.split(r"[./:|]", text)[-1])}
    scores = {
        signal.name: _score(signal, names)
        for signal in plant.signals.values()
        if signal.entity == entity[1] and _fits(variable.unit, signal.unit)
    }
    best = max(scores.values(), default=0)
    chosen = [name for name, score in scores.items() if score == best]
    return (entity[0], chosen[0]) if best and len(chosen) == 1 else None


def _score(signal: Signal, names: Iterable[str]) -> int:
    """3 its own name or label, 2 another name for it, 1 a part of the name; 0 none."""
    own = {_words(signal.name), _words(signal.label), _words(signal.label_zh)} - {""}
    others = {_words(name) for name in SYNONYMS.get(signal.name, ())}
    best = 0
    for name in names:
        if name in own:
            return 3
        if name in others:
            best = max(best, 2)
        elif any(f" {o} " in f" {name} " for o in own | others):
            best = max(best, 1)
    return best


def _entity(plant: Plant, text: str) -> tuple[str, str] | None:
    """(id, kind) of the entity that the text names; cells also by number with their line."""
    words = f" {_words(text)} "
    named: list[tuple[int, str, str]] = []
    kinds: dict[str, Sequence[Line | Rectifier | Meter | Boiler]] = {
        "line": plant.lines,
        "rectifier": plant.rectifiers,
        "meter": plant.meters,
        "boiler": plant.boilers,
    }
    for kind, entities in kinds.items():
        named += [(len(e.id), e.id, kind) for e in entities if f" {_words(e.id)} " in words]
    lines = {e.id for e in plant.lines if f" {_words(e.id)} " in words or len(plant.lines) == 1}
    for cell in plant.cells:
        if f" {_words(cell.id)} " in words or (cell.line in lines and f" {cell.number} " in words):
            named.append((1000, cell.id, "cell"))
    most = max((n[0] for n in named), default=0)
    best = {(id_, kind) for length, id_, kind in named if length == most}
    return best.pop() if len(best) == 1 else None


def _words(text: str) -> str:
    """Lower-case words with single spaces: PotVoltage_1 -> pot voltage 1."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", text or "")
    return " ".join(re.findall(r"[^\W_]+", parted)).casefold()


def _fits(unit: str, wanted: str) -> bool:
    if not unit:
        return True
    try:
        conversion(unit, wanted)
    except UnitError:
        return False
    return True


def _unit(variable: Variable) -> str:
    """As it may stand in a plant file; nothing where the server's is none that potline knows."""
    return variable.unit if variable.unit and _fits(variable.unit, variable.unit) else ""


def _row(variable: Variable, proposal: Sequence[str] | None) -> dict[str, object]:
    entity, signal = proposal or (None, None)
    return {
        "path": variable.path, "node": variable.node, "namespace": variable.namespace,
        "type": variable.type, "value": _plain(variable.value), "unit": variable.unit,
        "low": variable.low, "high": variable.high, "entity": entity, "signal": signal,
    }  # fmt: skip


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool | str | None) else str(value)


def _short(value: object) -> object:
    text = value if isinstance(value, int | float) else str("" if value is None else value)
    return text if not isinstance(text, str) or len(text) <= 40 else text[:39] + "…"
