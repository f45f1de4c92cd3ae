"""POST /api/v1/what-if: what another set voltage would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from starlette.responses import Response

from analytics.beat.assessment import Scope
from analytics.studies.what_if import LARGEST_MV, Answer, Standing, WhatIfError, what_if
from analytics.table.figures import figures, index
from api.context import Ctx
from api.daily import last_known
from api.encode import Json
from api.lookup import newest_beat
from api.problems import Problem
from api.shapes import Body, FactorBody
from api.times import iso
from plant.batch import SECOND
from plant.model import Plant
from store.history import History

Floats = NDArray[np.float64]

BOOK_NS = 2 * 86400 * SECOND

routes = APIRouter(tags=["what-if"])


class Question(Body):
    """Cells by id, and by how much their set voltage would change."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"cells": ["L1-001", "L1-002"], "change_mV": -10}]},
    )

    cells: list[str] = Field(min_length=1, max_length=5000)
    change_mV: float = Field(ge=-LARGEST_MV, le=LARGEST_MV, allow_inf_nan=False)
    noise_limit_mV: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class CellAnswerBody(Body):
    cell: str
    voltage_V: float | None
    kWh_per_t: float | None
    kWh_per_t_uncertainty: float | None
    dc_MWh_per_a: float | None
    ac_MWh_per_a: float | None
    co2e_location_t_per_a: float | None
    co2e_market_t_per_a: float | None
    cost_per_a: float | None
    distance_mm: float | None
    heat_kW: float | None
    superheat_K: float | None
    break_even_ce_points: float | None
    kWh_per_t_per_ce_point: float | None
    noise_lf_mV: float | None
    warnings: list[str]


class AnswerBody(Body):
    time: str
    change_mV: float
    cells: list[CellAnswerBody]
    kWh_per_t: float | None
    line_kWh_per_t: float | None
    dc_MWh_per_a: float | None
    ac_MWh_per_a: float | None
    co2e_location_t_per_a: float | None
    co2e_market_t_per_a: float | None
    cost_per_a: float | None
    currency: str
    warned: list[str]
    factors: list[FactorBody]
    notes: list[str]


def standing(
    plant: Plant, history: History, moment: int, newest: Callable[[Scope, str], Floats]
) -> Standing:
    """How the plant stands. newest(scope, name): float64[entities] of the beat layer at `moment`;
    superheat is the last of the book in two days."""

    def figure(scope: Scope, name: str) -> Floats:
        if name != "superheat":
            return newest(scope, name)
        cells = plant.entities("cell")
        return last_known(history, scope, name, cells, moment - BOOK_NS, moment + 1)

    return Standing.of(plant, figure)


def answer_document(answer: Answer, moment: int) -> dict[str, Any]:
    """What the API and `potline what-if --json` say; moment: of the figures used, [ns]."""
    document = asdict(answer)
    kept = FactorBody.model_fields
    document["factors"] = [
        {name: value for name, value in row.items() if name in kept} for row in document["factors"]
    ]
    return {"time": iso(moment), **document}


@routes.post("/what-if", response_model=AnswerBody)
def set_voltage(context: Ctx, question: Question) -> Response:
    """The change of kWh/t, MWh, tCO2e and cost a year when the set voltage of these cells changes,
    to first order from the newest beat, with what stands against it: noise, anode effects, and
    what it does to anode-cathode distance, heat and superheat. Nothing is written to a cell."""
    newest = newest_beat(context.live)
    plant = context.plant

    def figure(scope: Scope, name: str) -> Floats:
        if any(row.name == name for row in figures()[scope]):
            values: Floats = newest.figures[scope][index(scope, name)]
            return values
        return np.full(len(plant.entities(scope)), np.nan)

    try:
        answer = what_if(
            plant,
            question.cells,
            question.change_mV,
            standing(plant, context.history, newest.time, figure),
            question.noise_limit_mV,
        )
    except WhatIfError as error:
        raise Problem(
            422, "No answer", str(error), "correct the question; /api/v1/plant has the cells"
        ) from None
    return Json(answer_document(answer, newest.time))
