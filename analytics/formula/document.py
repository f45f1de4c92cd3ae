"""A formula and its answer as plain objects: what the command line and the API print as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from math import isfinite
from typing import Any

from analytics.formula.registry import Evaluation, Formula, Key
from plant.model import Factor

FACTOR_FIELDS = ("name", "value", "unit", "source", "year", "certainty")


def describe(formula: Formula, factors: Mapping[str, Factor]) -> dict[str, Any]:
    """What a caller has to know: keys with units and ranges, results, source, an example."""
    return {
        "name": formula.name,
        "what": formula.what,
        "what_zh": formula.what_zh,
        "expression": formula.expression,
        "source": formula.source,
        "certainty": formula.certainty,
        "keys": [_key(key, factors) for key in formula.keys],
        "results": [dataclasses.asdict(result) for result in formula.results],
        "example": {"given": dict(formula.example), "results": dict(formula.expected)},
    }


def answer(evaluation: Evaluation) -> dict[str, Any]:
    """Results with their units, what they were made of, and every doubt."""
    formula = evaluation.formula
    return {
        "formula": formula.name,
        "expression": formula.expression,
        "source": formula.source,
        "certainty": formula.certainty,
        "given": evaluation.given,
        "results": evaluation.results,
        "units": {r.name: r.unit for r in formula.results if r.name in evaluation.results},
        "factors": [
            {name: getattr(factor, name) for name in FACTOR_FIELDS} for factor in evaluation.factors
        ],
        "notes": evaluation.notes,
    }


def _key(key: Key, factors: Mapping[str, Factor]) -> dict[str, Any]:
    return {
        "name": key.name,
        "unit": key.unit,
        "what": key.what,
        "kind": "text" if key.text else key.kind,
        "required": key.required and key.default is None,
        "default": key.default,
        "low": key.low if isfinite(key.low) else None,
        "high": key.high if isfinite(key.high) else None,
        "open_low": key.open_low,
        "least": key.least if key.unit == "%" else 0.0,
        "open_high": key.open_high,
        "whole": key.whole,
        "choices": key.options(factors),
    }
