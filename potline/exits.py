"""Exit statuses and the one way to end a command with a clear line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

FOUND: Final = 1  # the command worked and found something wrong: audit open, replay differs
INVALID: Final = 2  # wrong usage, plant file or input
UNREACHABLE: Final = 3  # a needed server is out of reach
INTERRUPTED: Final = 130  # Ctrl-C before the work was done


class Failure(Exception):
    """Ends the command with these lines on standard error and this status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.status = status
        self.lines: Sequence[str] = lines
