"""`potline meters` and `potline plausible`: which numbers may be trusted, and why not others."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import typer

from analytics.meters.claims import ClaimError, read_claims
from analytics.meters.plausible import judge
from api.metering import Metering, metering
from api.meters import document
from api.plausibility import document as verdicts_document
from plant.batch import SECOND
from plant.factors import shipped_factors
from potline.exits import FOUND, INVALID, Failure
from potline.opening import kept
from potline.plants import load_plant
from potline.tables import print_json, print_rows
from potline.times import format_time, parse_time

DAY_NS = 86400 * SECOND


def show_meters(path: Path, start: str | None, end: str | None, as_json: bool) -> None:
    with kept(path) as opened:
        plant, zone = opened.plant, opened.plant.site.zone
        beat, extent = plant.beat_ns, opened.history.extent()
        if extent is None:
            raise Failure(FOUND, f"{path}: no samples are kept yet")
        to_ns = parse_time(end, zone) if end else (extent[1] // beat + 1) * beat
        from_ns = parse_time(start, zone) if start else max(to_ns - DAY_NS, extent[0])
        if from_ns >= to_ns:
            span = f"--from {format_time(from_ns, zone)} is not before --to"
            raise Failure(INVALID, f"{span} {format_time(to_ns, zone)}")
        report = metering(plant, opened.history, from_ns, to_ns)
    if as_json:
        print_json(document(report))
        return
    typer.echo(f"{format_time(report.start, zone)} to {format_time(report.end, zone)}")
    _tell(report)


def _tell(report: Metering) -> None:
    print_rows(
        "meter register",
        ("meter", "kind", "level", "class", "serial", "calibrated", "expires", "state", "days"),
        [
            (
                row.id, row.kind, row.register.level, row.register.accuracy_class,
                row.register.serial, row.register.calibrated, row.register.calibration_expires,
                row.calibration.replace("_", " in "), row.days_left,
            )
            for row in report.register
        ],
    )  # fmt: skip
    print_rows(
        "counters against integrated power [MWh]",
        ("counter", "counted", "integrated", "difference %", "set aside"),
        [
            (
                row.tag, row.counter.amount.value, row.integral.value, row.difference_percent,
                row.counter.set_aside,
            )
            for row in report.counters
        ],
    )  # fmt: skip
    result = report.reconciliation
    print_rows(
        "balances: raw and adjusted values, ± at 95 %",
        ("flow", "unit", "raw", "±", "adjusted", "±", "test", ""),
        [
            (
                row.id, row.unit, row.raw, 1.96 * row.uncertainty, row.value,
                1.96 * row.value_uncertainty, row.test, "GROSS ERROR" if row.gross else "",
            )
            for row in result.flows
        ],
    )  # fmt: skip
    for gross in result.gross:
        typer.echo(f"gross error: {gross.sentence}")
    if result.degrees:
        typer.echo(
            f"chi-square {result.chi_square:.4g} with {result.degrees} degrees of freedom, limit "
            f"{result.critical:.4g} (p = {result.p_value:.2g}); a gross error is a test above "
            f"{result.test_limit:.3g}"
        )
    typer.echo(result.verdict)
    print_rows(
        "instrumentation: tags of the plant file, live, and good",
        ("line", "section", "of", "expected", "live", "good", "share"),
        [
            (row.line, row.section, row.kind, row.expected, row.live, row.good, row.share)
            for row in report.coverage
        ],
    )
    for suspect in report.suspects:
        typer.echo(f"{suspect.kind}: {suspect.tag} {suspect.sentence}")
    typer.echo(f"{len(report.suspects)} suspect tags")


def show_verdicts(file: Path, plant: Path | None, as_json: bool) -> None:
    factors = load_plant(plant).factors if plant else shipped_factors()
    try:
        verdicts = judge(read_claims(_read(file)), factors)
    except ClaimError as error:
        raise Failure(INVALID, *(f"{file}: {line}" for line in error.lines)) from None
    if as_json:
        print_json(verdicts_document(verdicts))
    else:
        for verdict in verdicts:
            state = "plausible" if verdict.plausible else "NOT PLAUSIBLE"
            typer.echo(f"{verdict.name}: {verdict.value:.6g} {verdict.unit}: {state}")
            for line in verdict.reasons or verdict.checks:
                typer.echo(f"  {line}")
    if not all(v.plausible for v in verdicts):
        raise Failure(FOUND)


def _read(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Failure(INVALID, f"{file}: {reason}; give a TOML or JSON file of claims") from None
    try:
        return json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise Failure(INVALID, f"{file}: {error}; write TOML, or JSON in a file .json") from None
