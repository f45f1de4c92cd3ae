"""The table of formulas: every row complete, every example right, every wrong word one line."""

import contextlib
import json
import math
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.formula import (
    Formula,
    FormulaError,
    Key,
    Result,
    UnknownFormula,
    evaluate,
    formula,
    formulas,
)
from analytics.formula.document import answer, describe
from analytics.formula.page import MARKER, formulas_page
from analytics.formula.registry import evaluate_formula
from plant.factors import shipped_factors
from plant.model import Factor

PAGE = Path(__file__).parents[3] / "docs" / "formulas.md"
FACTORS = shipped_factors()
EVERY = [pytest.param(row, id=name) for name, row in formulas().items()]


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("row", EVERY)
def test_a_row_is_complete(row):
    assert re.fullmatch(r"[a-z][a-z0-9_]+", row.name)
    for text in (row.what, row.expression, row.source):
        assert len(text) > 3
    assert re.search(r"[一-龥]", row.what_zh)
    assert row.certainty in ("verified", "derived", "unverified")
    names = [key.name for key in row.keys]
    assert len(names) == len(set(names))
    assert set(row.example) <= set(names)
    assert row.expected
    assert set(row.expected) <= {result.name for result in row.results}
    for key in row.keys:
        assert key.what
        assert key.low < key.high
        assert not (key.family and not key.options(FACTORS))
        if key.default is not None and key.options(FACTORS):
            assert key.default in key.options(FACTORS)


@pytest.mark.parametrize("row", EVERY)
def test_its_example_is_right_to_the_last_digit_written(row):
    found = evaluate(row.name, row.example, FACTORS)
    for name, expected in row.expected.items():
        unit_of_last_digit = Decimal(1).scaleb(Decimal(repr(expected)).as_tuple().exponent)
        assert found.results[name] == pytest.approx(
            expected, rel=0, abs=float(unit_of_last_digit) * 0.5000001
        )
    assert all(math.isfinite(number) for number in numbers(found.results))
    for factor in found.factors:
        assert factor.source
    json.dumps(answer(found), allow_nan=False)
    json.dumps(describe(row, FACTORS), allow_nan=False)


@pytest.mark.parametrize("row", EVERY)
def test_what_is_wrong_is_one_line(row):
    wrong = [{**row.example, "nonsense_kg": 1}]
    for key in row.keys:
        if key.kind == "number" and not key.text and key.name in row.example:
            wrong += [{**row.example, key.name: bad} for bad in ("12,5", "nan", "inf", True, None)]
            if key.high < math.inf:
                wrong.append({**row.example, key.name: key.high * 2 + 1})
            if key.low > -math.inf:
                wrong.append({**row.example, key.name: key.low - 1})
    for asked in wrong:
        with pytest.raises(FormulaError) as error:
            evaluate(row.name, asked, FACTORS)
        assert str(error.value).startswith(f"{row.name}: ")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("row", EVERY)
def test_a_required_key_is_missed_by_name(row):
    for key in row.keys:
        if key.required and key.default is None:
            rest = {k: v for k, v in row.example.items() if k != key.name}
            with pytest.raises(FormulaError, match=f"{key.name} is missing"):
                evaluate(row.name, rest, FACTORS)


VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.text(max_size=4),
    st.booleans(),
    st.none(),
    st.sampled_from(["", "-", "1e999", "1_000", "0x1", "１２", " 1", "1 ", "5e-324", "-0"]),
    st.lists(st.floats(), max_size=3),
)


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data(), row=st.sampled_from(list(formulas().values())))
def test_nothing_given_makes_a_number_that_is_none(data, row):
    """Whatever is given, there are finite results or one line of error."""
    words = [key for key in row.keys if key.kind != "file"]
    asked = dict(row.example)
    for key in data.draw(st.lists(st.sampled_from(words), max_size=4)):
        in_range = st.floats(max(key.low, -1e300), min(key.high, 1e300))
        asked[key.name] = data.draw(VALUES | in_range)
    with contextlib.suppress(FormulaError):
        found = evaluate(row.name, asked, FACTORS)
        assert all(math.isfinite(number) for number in numbers(found.results))
        json.dumps(answer(found), allow_nan=False)


def row_of(*keys, compute=lambda given: {"out": given["x"]}):
    return Formula(
        "test", "a test", "测试", "out = x", "here", "derived", keys, (Result("out", "t", 1),),
        compute, {}, {},
    )  # fmt: skip


def said(row, given, factors=FACTORS):
    with pytest.raises(FormulaError) as error:
        evaluate_formula(row, given, factors)
    return str(error.value)


X = Key("x", "t", "a mass", low=0)


def test_names_near_the_right_one():
    with pytest.raises(UnknownFormula, match='did you mean "dc_specific_energy"'):
        formula("dc_specific_enrgy")
    assert said(row_of(X), {"X": 1, "x": 1}).endswith('no key X; did you mean "x"?')
    voltage = row_of(Key("voltage_V", "V", ""), Key("current_kA", "kA", ""))
    hint = 'did you mean "voltage_V"? mind the unit: it is in V'
    assert said(voltage, {"voltage_mV": 1}).endswith(hint)
    assert said(voltage, {"VOLTAGE_V": 1}).endswith('did you mean "voltage_V"?')


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("12,5", "write 12.5: the decimal sign is a point"),
        ("13 570", "write 13570: nothing groups the digits"),
        ("13\u2009570", "write 13570: nothing groups the digits"),
        ("13,570.5", "write 13570.5: nothing groups the digits"),
        ("3.95t", "without a unit: it is in t"),
        ("", "without a unit"),
        ("nan", "not a number"),
        ("１２", "not a number"),
        (True, "not a number"),
        (None, "not a number"),
        ([1], "not a number"),
        (float("nan"), "must be a finite number"),
        ("1e999", "must be a finite number"),
        (10**400, "must be a finite number"),
        (-1e-9, "must be at least 0 t"),
    ],
)
def test_a_number_is_a_finite_one_within_its_range(value, remedy):
    assert remedy in said(row_of(X), {"x": value})


