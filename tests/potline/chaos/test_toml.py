"""A document written as TOML reads back the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potline.chaos.toml import dumps

PLANTS = sorted((Path(__file__).parents[3] / "deploy" / "plants").glob("*.toml"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.dates(),
    st.datetimes(),
    texts,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8
)
tables = st.dictionaries(texts, values, max_size=4)
documents = st.dictionaries(texts, tables | st.lists(tables, min_size=1, max_size=3), max_size=4)


@given(documents)
def test_any_document(document):
    assert tomllib.loads(dumps(document)) == document


@pytest.mark.parametrize("plant", PLANTS, ids=lambda path: path.stem)
def test_the_plants_that_are_shipped(plant):
    document = tomllib.loads(plant.read_text("utf-8"))
    assert tomllib.loads(dumps(document)) == document
