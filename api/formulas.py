"""GET /api/v1/formulas and what each formula gives by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Request
from pydantic import JsonValue
from starlette.responses import Response

from analytics.formula import FormulaError, UnknownFormula, evaluate, formula, formulas
from analytics.formula.document import answer, describe
from api.context import Context, Ctx
from api.encode import Json
from api.problems import Problem
from api.shapes import Body as Shape

Certainty = Literal["verified", "derived", "unverified"]

routes = APIRouter(prefix="/formulas", tags=["formulas"])


class KeyBody(Shape):
    name: str
    unit: str
    what: str
    kind: Literal["number", "text", "list"]
    required: bool
    default: float | str | None
    low: float | None
    high: float | None
    open_low: bool
    least: float
    open_high: bool
    whole: bool
    choices: list[str]


class ResultBody(Shape):
    name: str
    unit: str
    decimals: int


class ExampleBody(Shape):
    given: dict[str, JsonValue]
    results: dict[str, JsonValue]


class FormulaBody(Shape):
    name: str
    what: str
    what_zh: str
    expression: str
    source: str
    certainty: Certainty
    keys: list[KeyBody]
    results: list[ResultBody]
    example: ExampleBody


class FormulasBody(Shape):
    formulas: list[FormulaBody]


class UsedFactorBody(Shape):
    name: str
    value: float
    unit: str
    source: str
    year: int | None
    certainty: Certainty


class AnswerBody(Shape):
    formula: str
    expression: str
    source: str
    certainty: Certainty
    given: dict[str, JsonValue]
    results: dict[str, JsonValue]
    units: dict[str, str]
    factors: list[UsedFactorBody]
    notes: list[str]


Name = Annotated[str, Path(max_length=64, examples=["dc_specific_energy"])]
Keys = Annotated[
    dict[str, JsonValue],
    Body(
        description="The formula's keys, units in their names",
        examples=[{"voltage_V": 3.95, "current_efficiency": 0.935}],
    ),
]


@routes.get("", response_model=FormulasBody)
def every(context: Ctx) -> Response:
    """All formulas: keys with their units and ranges, results, source, an example."""
    return Json({"formulas": [_described(context, name) for name in formulas()]})


@routes.get("/{name}", response_model=FormulaBody | AnswerBody)
def described_or_computed(context: Ctx, request: Request, name: Name) -> Response:
    """Computes the formula with the keys in the query; without any it describes the formula.

    Factors are those of the plant."""
    given: dict[str, str] = {}
    for key, value in request.query_params.multi_items():
        if key in given:
            raise _invalid(f"{key} is given twice; give it once")
        given[key] = value
    if not given:
        _known(name)
        return Json(_described(context, name))
    return Json(_computed(context, name, given))


@routes.post("/{name}", response_model=AnswerBody)
def computed(context: Ctx, name: Name, given: Keys) -> Response:
    """Computes the formula with the keys in the body. Factors are those of the plant."""
    return Json(_computed(context, name, given))


def _described(context: Context, name: str) -> dict[str, Any]:
    """Without what only the command line takes: a file of the caller's machine."""
    document = describe(formula(name), context.plant.factors)
    return document | {"keys": [key for key in document["keys"] if key["kind"] != "file"]}


def _computed(context: Context, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    _known(name)
    for key in formula(name).keys:
        if key.kind == "file" and key.name in given:
            raise _invalid(f"{name}: {key.name}: the server reads no file; send the values")
    try:
        return answer(evaluate(name, given, context.plant.factors))
    except FormulaError as error:
        raise _invalid(str(error)) from None


def _known(name: str) -> None:
    try:
        formula(name)
    except UnknownFormula as error:
        raise Problem(
            404, "No such formula", str(error), "see /api/v1/formulas for what there is"
        ) from None


def _invalid(detail: str) -> Problem:
    return Problem(
        422,
        "Not a possible value",
        detail,
        "correct the named key; GET the formula without a query for its keys and ranges",
    )
