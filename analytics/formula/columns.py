"""Columns of numbers that a formula works on: from a CSV file, or given as a list."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.formula.registry import FormulaError, Given, Key, number, shown
from plant.suggest import did_you_mean

Floats = NDArray[np.float64]

FILE = (
    Key("file", "", "CSV file with a header", kind="file", required=False),
    Key("column", "", "column of the file", kind="text", required=False),
)
VALUES = (*FILE, Key("values", "1", "the values, in place of a file", kind="list", required=False))


def read_columns(path: str, names: Sequence[str]) -> list[list[str]]:
    """Columns of a CSV file with a header, as texts. FormulaError where it cannot be read."""
    header, *rows = _table(path)
    for name in names:
        if name not in header:
            wanted = did_you_mean(name, header, 20)
            raise FormulaError(f"{path} has no column {shown(name)}; {wanted}")
        if header.count(name) > 1:
            raise FormulaError(f"{path} has {header.count(name)} columns {name}; rename the others")
    if not rows:
        raise FormulaError(f"file = {path}: has no rows below the header")
    for i, row in enumerate(rows, 1):
        if any(row[len(header) :]):
            raise FormulaError(
                f"{path}, row {i}: {len(row)} fields below a header of {len(header)};"
                " write decimals with a point, and a text with commas in quotes"
            )
    at = [header.index(name) for name in names]
    return [[row[i] if i < len(row) else "" for row in rows] for i in at]


def _table(path: str) -> list[list[str]]:
    """Header and rows, without what is blank around a field. Between the fields stand commas; where
    the header has none, semicolons or tabs."""
    rows: list[list[str]] = []
    try:
        text = Path(path).read_bytes().decode("utf-8-sig").strip("\r\n")
        header = text.splitlines()[0] if text.strip() else ""
        mark = next((sign for sign in ",;\t" if sign in header), ",")
        rows += csv.reader(StringIO(text, newline=""), delimiter=mark, strict=True)
    except OSError as error:
        raise FormulaError(f"file = {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FormulaError(f"file = {path}: is not CSV in UTF-8; save it so") from None
    except csv.Error as error:
        where = f"row {len(rows)}" if rows else "the header"
        raise FormulaError(f"{path}, {where}: {error}; look for a quote left open") from None
    if not header:
        raise FormulaError(f"file = {path}: is empty; write a header and rows below it")
    fields = [[" ".join(field.split()) for field in row] for row in rows]
    # a blank line is a gap where it can be one: in a file of one column
    return [row for row in fields if row or len(fields[0]) == 1]


def numbers(path: str, names: Sequence[str]) -> list[Floats]:
    """Columns of a CSV file as numbers; an empty field is a gap, NaN. FormulaError where one is not
    a number as the command line takes it, or all are gaps."""
    columns = zip(names, read_columns(path, names), strict=True)
    return [_numbers(path, Key(name, "1", ""), texts) for name, texts in columns]


def _numbers(path: str, key: Key, texts: Sequence[str]) -> Floats:
    if not any(texts):
        raise FormulaError(f"{path}: column {key.name} is empty; choose another")
    values = np.full(len(texts), math.nan)
    for i, text in enumerate(texts):
        try:
            values[i] = number(key, text) if text else math.nan
        except FormulaError as error:
            where = f"{path}, row {i + 1}"
            raise FormulaError(f"{where}: {error} (a gap is an empty field)") from None
    return values


def column_names(given: Given, key: str) -> list[str]:
    """The names in a text "a,b". FormulaError where one is empty or there twice."""
    names = [name.strip() for name in given[key].split(",")]
    if len(set(names)) < len(names) or "" in names:
        raise FormulaError(f"{key} = {shown(given[key])}: write each name once, commas between")
    return names


def from_file(given: Given) -> bool:
    """Whether a file is meant and not a list. FormulaError for none or both."""
    if ("file" in given) == ("values" in given):
        raise FormulaError("give file and column, or values")
    if "file" in given and "column" not in given:
        raise FormulaError("column is missing: the name of a column of the file")
    if "values" in given and "column" in given:
        raise FormulaError("column goes with file; leave it out with values")
    return "file" in given
