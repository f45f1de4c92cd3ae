"""What an explanation says beside the numbers: doubts, and what an uncertainty leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TypedDict

from analytics.beat.assessment import Scope
from analytics.uncertainty.accuracy import errors
from analytics.uncertainty.budget import Part
from analytics.uncertainty.lineage import members
from plant.model import EntityKind, Factor, Plant

EXACT = ("constant.", "gwp.", "energy.standard_coal")
"""Factors by definition or by a reporting rule: their uncertainty is nobody's question."""
MEASURED: Mapping[str, tuple[tuple[EntityKind, str], ...]] = {
    "voltage": (("cell", "voltage"),),
    "current": (("line", "current"),),
    "rectifiers": (("rectifier", "ac_power"),),
    "auxiliaries": (("meter", "power"),),
    "site_auxiliaries": (("meter", "power"),),
    "dc_sources": (("meter", "power"),),
    "fuel_flow": (("boiler", "fuel_flow"),),
    "steam_flow": (("boiler", "steam_flow"),),
    "steam_state": (
        ("boiler", "steam_pressure"),
        ("boiler", "steam_temperature"),
        ("boiler", "feedwater_temperature"),
    ),
    "line_voltage": (("line", "line_voltage"),),
    "dc_meters": (("rectifier", "dc_power"),),
    "oxygen": (("boiler", "oxygen"),),
    "tapped": (("cell", "metal_tapped"),),
    "alumina_fed": (("cell", "alumina_fed"),),
}
"""Signals whose accuracy makes a cause."""


class Note(TypedDict):
    en: str
    zh: str


def factor_notes(factors: Sequence[Factor], day: str) -> list[Note]:
    """Doubts about the factors that a figure of a day (ISO date) uses."""
    notes: list[Note] = []
    for factor in factors:
        if factor.certainty == "unverified":
            notes.append(
                {
                    "en": f"{factor.name} is unverified: its source is weak",
                    "zh": f"{factor.name} 未经核实：来源不可靠",
                }
            )
        if not applies(factor, day):
            valid = f"{factor.valid_from or '…'} – {factor.valid_to or '…'}"
            notes.append(
                {
                    "en": f"{factor.name} is for {valid}, not for {day}; there is no newer one",
                    "zh": f"{factor.name} 适用期为 {valid}，不含 {day}；暂无更新值",
                }
            )
    return notes


def applies(factor: Factor, day: str) -> bool:
    """Whether a factor is valid on a day."""
    return (factor.valid_from or day) <= day <= (factor.valid_to or day)


def uncertainty_notes(
    plant: Plant, scope: Scope, entity: str, parts: Sequence[Part], factors: Sequence[Factor]
) -> list[Note]:
    """What the uncertainty does not hold, and what keeps it from being known."""
    notes: list[Note] = []
    for part in parts:
        if isnan(part.standard) and (why := _missing(plant, scope, entity, part.cause)):
            notes.append(why)
    silent = [
        f.name for f in factors if isnan(f.uncertainty_percent) and not f.name.startswith(EXACT)
    ]
    if silent:
        names = ", ".join(silent)
        notes.append(
            {
                "en": f"factor uncertainty not included, because none is stated: {names}",
                "zh": f"未计入因子不确定度（未给出）：{names}",
            }
        )
    used = [f for f in factors if not isnan(f.uncertainty_percent)]
    if doubtful := [f.name for f in used if f.uncertainty_certainty == "unverified"]:
        names = ", ".join(doubtful)
        notes.append(
            {
                "en": f"the stated uncertainty is unverified: {names}",
                "zh": f"所给不确定度未经核实：{names}",
            }
        )
    if any(f.name.startswith("gwp.") for f in factors):
        notes.append(
            {
                "en": "global warming potentials count as prescribed, without uncertainty",
                "zh": "全球变暖潜势按规定值计，不计不确定度",
            }
        )
    return notes


def _missing(plant: Plant, scope: Scope, entity: str, cause: str) -> Note | None:
    """Which accuracy is not stated, and where to write it."""
    if cause == "net_carbon":
        return {
            "en": "net_carbon_uncertainty_percent is not stated; write it in [[line]]",
            "zh": "未给出净炭耗不确定度；请在 [[line]] 中填写 net_carbon_uncertainty_percent",
        }
    near = set(members(plant, scope, entity))
    silent = []
    for kind, signal in MEASURED.get(cause, ()):
        stated = errors(plant, kind, signal).bias
        ids = plant.entities(kind)
        silent += [
            f"{own}.{signal}"
            for own, bias in zip(ids, stated, strict=True)
            if own in near and isnan(bias)
        ]
    if not silent:
        return None
    more = f" (+{len(silent) - 1})" if len(silent) > 1 else ""
    return {
        "en": f"accuracy of {silent[0]}{more} is not stated; write accuracy or accuracy_percent "
        "in its [[tags]]",
        "zh": f"{silent[0]}{more} 未给出准确度；请在 [[tags]] 中填写 accuracy 或 accuracy_percent",
    }
