"""`potline figures` and `potline explain`: what was computed, and why it is what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import typer

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figures import figures
from api.explain import explanation_of, kept_at, superseded, tables_at
from plant.batch import SECOND
from plant.model import Plant
from plant.suggest import did_you_mean
from potline.exits import FOUND, INVALID, Failure
from potline.exporting import write_table
from potline.opening import kept
from potline.tables import cell_text, print_json, print_rows
from potline.times import format_time, parse_time


def scope_of(plant: Plant, entity: str) -> Scope:
    """The scope that an id belongs to. Raises Failure."""
    for scope in SCOPES:
        if entity in plant.entities(scope):
            return scope
    raise Failure(
        INVALID,
        f"--of {entity}: no such cell, line, boiler or site; "
        f"lines are {', '.join(plant.entities('line'))}, a cell is e.g. {plant.cells[0].id}",
    )


def checked_names(scope: Scope, asked: list[str] | None) -> list[str]:
    known = [f.name for f in figures()[scope]]
    for name in asked or ():
        if name not in known:
            raise Failure(
                INVALID,
                f"--figure {name}: no such figure of a {scope}; {did_you_mean(name, known)} "
                "(docs/figures.md has all)",
            )
    return asked or known


def show_figures(
    path: Path,
    of: str,
    asked: list[str] | None,
    start: str | None,
    end: str | None,
    format: str,
    output: Path | None,
) -> None:
    with kept(path) as opened:
        plant = opened.plant
        scope = scope_of(plant, of)
        names = checked_names(scope, asked)
        zone = plant.site.zone
        to_ns = parse_time(end or "now", zone)
        from_ns = parse_time(start, zone) if start else to_ns - 3600 * SECOND
        block = opened.store.figures(scope, names, [of], from_ns, to_ns)
    if not len(block.times):
        raise Failure(
            FOUND, f"no figures of {of} from {format_time(from_ns)} to {format_time(to_ns)}"
        )
    units = {f.name: f.unit for f in figures()[scope]}
    if format == "table":
        times = [format_time(int(t), zone) for t in block.times]
        header = ["time", *(f"{n} [{units[n]}]" for n in block.names)]
        print_rows(
            of,
            header,
            [(t, *row) for t, row in zip(times, block.values[:, :, 0].tolist(), strict=True)],
        )
        return
    columns: dict[str, pa.Array] = {
        "time": pa.array(block.times, pa.timestamp("ns", tz="UTC")),
    }
    for i, name in enumerate(block.names):
        values = block.values[:, i, 0]
        columns[name] = pa.array(values, mask=np.isnan(values))
    write_table(pa.table(columns), format, output, of)


def show_explanation(path: Path, of: str, figure: str, at: str | None, as_json: bool) -> None:
    with kept(path) as opened:
        plant = opened.plant
        scope = scope_of(plant, of)
        checked_names(scope, [figure])
        to_ns = parse_time(at or "now", plant.site.zone) + 1
        look_back = 600 if at else 7 * 86400
        moment = kept_at(opened.history, scope, of, figure, to_ns - 1, look_back * SECOND)
        if moment is None:
            raise Failure(FOUND, f"no figures of {of} are kept before {format_time(to_ns)}")
        tables = tables_at(plant, opened.history, moment)
        document = explanation_of(plant, opened.history, scope, of, figure, moment, tables)
        document["superseded"] = superseded(opened.restatements, scope, of, figure, moment)
    if as_json:
        print_json(document)
        return
    typer.echo(f"{of} {document['label']} ({document['label_zh']})")
    typer.echo(f"  {cell_text(document['value'])} {document['unit']} at {document['time']}")
    typer.echo(f"  = {document['formula']}")
    typer.echo(f"  method: {document['method']}")
    typer.echo(f"  source: {document['source']}")
    doubt = document["uncertainty"]
    if doubt["expanded"] is not None:
        typer.echo(f"  ± {cell_text(doubt['expanded'])} {document['unit']} (95 %)")
    for note in document["notes"]:
        typer.echo(f"  note: {note['en']}")
    coverage = document["coverage"]
    typer.echo(f"  coverage: {'—' if coverage is None else f'{coverage:.3%}'}")
    print_rows(
        "inputs",
        ("name", "of", "value", "unit"),
        [(r["name"], r["entity"], r["value"], r["unit"]) for r in document["inputs"]],
    )
    if document["factors"]:
        print_rows(
            "factors",
            ("name", "value", "unit", "source", "year", "certainty"),
            [
                (f["name"], f["value"], f["unit"], f["source"], f["year"], f["certainty"])
                for f in document["factors"]
            ],
        )
    for title, rows in (
        ("uncertainty", doubt["parts"]),
        ("samples", document["samples"]),
        ("superseded", document["superseded"]),
    ):
        if rows:
            print_rows(title, list(rows[0]), [list(row.values()) for row in rows])
