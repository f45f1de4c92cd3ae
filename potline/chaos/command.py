"""`potline chaos`: a storm from its first process to its report."""

from __future__ import annotations

import asyncio
import logging
import shlex
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import typer

from plant.suggest import did_you_mean
from potline.chaos.faults import KINDS
from potline.chaos.judge import judge
from potline.chaos.report import markdown, summary
from potline.chaos.storm import Asked, Storm
from potline.exits import FOUND, INVALID, Failure
from potline.logs import configure
from potline.opening import kept
from potline.running import start
from potline.tables import print_json


def run_chaos(asked: Asked, report: Path | None, keep: bool, as_json: bool) -> None:
    """Run a storm in a folder of its own and judge it. Failure when it does not close."""
    if unknown := [name for name in asked.only if name not in KINDS]:
        raise Failure(INVALID, f"--only {unknown[0]}: {did_you_mean(unknown[0], list(KINDS))}")
    configure(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="potline-chaos-"))

    def say(line: str) -> None:
        typer.echo(f"{time.strftime('%H:%M:%S')} {line}", err=as_json)

    found: dict[str, Any] = {}

    async def run() -> None:
        me = asyncio.current_task()
        assert me is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, me.cancel)
        storm = Storm(asked, folder, say)
        async with storm.weather():
            say("judging what is kept")
            found.update(await asyncio.to_thread(_judged, storm))
            if keep:
                storm.disk.copy_to(folder / "kept-copy")

    try:
        start(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    text = markdown(found)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(text, "utf-8")
    if as_json:
        print_json(found)
    else:
        typer.echo(text)
    if not found["closes"]:
        raise Failure(FOUND, "the storm does NOT close")


def _judged(storm: Storm) -> dict[str, Any]:
    with kept(storm.plant_file) as opened:
        opened.spool.claim()  # what is damaged is mended, as the next start would
        return summary(storm, judge(storm, opened), _command(storm.asked))


def _command(asked: Asked) -> str:
    words = ["potline", "chaos", str(asked.path), "--seconds", f"{asked.seconds:g}", "--faults",
             str(asked.faults), "--seed", str(asked.seed)]  # fmt: skip
    if asked.rate:
        words += ["--rate", f"{asked.rate:g}"]
    for name in asked.only:
        words += ["--only", name]
    return shlex.join(words)
