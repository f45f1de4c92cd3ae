"""`potline formula`: any formula of the house by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from analytics.formula import FormulaError, evaluate, formula, formulas
from analytics.formula.document import answer, describe
from analytics.formula.page import allowed, command
from analytics.formula.registry import Formula, Key
from plant.factors import shipped_factors
from plant.model import Factor
from potline.exits import INVALID, Failure
from potline.plants import load_plant
from potline.tables import print_json


def calculate(name: str | None, pairs: Sequence[str], plant: Path | None, as_json: bool) -> None:
    """All formulas without a name, one formula's keys without values, else its results."""
    factors = load_plant(plant).factors if plant else shipped_factors()
    try:
        if name is None:
            list_all(factors, as_json)
        elif not pairs:
            show_keys(formula(name), factors, as_json)
        else:
            show_results(name, parsed(pairs), factors, as_json)
    except FormulaError as error:
        raise Failure(INVALID, str(error)) from None


def parsed(pairs: Sequence[str]) -> dict[str, str]:
    """["a=1", "b=2"] -> {"a": "1", "b": "2"}. Raises FormulaError."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not (key and sign):
            raise FormulaError(f'"{pair}": write key=value, without spaces around the sign')
        if key in given:
            raise FormulaError(f"{key} is given twice; give it once")
        given[key] = value
    return given


def list_all(factors: Mapping[str, Factor], as_json: bool) -> None:
    rows = formulas().values()
    if as_json:
        print_json({"formulas": [describe(row, factors) for row in rows]})
        return
    for row in rows:
        units = ", ".join(dict.fromkeys(result.unit for result in row.results))
        typer.echo(f"{row.name} [{units}]: {row.what}")
        typer.echo(f"    {', '.join(key.name for key in row.keys)}")
        typer.echo(f"    source: {row.source} ({row.certainty})")


def show_keys(row: Formula, factors: Mapping[str, Factor], as_json: bool) -> None:
    if as_json:
        print_json(describe(row, factors))
        return
    typer.echo(f"{row.name}: {row.what} ({row.what_zh})")
    typer.echo(f"  {row.expression}")
    typer.echo(f"  source: {row.source} ({row.certainty})")
    typer.echo("keys")
    for key in row.keys:
        typer.echo(f"  {key.name}{bracket(key.unit)}: {key.what}; {taken(key, factors)}")
    typer.echo("results")
    for result in row.results:
        typer.echo(f"  {result.name}{bracket(result.unit)}")
    typer.echo(f"example\n  {command(row)}")


def taken(key: Key, factors: Mapping[str, Factor]) -> str:
    left_out = "" if key.required else "may be left out"
    if key.default is not None:
        left_out = f"{key.default} when left out"
    return "; ".join(part for part in (allowed(key, factors), left_out) if part)


def show_results(
    name: str, given: Mapping[str, str], factors: Mapping[str, Factor], as_json: bool
) -> None:
    document = answer(evaluate(name, given, factors))
    if as_json:
        print_json(document)
        return
    for result, value in document["results"].items():
        unit = "" if value is None else bare(document["units"][result])
        typer.echo(f"{result} = {written(value)}{unit}")
    typer.echo(f"source: {document['source']} ({document['certainty']})")
    for row in document["factors"]:
        year = f", {row['year']}" if row["year"] else ""
        typer.echo(
            f"factor {row['name']} = {row['value']:.10g}{bare(row['unit'])} "
            f"({row['source']}{year}; {row['certainty']})"
        )
    for note in document["notes"]:
        typer.echo(f"note: {note}")


def bare(unit: str) -> str:
    """After a number; a plain number has none."""
    return f" {unit}" if unit not in ("", "1") else ""


def bracket(unit: str) -> str:
    return f" [{unit}]" if unit else ""


def written(value: Any) -> str:
    """A result for people: eight digits, a series with commas, an unknown as a dash."""
    match value:
        case None:
            return "—"
        case float():
            return f"{value:.8g}"
        case list():
            return ", ".join(map(written, value)) or "none"
        case dict():
            return "; ".join(f"{name} {written(part)}" for name, part in value.items())
        case _:
            return str(value)
