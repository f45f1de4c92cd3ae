"""`potline doctor`: what may go wrong with this plant on this machine, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from potline.doctor import certificates, kept, machine, plant_file, reach
from potline.doctor.finding import Finding
from potline.exits import FOUND, UNREACHABLE, Failure
from potline.logs import configure
from potline.plants import load_plant
from potline.remote import plain
from potline.tables import print_json

COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def examine_plant(path: Path, as_json: bool) -> None:
    """Status FOUND when anything fails, UNREACHABLE when that is only a server out of reach."""
    configure(logging.CRITICAL)
    plant = load_plant(path)
    found: list[Finding] = []
    for part in (machine, kept, certificates, plant_file, reach):
        for finding in part.examine(plant):
            found.append(finding)
            if not as_json:
                show(finding)
    failed = [finding for finding in found if finding.state == "fail"]
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in found]})
    else:
        typer.echo(_sum(found))
    if failed:
        raise Failure(UNREACHABLE if all(f.unreachable for f in failed) else FOUND)


def show(finding: Finding) -> None:
    state = typer.style(f"{finding.state:5}", fg=COLOURS[finding.state])
    typer.echo(f"{state} {finding.area} {finding.subject}: {plain(finding.found)}")
    if finding.remedy:
        typer.echo(f"      -> {finding.remedy}")


def _sum(found: Sequence[Finding]) -> str:
    counts = {state: sum(f.state == state for f in found) for state in COLOURS}
    return f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"
