"""Every figure's example: by hand, through the real calls, and by the formula that it names."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analytics.formula import evaluate, formula
from analytics.table.examples import example_plant, examples, table, value_of
from plant.units import conversion

EVERY = list(examples().values())
BY_HAND = {"sqrt": math.sqrt, "ln": math.log, "__builtins__": {}}


def name(example):
    return f"{example.scope}-{example.variant}"


def digits(written):
    """Half of the last digit written."""
    return 0.5 * 10.0 ** -len(written.partition(".")[2]) * (1 + 1e-6)


def test_every_figure_has_an_example_and_every_example_a_figure():
    assert {(scope, variant) for scope in table() for variant in table()[scope]} == set(examples())


@pytest.mark.parametrize("example", EVERY, ids=name)
def test_the_code_gives_what_the_example_says(example):
    assert abs(value_of(example) - float(example.value)) <= digits(example.value)


@pytest.mark.parametrize("example", EVERY, ids=name)
def test_the_arithmetic_gives_it_too(example):
    by_hand = eval(example.by_hand, BY_HAND)
    assert abs(by_hand - float(example.value)) <= digits(example.value)


@pytest.mark.parametrize("example", [e for e in EVERY if e.formula], ids=name)
def test_and_the_formula_by_its_name(example):
    called, *pairs = example.formula.split()
    given = dict(pair.split("=") for pair in pairs)
    found = evaluate(called, given, example_plant().factors).results
    result = example.result or next(iter(found))
    unit = next(r.unit for r in formula(called).results if r.name == result)
    row = table()[example.scope][example.variant][0]
    value = found[result] * conversion(unit, row.unit)[0]
    assert abs(value - float(example.value)) <= digits(example.value)


def test_an_example_is_of_one_of_the_figures_windows():
    for example in EVERY:
        rows = table()[example.scope][example.variant]
        assert example.figure in [row.name for row in rows], example


@pytest.mark.parametrize(
    ("scope", "base", "adds_up"),
    [
        *(("cell", name, False) for name in ("voltage", "dc_specific_energy", "heat_loss")),
        *(("cell", name, True) for name in ("energy", "charge", "metal")),
        ("line", "ac_specific_energy", False),
        ("line", "ac_energy", True),
        ("boiler", "efficiency", False),
        ("boiler", "fuel_co2", True),
        ("site", "scope2_intensity", False),
        ("site", "cost", True),
    ],
)
def test_a_steady_day_is_alike_in_every_window(scope, base, adds_up):
    example = replace(examples()[scope, f"{base}_{{w}}"], entity=example_plant().entities(scope)[0])
    minutes = {"minute": 1, "hour": 60, "shift": 480, "day": 1440}
    day = value_of(replace(example, figure=f"{base}_day"))
    for window, long in minutes.items():
        part = day * long / 1440 if adds_up else day
        found = value_of(replace(example, figure=f"{base}_{window}"))
        assert found == pytest.approx(part, rel=1e-12), window
