"""No value anywhere in a plant file, nor a missing one, ends in a bug's traceback."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant import load as loading
from plant.problems import PlantError

Where = tuple[str | int, ...]

PLANT = tomllib.loads(
    (Path(__file__).parents[2] / "deploy/plants/demo.toml").read_text("utf-8")
) | {
    "cell": [{"id": "L1-001", "target_voltage_V": 4}],
    "factor": [{"name": "grid.AE.average.2024", "value": 1, "unit": "t/MWh", "source": "x"}],
    "signal": [{"entity": "cell", "name": "x", "unit": "V", "kind": "gauge", "low": 0, "high": 1}],
}
LEFT_OUT = object()
JUNK = st.sampled_from(
    [
        *(LEFT_OUT, 0, -1, 1.5, 10**30, True, math.nan, math.inf, "", "x", "{", "{x}", "{line}"),
        *([], ["x"], [7], [[]], {}, {"x": "y"}, {"": 1}, [{}]),
    ]
)


def places(node: Any, path: Where = ()) -> Iterator[Where]:
    """Every key and index of nested tables and lists."""
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield (*path, key)
            yield from places(node[key], (*path, key))


PLACES = list(places(PLANT))


def put(node: Any, path: Where, junk: object) -> None:
    """Replaces or removes what is at a path, unless an earlier change took the path away."""
    try:
        for key in path[:-1]:
            node = node[key]
        node[path[-1]]
    except (KeyError, IndexError, TypeError):
        return
    if junk is LEFT_OUT:
        del node[path[-1]]
    elif not isinstance(node, str):
        node[path[-1]] = copy.deepcopy(junk)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
def test_a_plant_or_its_problems(changes: list[tuple[Where, object]]) -> None:
    raw = copy.deepcopy(PLANT)
    for path, junk in changes:
        put(raw, path, junk)
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_read", lambda file: "")
        patch.setattr(loading, "_parse", lambda file, text: raw)
        try:
            plant = loading.load("plant.toml", {})
        except PlantError as error:
            lines = error.errors
        else:
            lines = [tag.id for tag in plant.tags]
            assert len(set(lines)) == len(lines)
    assert not any("\n" in line for line in lines)
