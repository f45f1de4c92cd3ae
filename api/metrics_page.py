"""docs/metrics.md from the table of metrics. `python -m api.metrics_page` writes it."""

from __future__ import annotations

from pathlib import Path

from api.metrics_table import TABLE, Instrument

FILE = Path(__file__).parents[1] / "docs" / "metrics.md"
HEAD = """\
# Metrics

`/metrics` of `potline run` and `potline demo`, in the text format of Prometheus. A number's unit,
or what it counts, is in its name; without either it is 0 or 1. Counters of samples and what is on
record go on over restarts; those that say so count since the start, as do all of links, MQTT,
intake, beats and the process. Labels are sources, reasons, states, never a tag: there are few
series.

This page is made from the table in `api/metrics_table.py`: `python -m api.metrics_page`.
"""


def page() -> str:
    return HEAD + "".join(f"\n## {title}\n\n{_rows(rows)}" for title, rows in TABLE.items())


def _rows(rows: tuple[Instrument, ...]) -> str:
    lines = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    lines += [
        f"| `{row.shown}` | {row.kind} | {', '.join(row.labels)} | {row.help.rstrip('.')} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page(), "utf-8")
