"""Ranges of cell numbers: "001-012", "001-010,012"."""

from __future__ import annotations

import re

MOST = 10_000
_PART = re.compile(r"(\d+)(?:-(\d+))?")


class RangeError(ValueError):
    """A text that is no range; it says why and what one looks like."""


def cell_numbers(text: str) -> tuple[str, ...]:
    """The numbers of a range, in its order, as written: "008-011,20" -> 008 009 010 011 20."""
    numbers: list[str] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if not match:
            raise RangeError(f'"{text}" is not a range of cells; write one like "001-012,015"')
        first, last = match[1], match[2] or match[1]
        if len(first) != len(last):
            raise RangeError(
                f'"{part.strip()}" has ends of different width; '
                f'write "{first.zfill(len(last))}-{last.zfill(len(first))}"'
            )
        if int(last) < int(first):
            raise RangeError(f'"{part.strip()}" runs backwards; write "{last}-{first}"')
        if len(numbers) + int(last) - int(first) >= MOST:
            raise RangeError(f'"{text}" has more than {MOST} cells; write a smaller range')
        numbers += (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
    if len(set(numbers)) < len(numbers):
        twice = next(n for i, n in enumerate(numbers) if n in numbers[:i])
        raise RangeError(f'"{text}" holds cell {twice} twice; leave one out')
    return tuple(numbers)
