"""Where a script's tables stand in a page of the docs."""

from __future__ import annotations

import re
from pathlib import Path


def put(page: Path, script: str, text: str) -> None:
    """Write what `python -m benchmarks.<script> --write` made between its two marks in the page.
    ValueError for a page without them."""
    first = f"<!-- made by python -m benchmarks.{script} --write -->"
    last = f"<!-- end of {script} -->"
    marked = re.compile(f"(?<={re.escape(first)}\n).*(?={re.escape(last)})", re.DOTALL)
    now, count = marked.subn(lambda _: f"\n{text}\n\n", page.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{page} has no lines {first} and {last}; write them where tables belong")
    page.write_text(now, "utf-8")
