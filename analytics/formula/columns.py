"""Columns of numbers that a formula works on: from a CSV file, or given as a list."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analytics.formula.registry import FormulaError, Given, Key
from analytics.kernel import Floats
from plant.suggest import did_you_mean

FILE = (
    Key("file", "", "CSV file with a header", kind="file", required=False),
    Key("column", "", "column of the file", kind="text", required=False),
)
VALUES = (*FILE, Key("values", "1", "the values, in place of a file", kind="list", required=False))


def read_columns(path: str, names: Sequence[str]) -> list[list[str]]:
    """Columns of a CSV file with a header, as texts. FormulaError where it cannot be read."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = list(rows.fieldnames or ())
            table = list(rows)
    except OSError as error:
        raise FormulaError(f"file = {path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise FormulaError(f"file = {path}: is not CSV in UTF-8; save it so") from None
    for name in names:
        if name not in header:
            raise FormulaError(f"{path} has no column {name}; {did_you_mean(name, header, 20)}")
    if not table:
        raise FormulaError(f"file = {path}: has no rows below the header")
    return [[(row[name] or "").strip() for row in table] for name in names]


def number(text: str, where: str) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise FormulaError(f"{where}: {text} is not a number; leave a gap empty") from None


def numbers(path: str, names: Sequence[str]) -> list[Floats]:
    """Columns of a CSV file as numbers; an empty field is a gap, NaN."""
    return [
        np.array([number(text, f"{path}, {name}, row {i}") for i, text in enumerate(texts, 1)])
        for name, texts in zip(names, read_columns(path, names), strict=True)
    ]


def from_file(given: Given) -> bool:
    """Whether a file is meant and not a list. FormulaError for none or both."""
    if ("file" in given) == ("values" in given):
        raise FormulaError("give file and column, or values")
    if "file" in given and "column" not in given:
        raise FormulaError("column is missing: the name of a column of the file")
    if "values" in given and "column" in given:
        raise FormulaError("column goes with file; leave it out with values")
    return "file" in given
