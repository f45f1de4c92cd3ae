"""The tables of a plant file, each row checked by its model on its own, so that one bad row does
not hide the problems of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from plant.explain import validate
from plant.problems import Problems
from plant.schema import PlantFile
from plant.schema.base import Row
from plant.suggest import did_you_mean

R = TypeVar("R", bound=Row)


class Rows:
    """Reads rows of the raw file; what is wrong goes to `problems`."""

    def __init__(self, raw: Mapping[str, Any], problems: Problems) -> None:
        self.raw = raw
        self.problems = problems
        for key in raw:
            if key not in PlantFile.model_fields:
                hint = did_you_mean(key, PlantFile.model_fields, show=20)
                problems.add((key,), f"unknown table; {hint}")

    def one(self, name: str, model: type[R]) -> R | None:
        """The row of [name]; an empty one when it is not written."""
        required = any(field.is_required() for field in model.model_fields.values())
        if required and name not in self.raw:
            self.problems.add((name,), f"missing; write a [{name}] table")
            return None
        given = self.raw.get(name, {})
        if not isinstance(given, dict):
            self.problems.add((name,), f"must be one table; write it as [{name}]")
            return None
        row: R | None
        row, errors = validate(model, given)
        for key, text in errors:
            self.problems.add((name, *key), text)
        return row

    def list_of(self, name: str) -> list[Any]:
        """The raw rows of [[name]]."""
        rows = self.raw.get(name, [])
        if isinstance(rows, list):
            return rows
        self.problems.add((name,), f"must be a list of tables; write it as [[{name}]]")
        return []

    def all(self, name: str, model: type[R]) -> list[tuple[int, R]]:
        """(index, row) of the good rows of [[name]]; an id is used once."""
        good: list[tuple[int, R]] = []
        ids: set[str] = set()
        for i, raw in enumerate(self.list_of(name)):
            row: R | None
            row, errors = validate(model, raw)
            for key, text in errors:
                self.problems.add((name, i, *key), text)
            if row is None:
                continue
            own = getattr(row, "id", None)
            if own in ids:
                self.problems.add((name, i, "id"), f'id "{own}" is used twice; give each its own')
                continue
            if own is not None:
                ids.add(own)
            good.append((i, row))
        return good

    def ids(self, name: str) -> list[str]:
        """All ids in [[name]], of bad rows too: a reference to one is no new error."""
        return [
            r["id"]
            for r in self.list_of(name)
            if isinstance(r, dict) and isinstance(r.get("id"), str)
        ]
