"""pydantic's findings in the plant file's own words, each with its remedy."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from plant.problems import Key
from plant.schema.base import Row
from plant.suggest import closest, did_you_mean

_SECRET = re.compile(r"pass(word|wd|phrase)?$|token$|secret|api_?key", re.IGNORECASE)

_WORDS = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "has the wrong form",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}


def validate(model: type[Row], data: object) -> tuple[Any, list[tuple[Key, str]]]:
    """(row, []) or (None, [(key within the row, what is wrong and the remedy)])."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        found = error.errors(include_url=False)
    misspelt = {
        (*e["loc"][:-1], closest(str(e["loc"][-1]), _field(model, e["loc"])[0].model_fields))
        for e in found
        if e["type"] == "extra_forbidden"
    }
    return None, [
        _in_words(model, e) for e in found if not (e["type"] == "missing" and e["loc"] in misspelt)
    ]


def _in_words(model: type[Row], error: ErrorDetails) -> tuple[Key, str]:
    key: Key = tuple(part for part in error["loc"] if part not in ("<one>", "<table>", "[key]"))
    if not key:
        return key, "must be a table; write its keys under a header of its own"
    owner, field = _field(model, key)
    name, given = str(key[-1]), error["input"]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        if _SECRET.search(name):
            return key, (
                "a secret must not stand in the plant file; put it into a file or the environment "
                f'and write {name}_file = "…" or {name}_env = "…"'
            )
        return key, f"unknown key; {did_you_mean(name, owner.model_fields, show=20)}"
    if kind == "missing":
        return key, f"missing; {_remedy(name, field)}"
    if kind == "value_error":
        return key, str(context["error"])
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return key, f"unknown value {_shown(given)}; {did_you_mean(str(given), choices)}"
    if name == "url" and "@" in str(given):
        return key, "must not hold a user and password; write username and password_file instead"
    words = _WORDS.get(kind, error["msg"]).format(**context)
    instead = f"{words}, not {_shown(given)}" if given or given == 0 else words
    return key, f"{instead}; {_remedy(str(key[0]), field)}"


def _field(model: type[Row], key: Key) -> tuple[type[Row], FieldInfo | None]:
    """The model that holds the key, and the key's field in it."""
    field = model.model_fields.get(str(key[0]))
    if field and len(key) > 1 and isinstance(field.annotation, type):
        inner = field.annotation
        if issubclass(inner, Row):
            return _field(inner, key[1:])
    return model, field


def _remedy(name: str, field: FieldInfo | None) -> str:
    if field and field.examples:
        return f"write {name} = {_toml(field.examples[0])}"
    if field and field.default not in (None, ""):
        return f"write {name} = {_toml(field.default)}, or leave it out"
    return f"correct it or leave {name} out"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False, default=str)


def _shown(value: object) -> str:
    text = _toml(value)
    return text if len(text) <= 60 else text[:59] + "…"
