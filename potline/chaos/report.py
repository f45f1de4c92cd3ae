"""The report of a storm: Markdown for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from potline.chaos.judge import Verdict
from potline.chaos.storm import Done, Storm

GOAL_S = 3.0


def summary(storm: Storm, verdict: Verdict, command: str) -> dict[str, Any]:
    """All that the report tells, for JSON."""
    first, last = storm.judged
    return {
        "closes": verdict.closes,
        "command": command,
        "seed": storm.asked.seed,
        "plant": {
            "file": storm.asked.path.name, "tags": len(storm.plant.tags),
            "sources": len(storm.plant.sources), "store": storm.plant.store.kind,
        },
        "seconds": (last - first) / 1e9,
        "faults": len(storm.done),
        "kinds": len({done.planned.kind.name for done in storm.done}),
        "told": verdict.told,
        "kept": verdict.kept,
        "stored_in_all": verdict.stored_in_all,
        "duplicates": verdict.duplicates,
        "wrong": verdict.wrong,
        "unexplained": verdict.unexplained,
        "missing": _shown(verdict.missing),
        "kept_otherwise": _shown(verdict.kept_otherwise),
        "gaps": _shown(verdict.gaps),
        "ledger": verdict.ledger,
        "recovery_s": {
            "sources": _spread(_recoveries(storm.done, own=False)),
            "collector": _spread(_recoveries(storm.done, own=True)),
            "not_recovered": sum(len(d.interrupted) - len(d.recovered_s) for d in storm.done),
        },
        "frozen": _found(storm),
        "by_kind": _by_kind(storm.done),
        "failed_faults": [f"{d.planned.kind.name}{d.error}" for d in storm.done if d.error],
        "ended_by_themselves": storm.own_ends,
        "disk": storm.disk.manner,
        "machine": machine(),
        "examples": [
            {"tag": tag, "time": _iso(at), "what": what} for tag, at, what in verdict.examples
        ],
    }  # fmt: skip


def markdown(report: dict[str, Any]) -> str:
    verdict = "closes" if report["closes"] else "does NOT close"
    lines = [
        "# A storm",
        "",
        f"Made by `{report['command']}`; [chaos.md](chaos.md) says how it works.",
        "",
        f"**The storm {verdict}.** {report['told']:,} samples told in {report['seconds']:.0f} s by "
        f"{report['plant']['tags']:,} tags of `{report['plant']['file']}` "
        f"({report['plant']['sources']} sources, {report['plant']['store']} store), "
        f"{report['faults']} faults of {report['kinds']} kinds, seed {report['seed']}.",
        "",
        f"Machine: {report['machine']}. Full disk by: {report['disk']}.",
        "",
        "## What became of every sample",
        "",
        *_table(
            ("what the plant told", "samples"),
            [
                ("told", report["told"]),
                *((f"not kept, {why}", n) for why, n in report["missing"].items()),
                ("not kept, unexplained", report["unexplained"]),
            ],
        ),
        *_table(
            ("what is kept", "samples"),
            [
                ("of the judged span", report["kept"]),
                *((f"of them {why}", n) for why, n in report["kept_otherwise"].items()),
                ("of them wrong", report["wrong"]),
                ("of them twice", report["duplicates"]),
                ("in all, as the store counts", report["stored_in_all"]),
            ],
        ),
        "## Ledger",
        "",
        *_table(
            (
                "source", "received", "stored", "spooled", "rejected", "difference",
                "in the store though damaged here", "store's own count less these",
            ),
            [
                (
                    row["source"], row["received"], row["stored"], row["spooled"],
                    "; ".join(f"{n:,} {why}" for why, n in sorted(row["rejected"].items())) or 0,
                    row["difference"], row["in_store_though_damaged"], row["store_difference"],
                )
                for row in report["ledger"]
            ],
        ),
        *_table(("gaps on record", "rows"), list(report["gaps"].items())),
        "## Recovery",
        "",
        "Seconds from the end of a fault until samples of each source that it had interrupted came "
        f"again; the goal is {GOAL_S:g} s for 95 % of the sources that came back. After the "
        "collector itself was down it counts from when its API answers.",
        "",
        *_table(
            ("what came back", "times", "p50 s", "p95 s", "longest s"),
            [
                (name, spread["count"], spread["p50"], spread["p95"], spread["max"])
                for name, spread in (
                    ("a source", report["recovery_s"]["sources"]),
                    ("the collector", report["recovery_s"]["collector"]),
                )
            ],
        ),
        f"Not recovered within 40 s: {report['recovery_s']['not_recovered']}.",
        "",
        "## Silent servers",
        "",
        f"Found within twice the interval (and {report['frozen']['allowed_s']:g} s of asking): "
        f"{report['frozen']['in_time']} of {report['frozen']['count']}; the longest took "
        f"{report['frozen']['longest_intervals']} intervals.",
        "",
        "## Faults",
        "",
        *_table(
            ("kind", "what", "times", "interrupted sources", "recovery p50 s", "longest s"),
            [
                (
                    f"`{kind}`", row["what"], row["times"], row["interrupted"],
                    row["recovery_s"]["p50"], row["recovery_s"]["max"],
                )
                for kind, row in report["by_kind"].items()
            ],
        ),
    ]  # fmt: skip
    if report["ended_by_themselves"]:
        ends = "; ".join(report["ended_by_themselves"])
        lines += [f"Processes that ended by themselves, and were started again: {ends}.", ""]
    if report["failed_faults"]:
        lines += [f"Faults that failed: {'; '.join(report['failed_faults'])}.", ""]
    if report["examples"]:
        rows = [(e["tag"], e["time"], e["what"]) for e in report["examples"]]
        lines += ["## Unexplained, for example", "", *_table(("tag", "time", "what"), rows)]
    return "\n".join(lines).rstrip() + "\n"


def machine() -> str:
    names = Path("/proc/cpuinfo").read_text().split("model name")[1:2]
    name = names[0].split("\n")[0].lstrip("\t :") if names else platform.machine()
    memory_GB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{name}, {os.cpu_count()} logical cores, {memory_GB:.0f} GB, Linux "
        f"{platform.release()}, Python {platform.python_version()}, potline {version('potline')}, "
        f"asyncua {version('asyncua')}, {datetime.now(UTC):%Y-%m-%d}"
    )


def _own(done: Done) -> bool:
    """The collector itself was struck."""
    return done.planned.kind.where in ("collector", "disk", "clock")


def _recoveries(faults: Sequence[Done], own: bool) -> list[float]:
    return [s for done in faults if _own(done) == own for s in done.recovered_s.values()]


def _spread(seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        return {"count": 0, "p50": None, "p95": None, "max": None}
    p50, p95 = np.percentile(seconds, [50, 95], method="higher")
    return {"count": len(seconds), "p50": round(float(p50), 2), "p95": round(float(p95), 2),
            "max": round(max(seconds), 2)}  # fmt: skip


def _found(storm: Storm) -> dict[str, Any]:
    allowed_s = 0.2
    rows = [
        (done.found_s, storm.watch.expected_s[done.planned.target])
        for done in storm.done
        if done.found_s is not None
    ]
    in_time = sum(found <= 2 * every + allowed_s for found, every in rows)
    longest = max((found / every for found, every in rows), default=0.0)
    return {
        "count": len(rows),
        "in_time": in_time,
        "allowed_s": allowed_s,
        "longest_intervals": round(longest, 2) if np.isfinite(longest) else None,
    }


def _by_kind(faults: Sequence[Done]) -> dict[str, dict[str, Any]]:
    of: dict[str, list[Done]] = defaultdict(list)
    for done in faults:
        of[done.planned.kind.name].append(done)
    return {
        name: {
            "what": rows[0].planned.kind.what,
            "times": len(rows),
            "interrupted": sum(len(done.interrupted) for done in rows),
            "recovery_s": _spread([s for done in rows for s in done.recovered_s.values()]),
        }
        for name, rows in sorted(of.items())
    }


def _shown(counts: Any) -> dict[str, int]:
    return {name: n for name, n in sorted(counts.items()) if n}


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows),
        "",
    ]


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
