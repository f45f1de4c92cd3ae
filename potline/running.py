"""`potline run` and `potline simulate`: services that end on Ctrl-C, SIGTERM or after a time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import typer

from plant.model import Plant
from potline.exits import INVALID, Failure
from potline.plants import load_plant


@contextlib.asynccontextmanager
async def until_stopped(seconds: float | None) -> AsyncIterator[asyncio.Event]:
    """An event that is set by SIGINT, SIGTERM or after `seconds`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    timer = loop.call_later(seconds, stop.set) if seconds is not None else None
    try:
        yield stop
    finally:
        if timer:
            timer.cancel()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)


async def wait_any(stop: asyncio.Event, *work: asyncio.Task[Any]) -> None:
    """Until stopped or one of the tasks has ended; a task's exception comes through."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait([waiting, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()
    finally:
        waiting.cancel()


def start(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end. A bug inside a task group comes out as itself."""
    try:
        asyncio.run(main)
    except* Failure as failures:
        raise failures.exceptions[0] from None


def demo_plant_file() -> Path:
    """The demo's plant file, of the source tree or of the installed package."""
    here = Path(__file__).parent
    source = here.parent / "deploy" / "plants" / "demo.toml"
    return source if source.exists() else Path(str(files("potline") / "plants" / "demo.toml"))


def run_plant(path: Path, seconds: float | None, host: str | None, port: int | None) -> None:
    from potline.logs import configure

    plant = load_plant(path)
    configure()
    start(_run(path, plant, seconds, host, port))


@contextlib.contextmanager
def heard(signum: signal.Signals) -> Iterator[asyncio.Event]:
    """An event that is set whenever the signal comes."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signum, event.set)
    try:
        yield event
    finally:
        loop.remove_signal_handler(signum)


async def _run(
    path: Path, plant: Plant, seconds: float | None, host: str | None, port: int | None
) -> None:
    from potline.reload import reload_when_asked
    from potline.stack import Stack
    from potline.systemd import notifying

    with contextlib.closing(Stack(plant)) as stack, heard(signal.SIGHUP) as asked:
        async with until_stopped(seconds) as stop:
            bind_host = host or plant.api.get("host", "127.0.0.1")
            bind_port = plant.api.get("port", 8600) if port is None else port
            async with stack.running(bind_host, bind_port) as address:
                typer.echo(f"potline runs {plant.site.name}: {address}")
                reloads = asyncio.create_task(reload_when_asked(stack, path, asked))
                try:
                    async with notifying(stack):
                        await wait_any(stop, reloads)
                finally:
                    reloads.cancel()
                    await asyncio.wait([reloads])
                typer.echo("stopping: draining the spool")
        print_summary(stack.summary())


def print_summary(summary: Any) -> None:
    typer.echo(
        f"samples: {summary.received} received, {summary.stored} stored, "
        f"{summary.spooled} in the spool, {summary.rejected} rejected"
    )
    typer.echo(
        f"figures: {summary.figures} kept over {summary.beats} beats; "
        f"alarms: {summary.alarms_raised} raised; anode effects: {summary.anode_effects}"
    )


@dataclass(frozen=True, slots=True)
class Server:
    """How the simulated plant is served, and with which values."""

    fast: bool = False
    wave: bool = False
    aligned: bool = False
    certificate: Path | None = None
    private_key: Path | None = None

    def options(self) -> dict[str, Any]:
        """Of `simulators.serve.serve`. Failure when they do not fit together."""
        from simulators.scale.server import Security

        security = None
        if (self.certificate is None) != (self.private_key is None):
            raise Failure(INVALID, "--certificate and --private-key go together; give both")
        if self.certificate is not None and self.private_key is not None:
            if not self.fast:
                raise Failure(INVALID, "--certificate needs the fast server: add --fast")
            for file in (self.certificate, self.private_key):
                if not file.is_file():
                    raise Failure(INVALID, f"{file}: there is no such file")
            security = Security(self.certificate, self.private_key)
        return {"fast": self.fast, "wave": self.wave, "aligned": self.aligned,
                "security": security}  # fmt: skip


def run_simulator(
    path: Path,
    seed: int,
    speed: float,
    since: float,
    scenario: Path | None,
    truth: Path | None,
    control: int | None,
    seconds: float | None,
    sensor_errors: bool,
    until_eof: bool,
    server: Server,
) -> None:
    """until_eof: end when standard input does, so that no plant outlives the demo it belongs to."""
    from potline.logs import configure

    plant = load_plant(path)
    configure()
    start(
        _simulate(
            plant, seed, speed, since, scenario, truth, control, seconds, sensor_errors, until_eof,
            server,
        )
    )  # fmt: skip


async def _simulate(
    plant: Plant,
    seed: int,
    speed: float,
    since: float,
    scenario: Path | None,
    truth: Path | None,
    control: int | None,
    seconds: float | None,
    sensor_errors: bool,
    until_eof: bool,
    server: Server,
) -> None:
    from simulators.scenario import ScenarioError, check_served, load
    from simulators.serve import serve

    options = server.options()
    try:
        faults = load(scenario, plant) if scenario else []
        check_served(faults, server.fast)
    except ScenarioError as error:
        raise Failure(INVALID, str(error)) from None
    async with until_stopped(seconds) as stop:
        if until_eof:
            asyncio.get_running_loop().add_reader(0, stop.set)
        work = asyncio.create_task(
            serve(
                plant,
                seed=seed,
                speed=speed,
                since_s=since,
                scenario=faults,
                sensor_errors=sensor_errors,
                truth_dir=truth,
                control_port=control,
                **options,
            )
        )
        addresses = ", ".join(
            str(s.options.get("url") or f"{s.kind}://{s.options['host']}:{s.options['port']}")
            for s in plant.sources
            if s.kind in ("opcua", "mqtt", "modbus", "sparkplug")
        )
        typer.echo(f"simulating {plant.site.name}: {addresses}")
        try:
            await wait_any(stop, work)
        finally:
            work.cancel()
            await asyncio.wait([work])
