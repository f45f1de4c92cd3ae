"""[[source]]: templates by line expanded, options checked by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plant.explain import validate
from plant.model import Source
from plant.problems import Key, Problems
from plant.schema.sources import SOURCES, SourceRow
from plant.suggest import closest, did_you_mean
from plant.templates import TemplateError, check, placeholders


def read_sources(
    rows: Sequence[object], lines: Sequence[str], site: str, problems: Problems
) -> tuple[Source, ...]:
    """All sources of the file; what is wrong goes to `problems`."""
    sources: dict[str, Source] = {}
    for i, raw in enumerate(rows):
        key: Key = ("source", i)
        if not isinstance(raw, dict):
            problems.add(key, "must be a table; write it as [[source]]")
            continue
        model = SOURCES.get(str(raw.get("kind")))
        if model is None:
            found = f'unknown kind "{raw["kind"]}"' if "kind" in raw else "missing"
            problems.add(
                (*key, "kind"), f"{found}; {did_you_mean(str(raw.get('kind', '')), SOURCES)}"
            )
            continue
        said: set[Key] = set()  # of a template once, not for each line
        for instance in _expand(key, raw, model, lines, site, problems):
            row, errors = validate(model, instance)
            for inner, text in errors:
                if inner not in said:
                    problems.add(key + inner, text)
                said.add(inner)
            if row is None:
                continue
            if row.id in sources:
                hint = "; put {line} into it" if "each" in raw else "; give each its own"
                problems.add((*key, "id"), f'id "{row.id}" is used twice{hint}')
                continue
            options = row.model_dump(exclude={"id", "kind", "stale_after_s"})
            sources[row.id] = Source(row.id, raw["kind"], row.stale_after_s, options)
    return tuple(sources.values())


def _expand(
    key: Key,
    raw: Mapping[str, Any],
    model: type[SourceRow],
    lines: Sequence[str],
    site: str,
    problems: Problems,
) -> list[dict[str, Any]]:
    """One set of options for each line, or the only one."""
    options = {name: value for name, value in raw.items() if name != "each"}
    if "each" not in raw:
        filled = _fill(key, options, {"site": site}, problems, 'or add each = "line"')
        return [filled] if filled else []
    if raw["each"] != "line":
        problems.add((*key, "each"), f'must be "line", not "{raw["each"]}"; write each = "line"')
        return []
    tables = {name: value for name, value in options.items() if isinstance(value, dict)}
    variables = [name for name in tables if name not in model.model_fields]
    used = set().union(*(_names(value) for value in options.values() if isinstance(value, str)))
    good = True
    for name, table in tables.items():
        if name in variables and name not in used:
            near = closest(name, model.model_fields)
            hint = f'did you mean "{near}"?' if near else f"write {{{name}}} where it goes"
            problems.add((*key, name), f"unknown key, and nothing uses {{{name}}}; {hint}")
            good = False
        if problems.touch("line") and set(table) != set(lines):
            return []
        for line in [line for line in table if line not in lines]:
            problems.add((*key, name), f'there is no line "{line}"; {did_you_mean(line, lines)}')
        for line in [line for line in lines if line not in table]:
            problems.add((*key, name), f'no entry for line "{line}"; add {line} = … to the table')
            good = False
    if not good:
        return []
    instances = []
    for line in lines:
        own = {name: tables[name][line] if name in tables else v for name, v in options.items()}
        values = {name: own.pop(name) for name in variables} | {"site": site, "line": line}
        if filled := _fill(key, own, values, problems, "or add a table of that name by line"):
            instances.append(filled)
    return instances


def _names(template: str) -> set[str]:
    try:
        return placeholders(template)
    except TemplateError:
        return set()


def _fill(
    key: Key, options: Mapping[str, Any], values: Mapping[str, Any], problems: Problems, remedy: str
) -> dict[str, Any] | None:
    """Options with their placeholders filled; None when one cannot be."""
    filled = dict(options)
    good = True
    for name, value in options.items():
        if not isinstance(value, str):
            continue
        try:
            check(value, values)
            filled[name] = value.format_map(values)
        except TemplateError as error:
            problems.add((*key, name), f"{error} {remedy}")
            good = False
    return filled if good else None
