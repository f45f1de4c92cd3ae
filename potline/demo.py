"""`potline demo`: broker, simulated plant, collector and page, with nothing to install."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import typer

from potline.exits import FOUND, INVALID, Failure
from potline.plants import load_plant
from potline.running import demo_plant_file, print_summary, start, until_stopped, wait_any

MARK = ".potline-demo"


def run_demo(seconds: float | None, port: int, seed: int, folder: Path) -> None:
    from potline.logs import configure

    configure(logging.ERROR)  # what comes and goes is on the page
    start(_demo(seconds, port, seed, folder))


async def _demo(seconds: float | None, port: int, seed: int, folder: Path) -> None:
    from potline.stack import Stack

    clear(folder)
    plant_file = write_plant(folder)
    plant = load_plant(plant_file)
    typer.echo("starting: broker, simulated plant, collector, page")
    async with (
        until_stopped(None) as stop,
        broker(plant_file),
        simulator(plant_file, seed) as plant_process,
    ):
        with contextlib.closing(Stack(plant)) as stack:
            async with stack.running("127.0.0.1", port) as address:
                typer.echo(f"potline demo: {address}  (Ctrl-C ends it)")
                if seconds is not None:
                    asyncio.get_running_loop().call_later(seconds, stop.set)
                await wait_any(stop, plant_process)
            print_summary(stack.summary())


def clear(folder: Path) -> None:
    """Begin with an empty folder; only one that a demo made is ever emptied."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise Failure(
                INVALID, f"{folder} is not empty and not a demo's: name another with --folder"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def write_plant(folder: Path) -> Path:
    """The demo's plant file with ports that are free here, for the other commands to use too."""
    text = demo_plant_file().read_text(encoding="utf-8")
    for port in sorted(set(re.findall(r"\b(?:4840\d|1883\d)\b", text))):
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    text = text.replace('path = "var/demo"', f"path = {str(folder)!r}")
    plant_file = folder / "plant.toml"
    plant_file.write_text(text, encoding="utf-8")
    return plant_file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def broker(plant_file: Path) -> AsyncIterator[None]:
    """An MQTT broker on the plant's port, in this process."""
    from amqtt.broker import Broker

    plant = load_plant(plant_file)
    port = next(s.options["port"] for s in plant.sources if s.kind == "mqtt")
    server = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}},
        }
    )
    await server.start()
    try:
        yield
    finally:
        await server.shutdown()


@contextlib.asynccontextmanager
async def simulator(plant_file: Path, seed: int) -> AsyncIterator[asyncio.Task[None]]:
    """The simulated plant, in a process of its own as a real plant is."""
    scenario = demo_plant_file().parent.parent / "scenarios" / "demo.toml"
    log = plant_file.with_name("simulator.log")
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "potline",
            "simulate",
            os.fspath(plant_file),
            f"--seed={seed}",
            f"--scenario={scenario}",
            "--until-eof",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=sink,
            start_new_session=True,  # Ctrl-C reaches the demo, which stops the plant last
        )

    async def watch() -> None:
        status = await process.wait()
        raise Failure(FOUND, f"the simulated plant ended with status {status}: see {log}")

    watcher = asyncio.create_task(watch())
    try:
        yield watcher
    finally:
        watcher.cancel()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