def test_numbers_as_they_are_written():
    for text in ("12.5", "1.25e1", "+12.5", "12.50", ".125E+2", "1250e-2"):
        assert evaluate_formula(row_of(X), {"x": text}, {}).results == {"out": 12.5}
    zero = evaluate_formula(row_of(X), {"x": "-0.0"}, {}).results["out"]
    assert math.copysign(1, zero) == 1


def test_a_result_that_is_not_finite_is_an_error():
    for bad in (math.inf, math.nan, [1.0, math.nan], {"a": math.inf}):
        assert "no finite value" in said(
            row_of(X, compute=lambda _, bad=bad: {"out": bad}), {"x": 1}
        )
    divided = row_of(X, compute=lambda given: {"out": 1 / given["x"]})
    assert said(divided, {"x": 0}) == "test: no finite result of these values"


def test_lists_words_and_whole_numbers():
    series = row_of(Key("x", "t", "masses", low=0, kind="list"))
    assert evaluate_formula(series, {"x": "1, 2.5,3"}, {}).results["out"] == [1, 2.5, 3]
    assert "x, number 2 = -1: must be at least 0" in said(series, {"x": [1, -1]})
    assert "x, number 3 = nan: not a number" in said(series, {"x": "1,2,nan"})
    assert "numbers with commas" in said(series, {"x": []})
    word = row_of(Key("x", "", "a word", choices=("one", "two")))
    assert "use one of one, two" in said(word, {"x": "three"})
    assert "write a word" in said(word, {"x": 1})
    assert "must be a whole number" in said(row_of(Key("x", "1", "", whole=True)), {"x": 1.5})


def test_factors_are_named_once_with_their_doubt():
    def compute(given):
        return {"out": given.factor("a.b") + given.factor("a.b")}

    doubtful = Factor("a.b", 2.0, "t", "a source", 2020, "", "", "unverified")
    found = evaluate_formula(row_of(compute=compute), {}, {"a.b": doubtful})
    assert found.results == {"out": 4}
    assert found.factors == [doubtful]
    assert found.notes == ["unverified: a.b could not be confirmed at the source"]
    assert said(row_of(compute=compute), {}, {}).startswith("test: there is no factor a.b; ")


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("standard_coal", "energy_MWh", 'did you mean "energy_kWh"? mind the unit: it is in kWh'),
        ("pfc_duct", "cf4_kg", 'did you mean "cf4_t"? mind the unit: it is in t'),
        ("pfc_overvoltage", "aeo_V", 'did you mean "aeo_mV"? mind the unit: it is in mV'),
        ("liquidus", "alf3_percent", 'did you mean "alf3"?'),
    ],
)
def test_a_near_key_in_another_unit_says_its_unit(name, wrong, says):
    assert said(formula(name), {wrong: 1}).endswith(says)


SHARE = Key("x", "1", "", low=0, high=1, least=0.5)
PERCENT = Key("x", "%", "", low=0, high=20, least=0.05)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (SHARE, 93.5, " is a percentage; write 0.935"),
        (SHARE, 1.5, ": must be at least 0 and at most 1"),
        (PERCENT, 0.02, " is a fraction; write 2"),
        (PERCENT, 0.0001, ": must be 0 or at least 0.05 and at most 20 %"),
        (PERCENT, -1, ": must be 0 or at least 0.05 and at most 20 %"),
        (Key("x", "%", "", low=50, high=100), 0.95, " is a fraction; write 95"),
        (Key("x", "%", "", low=50, high=100), 0.3, ": must be at least 50 and at most 100 %"),
        (Key("x", "%", "", low=50, high=100), 1, ": must be at least 50 and at most 100 %"),
    ],
)
def test_what_was_meant_is_named_only_where_it_can_be(key, value, says):
    assert said(row_of(key), {"x": value}) == f"test: x = {value}{says}"


def test_what_may_be_none_may_be_0():
    for key, value in ((PERCENT, 0), (PERCENT, 0.05), (SHARE, 0.1)):
        assert evaluate_formula(row_of(key), {"x": value}, {}).results == {"out": value}


def test_choices_are_what_the_plant_has():
    own = Factor("gwp.house.CF4", 1.0, "1", "ours", 2026, "", "", "derived")
    gwp = next(key for key in formula("pfc_slope").keys if key.name == "gwp")
    assert gwp.options(FACTORS) == ("SAR", "AR4", "AR5", "AR6")
    assert gwp.options({**FACTORS, own.name: own})[-1] == "house"


def test_the_page_is_the_table():
    page = PAGE.read_text(encoding="utf-8")
    assert page.partition(MARKER)[2].strip() == formulas_page().strip()
