"""POST /api/v1/plausibility: claims held against physics and each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field, JsonValue
from starlette.responses import Response

from analytics.meters.claims import Claim, ClaimError
from analytics.meters.plausible import Verdict, judge
from api.context import Ctx
from api.encode import Json
from api.problems import Problem
from api.shapes import Body

routes = APIRouter(tags=["plausibility"])

EXAMPLE: dict[str, JsonValue] = {
    "kind": "saving", "value": 24000, "unit": "tce", "tCO2": 62000, "carrier": "coal",
    "measure": "cooling towers", "period": "2022", "place": "power plant",
}  # fmt: skip


class Claims(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"claims": [EXAMPLE]}]}
    )

    claims: list[Claim] = Field(min_length=1, max_length=1000)


class VerdictBody(Body):
    name: str
    kind: str
    value: float
    unit: str
    plausible: bool
    reasons: list[str] = Field(description="why it falls; empty when it stands")
    checks: list[str] = Field(description="what it was held against and passed")


class VerdictsBody(Body):
    plausible: bool
    verdicts: list[VerdictBody]


@routes.post("/plausibility", response_model=VerdictsBody)
def plausibility(context: Ctx, body: Claims) -> Response:
    """A verdict for each claim, in their order, with the reason where it cannot be true. Nothing is
    kept."""
    try:
        verdicts = judge(body.claims, context.plant.factors)
    except ClaimError as error:
        raise Problem(
            422, "Not a claim that can be judged", str(error), "correct the named claims"
        ) from None
    return Json(document(verdicts))


def document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "plausible": all(v.plausible for v in verdicts),
        "verdicts": [
            {
                "name": v.name, "kind": v.kind, "value": v.value, "unit": v.unit,
                "plausible": v.plausible, "reasons": v.reasons, "checks": v.checks,
            }
            for v in verdicts
        ],
    }  # fmt: skip
