"""`potline check`: the plant file read strictly, and its servers tried."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import typer

from plant.model import Plant, Source
from potline.exits import UNREACHABLE, Failure
from potline.plants import load_plant
from potline.tables import print_json

CONNECT_S = 5.0


def check_plant(path: Path, connect: bool, as_json: bool) -> None:
    try:
        plant = load_plant(path)
    except Failure as failure:
        if as_json:
            print_json({"ok": False, "errors": failure.lines})
        raise
    reached = asyncio.run(try_servers(plant)) if connect else {}
    report(plant, reached, as_json)
    if any(reached.values()):
        raise Failure(UNREACHABLE)


def report(plant: Plant, reached: dict[str, str], as_json: bool) -> None:
    counts = {
        "lines": len(plant.lines),
        "cells": len(plant.cells),
        "rectifiers": len(plant.rectifiers),
        "meters": len(plant.meters),
        "boilers": len(plant.boilers),
        "sources": len(plant.sources),
        "tags": len(plant.tags),
        "alarm rules": len(plant.alarms),
    }
    if as_json:
        servers = {name: error or "reached" for name, error in reached.items()}
        print_json({"ok": not any(reached.values()), "plant": counts, "servers": servers})
        return
    typer.echo(f"{plant.path}: {', '.join(f'{n} {what}' for what, n in counts.items())}")
    factor = plant.factors[f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}"]
    typer.echo(
        f"grid factor {factor.value} {factor.unit} ({plant.site.grid_region}, "
        f"{plant.site.grid_year}; {factor.source}); GWP set {plant.site.gwp}"
    )
    for name, error in reached.items():
        typer.echo(f"{name}: {error or 'reached'}")


async def try_servers(plant: Plant) -> dict[str, str]:
    """What is wrong with each server; an empty text when it was reached."""
    tries: dict[str, Any] = {
        name_of(source, server): try_source(plant, server)
        for source in plant.sources
        if source.kind in ("opcua", "mqtt", "modbus", "sparkplug")
        for server in source.servers()
    }
    if plant.store.kind == "influxdb":
        tries["store"] = asyncio.to_thread(try_store, plant)
    results = await asyncio.gather(*tries.values())
    return dict(zip(tries, results, strict=True))


def name_of(source: Source, server: Source) -> str:
    """The source's id; of redundant servers with the address."""
    return source.id if server is source else f"{source.id} {server.options['url']}"


async def try_source(plant: Plant, source: Source) -> str:
    if source.kind == "opcua":
        from asyncua.ua.uaerrors import UaError

        from collector.opcua.certificates import SecurityError
        from collector.opcua.secure_client import SecureClient

        try:
            async with SecureClient(source, plant) as client:
                uris = await client.get_namespace_array()
        except SecurityError as error:
            return str(error)
        except (OSError, TimeoutError, UaError) as error:
            return f"{source.options['url']} cannot be reached: {error or type(error).__name__}"
        wanted = source.options["namespace"]
        if wanted not in uris:
            return f"{source.options['url']} has no namespace {wanted!r}; it has {', '.join(uris)}"
        return ""
    host, port = source.options["host"], source.options["port"]
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return f"{host}:{port} cannot be reached: {error or type(error).__name__}"
    writer.close()
    return ""


def try_store(plant: Plant) -> str:
    from store.contract import StoreUnavailable
    from store.open import open_store

    store = open_store(plant)
    try:
        store.open()
    except StoreUnavailable as error:
        return str(error)
    finally:
        store.close()
    return ""
