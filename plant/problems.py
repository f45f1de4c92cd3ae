"""What is wrong with a plant file: collected, located, said in one line each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Key = tuple[str | int, ...]
"""Where in the file: ("line", 0, "technology")."""

SHOWN = 25


class PlantError(Exception):
    """A plant file that cannot be used. `errors`: one line a problem, at most SHOWN and a count."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(self.errors)


class Problems:
    """Collects problems of one plant file and of the files it names."""

    def __init__(self, path: str, text: str, raw: Mapping[str, Any]) -> None:
        self.path = path
        self._raw = raw
        self._lines = key_lines(text)
        self._found: dict[str, tuple[str, int]] = {}
        self._tables: set[str | int] = set()

    def add(self, key: Key, text: str) -> None:
        """A problem at a key of the plant file. The same one twice counts once."""
        self._tables.add(key[0])
        self.add_at(self.path, self._line(key), self._named(key), text)

    def add_at(self, file: str, line: int, key: str, text: str) -> None:
        self._found.setdefault(f"{file}:{line}: {key}: {text}", (file, line))

    def __len__(self) -> int:
        return len(self._found)

    def touch(self, *tables: str) -> bool:
        """Whether one of these tables has a problem, so that what hangs on it is no news."""
        return not self._tables.isdisjoint(tables)

    def raise_any(self) -> None:
        """PlantError with all problems in the order of the file, if there is any."""
        errors = sorted(self._found, key=lambda error: self._found[error])
        if len(errors) > SHOWN:
            errors[SHOWN:] = [f"{self.path}: … and {len(errors) - SHOWN} more; correct these first"]
        if errors:
            raise PlantError(errors)

    def _line(self, key: Key) -> int:
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)

    def _named(self, key: Key) -> str:
        """("line", 0, "technology") -> "line[L1].technology"."""
        name, node = "", self._raw
        for part in key:
            try:
                node = node[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                node = {}
            if isinstance(part, int):
                own = node.get("id") if isinstance(node, dict) else None
                name += f"[{own if isinstance(own, str) else part}]"
            else:
                name += f".{part}" if name else part
        return name


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_QUIET = re.compile(r"""\"(?:\\.|[^"\\])*"|'[^']*'|\#.*""")


def key_lines(text: str) -> dict[Key, int]:
    """Line number of each table and key that begins a line of valid TOML."""
    lines: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if depth == 0:
            if header := _HEADER.match(line):
                table = _table(header[2], header[1] == "[[", counts)
                lines.setdefault(table, number)
                if header[1] == "[[":
                    lines.setdefault(table[:-1], number)
                continue
            if match := _KEY.match(line):
                lines[table + _parts(match[1])] = number
        bare = _QUIET.sub("", line)
        depth += sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip(" \"'") for part in dotted.split("."))


def _table(dotted: str, array: bool, counts: dict[Key, int]) -> Key:
    """The key of a header; a part that names an array of tables means its last one."""
    key: Key = ()
    parts = _parts(dotted)
    for i, part in enumerate(parts):
        key += (part,)
        if array and i == len(parts) - 1:
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            key += (counts[key],)
    return key
