"""`potline what-if`: what another set voltage of some cells would do."""

from __future__ import annotations

from pathlib import Path

from analytics.beat.assessment import Scope
from analytics.studies.what_if import Answer, Floats, WhatIfError, what_if
from api.daily import CLOSING_NS, last_known
from api.what_if import answer_document, standing
from potline.exits import FOUND, INVALID, Failure
from potline.opening import kept
from potline.selecting import cells_of
from potline.tables import print_json, print_rows
from potline.times import format_time, parse_time

COLUMNS = ("cell", "voltage_V", "kWh_per_t", "dc_MWh_per_a", "noise_lf_mV")
EACH = ("distance_mm", "heat_kW", "superheat_K", "break_even_ce_points", "kWh_per_t_uncertainty")
TOTALS = {
    "kWh_per_t": "kWh/t, these cells",
    "line_kWh_per_t": "kWh/t, their lines",
    "dc_MWh_per_a": "MWh/a DC",
    "ac_MWh_per_a": "MWh/a AC",
    "co2e_location_t_per_a": "tCO2e/a, location-based",
    "co2e_market_t_per_a": "tCO2e/a, market-based",
    "cost_per_a": "a year, in {currency}",
}


def ask_what_if(
    path: Path,
    cells: str,
    change_mV: float,
    noise_limit_mV: float | None,
    at: str | None,
    as_json: bool,
) -> None:
    with kept(path) as opened:
        plant, history = opened.plant, opened.history
        asked = cells_of(plant, cells, "--cells")
        extent = history.extent()
        if extent is None:
            raise Failure(FOUND, f"{path}: no samples are kept yet")
        moment = min(parse_time(at or "now", plant.site.zone), extent[1] + plant.beat_ns)

        def newest(scope: Scope, name: str) -> Floats:
            return last_known(
                history, scope, name, plant.entities(scope), moment - CLOSING_NS, moment + 1
            )

        try:
            answer = what_if(
                plant, asked, change_mV, standing(plant, history, moment, newest), noise_limit_mV
            )
        except WhatIfError as error:
            raise Failure(INVALID, str(error)) from None
    if as_json:
        print_json(answer_document(answer, moment))
        return
    _print(answer, f"{change_mV:+g} mV at {format_time(moment, plant.site.zone)}")


def _print(answer: Answer, title: str) -> None:
    rows = [
        (*(getattr(row, name) for name in COLUMNS), "; ".join(row.warnings) or "—")
        for row in answer.cells
    ]
    print_rows(title, (*COLUMNS, "against it"), rows)
    spans = [(name, [getattr(row, name) for row in answer.cells]) for name in EACH]
    print_rows(
        "for each cell",
        ("what", "least", "greatest"),
        [(name, min(values), max(values)) for name, values in spans],
    )
    totals = [
        (getattr(answer, name), label.format(currency=answer.currency or "the site's currency"))
        for name, label in TOTALS.items()
    ]
    print_rows("change, negative is less", ("total", "unit"), totals)
    doubtful = [f for f in answer.factors if f.certainty == "unverified"]
    print_rows(
        "unverified factors in it",
        ("name", "value", "unit", "source"),
        [(f.name, f.value, f.unit, f.source) for f in doubtful],
    )
    print_rows("", ("note",), [(note,) for note in answer.notes])
