"""A plant file written back: tables and arrays of tables at the top, all below them inline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any


def dumps(document: Mapping[str, Any]) -> str:
    """TOML that reads back as the same document."""
    lines = []
    for name, value in document.items():
        many = isinstance(value, list) and all(isinstance(row, dict) for row in value)
        rows = value if many else [value]
        for row in rows:
            lines.append(f"[[{_text(name)}]]" if many else f"[{_text(name)}]")
            lines += [f"{_text(key)} = {_value(inner)}" for key, inner in row.items()]
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(k)} = {_value(v)}' for k, v in value.items())}}}"
    return _text(str(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
