"""`potline baseline`: the energy baseline of a line, cells or the site, and savings."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from analytics.studies.baseline import fit_baseline
from analytics.studies.savings import savings
from analytics.table.figures import figures
from api.baseline import Days, baseline_document, days, subject
from plant.batch import SECOND
from potline.asking import checked_names
from potline.exits import FOUND, INVALID, Failure
from potline.opening import kept
from potline.plants import load_plant
from potline.selecting import cells_of, period
from potline.tables import print_json, print_rows
from potline.times import parse_time

DAY_NS = 86400 * SECOND


@dataclass(frozen=True, slots=True)
class Asked:
    """energy: the daily figure to explain, "" for the DC energy; drivers explain it."""

    of: str
    energy: str
    drivers: list[str]
    baseline: str
    report: str | None
    csv: Path | None


def run_baseline(path: Path, asked: Asked, as_json: bool) -> None:
    """Fit, and what was saved since. Raises Failure."""
    plant = load_plant(path)
    spans = [period(plant, asked.baseline, "--baseline")]
    if asked.report:
        spans.append(period(plant, asked.report, "--report"))
    if asked.csv is not None:
        if not asked.energy:
            raise Failure(INVALID, "--energy is needed with --csv: the column to explain")
        names = list(dict.fromkeys([asked.energy, *(asked.drivers or ["metal_day"])]))
        unit: Mapping[str, str] = dict.fromkeys(names, "")
        whole = read_days(asked.csv, names, plant.site.zone)
        tables = [_between(whole, *span) for span in spans]
        of: tuple[str, ...] = (str(asked.csv),)
    else:
        single = asked.of in (*plant.entities("line"), plant.site.id)
        group = subject(plant, [asked.of] if single else cells_of(plant, asked.of, "--of"))
        names = list(
            dict.fromkeys([asked.energy or group.default_energy, *(asked.drivers or ["metal_day"])])
        )
        checked_names(group.scope, names)
        unit = {f.name: f.unit for f in figures()[group.scope]}
        of = group.entities
        with kept(path) as opened:
            tables = [days(plant, opened.history, group, names, *span) for span in spans]
    _tell(_document(of, unit, names, tables), as_json)


def _document(
    of: tuple[str, ...], unit: Mapping[str, str], names: list[str], tables: list[Days]
) -> dict[str, Any]:
    past, later = tables[0], tables[1] if len(tables) > 1 else None
    try:
        drivers = {name: past.columns[name] for name in names[1:]}
        line = fit_baseline((names[0], past.columns[names[0]]), drivers, past.static)
        if later is None:
            return baseline_document(of, unit, line, None, past.ends)
        drivers = {name: later.columns[name] for name in names[1:]}
        saved = savings(line, later.columns[names[0]], drivers, later.static)
        return baseline_document(of, unit, line, saved, later.ends)
    except ValueError as error:
        raise Failure(FOUND, f"no baseline: {error}") from None


def read_days(path: Path, names: list[str], zone: ZoneInfo) -> Days:
    """A CSV with a column `day` (a date or time in the site's zone) and one for each name; an
    empty value is a gap. Raises Failure."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"day", *names} - set(reader.fieldnames or ())
            if missing:
                raise Failure(INVALID, f"{path}: there is no column '{sorted(missing)[0]}'")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Failure(INVALID, f"{path}: {error}") from None
    columns = {name: np.full(len(rows), np.nan) for name in names}
    ends = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        ends[i] = parse_time(row["day"], zone) + DAY_NS
        for name in names:
            text = (row[name] or "").strip()
            try:
                columns[name][i] = float(text) if text else np.nan
            except ValueError:
                raise Failure(
                    INVALID, f"{path}: line {i + 2}: {name} = '{text}' is not a number"
                ) from None
    order = np.argsort(ends, kind="stable")
    return Days(ends[order], {name: values[order] for name, values in columns.items()}, {})


def _between(table: Days, start: int, end: int) -> Days:
    """The days that lie in [start, end)."""
    kept_rows = (table.ends > start) & (table.ends <= end)
    columns = {name: values[kept_rows] for name, values in table.columns.items()}
    return Days(table.ends[kept_rows], columns, {})


def _tell(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    print_rows(
        f"{document['energy']} [{document['unit']}] of {', '.join(document['of'])}",
        ("term", "coefficient", "standard error", "adjusted for autocorrelation", "p"),
        [
            (
                r["name"],
                r["coefficient"],
                r["standard_error"],
                r["adjusted_standard_error"],
                r["p_value"],
            )
            for r in document["terms"]
        ],
    )
    statistics = ("days", "days_left_out", "r2", "cv_rmse", "durbin_watson", "autocorrelation")
    print_rows("", ("statistic", "value"), [(name, document[name]) for name in statistics])
    if saved := document["savings"]:
        text = f"{saved['total']:.5g} ± {saved['uncertainty_95']:.2g} {document['unit']} (95 %)"
        print_rows("savings = predicted − actual", ("what", "value"), [
            ("savings", f"{text}, {saved['percent']:.2f} %, in {saved['days']} days"),
            ("± by ASHRAE 14", f"{saved['ashrae_uncertainty_95']:.2g}"),
            ("significant at 95 %", "yes" if saved["significant"] else "no"),
            ("lasting change since, by CUSUM", saved["change"] or "none"),
        ])  # fmt: skip
    if document["notes"]:
        print_rows("", ("note",), [(note,) for note in document["notes"]])
