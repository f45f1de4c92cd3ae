"""`potline top`: how a running potline does, looked at over its API once a second."""

from __future__ import annotations

import sys
import time
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

from potline.exits import UNREACHABLE, Failure
from potline.remote import Api, ApiAway
from potline.tables import print_json
from potline.top_look import Watch
from potline.top_view import view

EVERY_S = 1.0


def show_top(url: str, once: bool, as_json: bool) -> None:
    """Until Ctrl-C; once: two looks a second apart, for the rates."""
    watch = Watch(Api(url))
    try:
        if once:
            _once(watch, as_json)
        elif as_json:
            _stream(watch)
        else:
            _live(watch)
    except KeyboardInterrupt:
        return


def _once(watch: Watch, as_json: bool) -> None:
    try:
        watch.look()
        time.sleep(EVERY_S)
        found = watch.look()
    except ApiAway as error:
        raise Failure(
            UNREACHABLE, f"{error}; start potline run, or give its address: potline top URL"
        ) from None
    if as_json:
        print_json(found)
    else:
        Console().print(view(found, "", height=None))


def _stream(watch: Watch) -> None:
    """A document a line each second; while the API is away {"away": why}."""
    while True:
        began = time.monotonic()
        try:
            found: object = watch.look()
        except ApiAway as error:
            found = {"away": str(error)}
        sys.stdout.buffer.write(orjson.dumps(found) + b"\n")
        sys.stdout.flush()
        time.sleep(max(EVERY_S - (time.monotonic() - began), 0.1))


def _live(watch: Watch) -> None:
    console = Console()
    found: dict[str, Any] | None = None
    lost, since = "", 0.0
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            try:
                found, lost = watch.look(), ""
            except ApiAway as error:
                since = since if lost else time.time()
                lost = f"since {time.strftime('%H:%M:%S', time.localtime(since))}: {error}"
            live.update(view(found, lost, console.height), refresh=True)
            time.sleep(max(EVERY_S - (time.monotonic() - began), 0.1))
