"""What must be reached: the port of the API, each source, the store; and the clocks of sources."""

from __future__ import annotations

import asyncio
import errno
import glob
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api.server import listen
from plant.model import Plant, Source
from potline.checking import name_of, try_servers
from potline.doctor.finding import Finding
from potline.remote import Api, ApiAway
from store.contract import StoreUnavailable

CONNECT_S = 5.0
AHEAD_S = 1.0
"""A source's clock further ahead than this is wrong; behind, it may only be slow to tell."""


def examine(plant: Plant) -> Iterator[Finding]:
    port, running = api_port(plant)
    yield port
    yield from _sources(plant)
    if running is not None:
        yield from _running(plant, running)


# -- our own port


def api_port(plant: Plant) -> tuple[Finding, Api | None]:
    """Whether it is free, or held by this plant's own potline, which is then handed back."""
    host, port = plant.api.get("host", "127.0.0.1"), plant.api.get("port", 8600)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    api = Api(f"http://{f'[{here}]' if ':' in here else here}:{port}")
    subject = f"{host}:{port}"
    try:
        listen(host, port).close()
        return Finding("ports", subject, "ok", "free; potline does not run here now"), None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Finding("ports", subject, "fail", error.strerror or str(error),
                           "write an address of this machine and a port above 1023 in "
                           "[api]"), None  # fmt: skip
    try:
        site = api.get("/api/v1/plant")["site"]["id"]
    except (ApiAway, KeyError, TypeError):
        site = None
    if site == plant.site.id:
        return Finding("ports", subject, "ok", "held by this plant's potline, which runs"), api
    whose = "another program" if site is None else f"the potline of site {site}"
    return Finding("ports", subject, "fail", f"taken by {whose}",
                   "stop that one, or write another port in [api]"), None  # fmt: skip


def _running(plant: Plant, api: Api) -> Iterator[Finding]:
    """What the running potline sees of its sources."""
    try:
        rows = api.get("/api/v1/sources")["sources"]
    except ApiAway as error:
        yield Finding("ports", api.url, "fail", str(error), "see the log of potline run")
        return
    for row in rows:
        yield _flow(row)
        if row["skew_s"] is not None:
            yield _skew(plant, row)
        if row["unresolved"]:
            some = ", ".join(
                f"{tag}: {why}" for tag, why in list(row["unresolved_tags"].items())[:3]
            )
            yield Finding("sources", row["id"], "warn",
                          f"{row['unresolved']} tags cannot be read ({some})",
                          "correct their addresses in the plant file, or the server")  # fmt: skip


def _flow(row: dict[str, Any]) -> Finding:
    if row["flowing"]:
        return Finding("sources", row["id"], "ok", f"flows, the newest {row['age_s']:.1f} s ago")
    why = f": {row['last_error']}" if row["last_error"] else ""
    return Finding("sources", row["id"], "fail", f"{row['link']}, no samples flow{why}",
                   "see the server, and the log of potline run", unreachable=True)  # fmt: skip


def _skew(plant: Plant, row: dict[str, Any]) -> Finding:
    ahead = row["skew_s"]
    remedy = "let both keep the time of one time server"
    if ahead > plant.time.max_future_s:
        found = f"{ahead:.1f} s ahead of ours: samples are rejected as of the future"
        return Finding("clock", row["id"], "fail", found, remedy)
    if ahead > AHEAD_S:
        return Finding("clock", row["id"], "warn", f"{ahead:.1f} s ahead of ours", remedy)
    if -ahead > plant.time.lateness_s:
        found = f"samples are at least {-ahead:.1f} s old when they come"
        return Finding("clock", row["id"], "warn", found,
                       f"{remedy}, or have it send sooner; beats wait {plant.time.lateness_s:g} "
                       "s")  # fmt: skip
    return Finding("clock", row["id"], "ok", f"{ahead:+.2f} s against ours, at least")


# -- sources and the store


def _sources(plant: Plant) -> Iterator[Finding]:
    try:
        tried = asyncio.run(try_servers(plant))
    except (OSError, StoreUnavailable) as error:
        yield Finding("reach", "servers", "fail", str(error), "see the finding on secrets")
        tried = {}
    for source in plant.sources:
        for server in source.servers():
            name = name_of(source, server)
            yield _source(name, server, tried.get(name))
    if "store" in tried:
        yield _told("store", tried["store"], "see that InfluxDB runs, its url, org and token")
    else:
        yield Finding("reach", "store", "ok", f"embedded, in {plant.store.path}")


def _source(name: str, source: Source, error: str | None) -> Finding:
    place = place_of(source)
    if "path" in source.options:
        return _files(source)
    if place is None:
        return _told(name, error or "", "see the server and this source's keys")
    host, port = place
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as refused:
        return Finding(
            "reach",
            name,
            "fail",
            f"{host}:{port}: no TCP: {refused.strerror or refused}",
            "see that the server runs, its address in the plant file, and firewalls between",
            unreachable=True,
        )
    if error is None:
        return Finding("reach", name, "ok", f"{host}:{port}: TCP")
    return _told(name, error, "the network is fine; see the server and this source's keys",
                 f"{host}:{port}")  # fmt: skip


def _told(subject: str, error: str, remedy: str, place: str = "") -> Finding:
    if error:
        return Finding("reach", subject, "fail", error, remedy, unreachable=True)
    return Finding("reach", subject, "ok", f"{place}: reached" if place else "reached")


def place_of(source: Source) -> tuple[str, int] | None:
    """Host and port of a server; None when none is named."""
    options = source.options
    if "url" in options:
        url = urlsplit(options["url"])
        return url.hostname or "", url.port or 4840
    if "host" in options:
        return options["host"], options["port"]
    return None


def _files(source: Source) -> Finding:
    path = str(source.options["path"])
    if source.kind == "folder" and Path(path).is_dir() and not os.access(path, os.W_OK):
        return Finding("reach", source.id, "fail", f"{path}: files that are taken cannot be moved",
                       "let potline's user write there")  # fmt: skip
    if glob.glob(path):  # noqa: PTH207  absolute
        return Finding("reach", source.id, "ok", f"{path}: there")
    if Path(path).parent.is_dir():
        return Finding("reach", source.id, "ok", f"{path}: nothing yet")
    return Finding("reach", source.id, "fail", f"{path}: there is no such folder",
                   "make it, or correct path in the plant file")  # fmt: skip
