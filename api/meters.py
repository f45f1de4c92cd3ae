"""GET /api/v1/meters: whether the meters of a range can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from analytics.meters.instruments import Calibration
from api import times
from api.context import Ctx
from api.encode import Json
from api.metering import Metering, metering
from api.shapes import Body
from api.times import End, Start, iso

MOST_DAYS = 7.0

routes = APIRouter(tags=["meters"])


class InstrumentBody(Body):
    id: str
    name: str
    kind: str
    line: str
    parent: str
    level: Literal["", "site", "unit", "equipment"]
    accuracy_class: str
    serial: str
    calibrated: str
    calibration_expires: str
    calibration: Calibration
    days_left: int | None


class CounterEventBody(Body):
    time: str
    what: str
    set_aside_MWh: float


class CounterBody(Body):
    entity: str
    tag: str
    counted_MWh: float | None
    counted_uncertainty_MWh: float | None
    integrated_MWh: float | None
    integrated_uncertainty_MWh: float | None
    difference_percent: float | None
    raw_difference_MWh: float | None
    set_aside_MWh: float | None
    events: list[CounterEventBody]


class FlowBody(Body):
    """raw beside adjusted; uncertainties are standard ones (k = 1)."""

    id: str
    unit: str
    raw: float | None
    uncertainty: float | None
    adjusted: float | None
    adjusted_uncertainty: float | None
    test: float | None
    gross: bool


class BalanceBody(Body):
    name: str
    residual: float | None
    uncertainty: float | None


class GrossBody(Body):
    ids: list[str]
    size: float | None
    test: float
    sentence: str


class ReconciliationBody(Body):
    flows: list[FlowBody]
    balances: list[BalanceBody]
    chi_square: float
    degrees: int
    critical: float | None
    p_value: float | None
    test_limit: float
    gross: list[GrossBody]
    verdict: str


class SuspectBody(Body):
    tag: str
    kind: Literal["stuck", "drifting", "unit"]
    since: str
    sentence: str


class FittingBody(Body):
    line: str
    section: str
    kind: str
    expected: int
    live: int
    good: int
    share: float


class MetersBody(Body):
    start: str
    end: str
    instruments: list[InstrumentBody]
    counters: list[CounterBody]
    reconciliation: ReconciliationBody
    suspects: list[SuspectBody]
    coverage: list[FittingBody]
    missing: list[str]


@routes.get("/meters", response_model=MetersBody)
def meters(context: Ctx, start: Start = None, end: End = None) -> Response:
    """The meter register with its calibrations, counters against integrated power, balances with
    least-squares adjusted values beside the raw ones and gross errors named, suspect tags, and how
    much of the instrumentation is alive. At most seven days."""
    since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
    return Json(document(metering(context.plant, context.history, since, until)))


def document(report: Metering) -> dict[str, Any]:
    """The report as JSON; NaN becomes null."""
    result = report.reconciliation
    return {
        "start": iso(report.start),
        "end": iso(report.end),
        "instruments": [
            {
                "id": row.id, "name": row.name, "kind": row.kind, "line": row.line,
                "parent": row.parent, **asdict(row.register), "calibration": row.calibration,
                "days_left": row.days_left,
            }
            for row in report.register
        ],
        "counters": [
            {
                "entity": row.entity,
                "tag": row.tag,
                "counted_MWh": row.counter.amount.value,
                "counted_uncertainty_MWh": row.counter.amount.uncertainty,
                "integrated_MWh": row.integral.value,
                "integrated_uncertainty_MWh": row.integral.uncertainty,
                "difference_percent": row.difference_percent,
                "raw_difference_MWh": row.counter.raw_difference,
                "set_aside_MWh": row.counter.set_aside,
                "events": [
                    {"time": iso(time), "what": what, "set_aside_MWh": aside}
                    for time, what, aside in row.counter.events
                ],
            }
            for row in report.counters
        ],
        "reconciliation": {
            "flows": [
                {
                    "id": row.id, "unit": row.unit, "raw": row.raw, "uncertainty": row.uncertainty,
                    "adjusted": row.value, "adjusted_uncertainty": row.value_uncertainty,
                    "test": row.test, "gross": row.gross,
                }
                for row in result.flows
            ],
            "balances": [asdict(row) for row in result.balances],
            "chi_square": result.chi_square,
            "degrees": result.degrees,
            "critical": result.critical,
            "p_value": result.p_value,
            "test_limit": result.test_limit,
            "gross": [{**asdict(row), "ids": list(row.ids)} for row in result.gross],
            "verdict": result.verdict,
        },
        "suspects": [{**asdict(row), "since": iso(row.since)} for row in report.suspects],
        "coverage": [{**asdict(row), "share": row.share} for row in report.coverage],
        "missing": report.missing,
    }  # fmt: skip
