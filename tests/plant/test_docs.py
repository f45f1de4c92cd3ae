"""docs/plant-file.md names every table, key, signal and family of factors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from plant import schema
from plant.factors import shipped_factors, shipped_signals
from plant.schema import PlantFile, Row

DOCS = (Path(__file__).parents[2] / "docs/plant-file.md").read_text("utf-8")
WORDS = set(re.findall(r"[A-Za-z_][\w-]*", DOCS))


def rows(model: type[Row]) -> list[type[Row]]:
    return [model, *(row for inner in model.__subclasses__() for row in rows(inner))]


def test_every_table_and_key() -> None:
    for model in rows(schema.Row):
        missing = model.model_fields.keys() - WORDS
        assert not missing, f"{model.__name__}: {sorted(missing)}"
    for table, field in PlantFile.model_fields.items():
        header = f"[{table}]" if isinstance(field.default, Row) or field.is_required() else table
        assert header in DOCS


def test_every_signal_and_family_of_factors() -> None:
    for signal in shipped_signals().values():
        assert signal.name in WORDS
    for name in shipped_factors():
        family, key = name.split(".")[:2]
        assert family in WORDS
        assert {key, key.removeprefix("CN-")} & WORDS


def test_the_examples_are_toml() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        tomllib.loads(block)
