"""`potline top` over a potline that really runs, is killed, and comes back."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Process, get_or_none, potline, until, unused_port, write_plant
from rich.console import Console

from potline.top_look import Look, document
from potline.top_view import view

STATES = ("unack-active", "ack-active", "rtn-unack")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    store = f'[store]\nkind = "embedded"\npath = "{folder / "var"}"\n'
    api = f"\n[api]\nport = {unused_port()}\n"
    return write_plant(folder, store + api, mqtt=unused_port())


@pytest.fixture(scope="module")
def url(file: Path) -> str:
    found = re.search(r"\[api\]\nport = (\d+)", file.read_text())
    assert found
    return f"http://127.0.0.1:{found[1]}"


def start(file: Path, url: str) -> Process:
    process = Process(file.parent / "run.log", "run", file)
    until("the API", lambda: get_or_none(f"{url}/healthz"), 60)
    return process


def flows(url: str, source: str) -> bool:
    rows = get_or_none(f"{url}/api/v1/sources") or {"sources": []}
    return any(row["id"] == source and row["flowing"] for row in rows["sources"])


@pytest.fixture(scope="module")
def plant(file: Path) -> Iterator[Process]:
    """The plant itself: OPC UA of the small smelter."""
    process = Process(file.parent / "simulate.log", "simulate", file, "--seconds", 120)
    yield process
    process.stop()


class Terminal:
    """`potline top` on a terminal of its own."""

    def __init__(self, url: str) -> None:
        self._screen, inside = pty.openpty()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "potline", "top", url],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "COLUMNS": "160", "LINES": "40", "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(inside)

    def shows(self, text: str, within_s: float) -> float:
        """Wait until the screen shows this anew; how long that took [s]."""
        began, seen = time.monotonic(), ""
        while (now := time.monotonic()) - began < within_s:
            if select.select([self._screen], [], [], 0.1)[0]:
                seen += os.read(self._screen, 65536).decode(errors="replace")
                if text in ESCAPES.sub("", seen):
                    return now - began
        pytest.fail(f"{text!r} was not shown within {within_s} s: {ESCAPES.sub('', seen)[-2000:]}")

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C: the exit status, and what was written meanwhile."""
        self.popen.send_signal(signal.SIGINT)
        written = ""
        try:
            while select.select([self._screen], [], [], 10)[0]:
                written += os.read(self._screen, 65536).decode(errors="replace")
        except OSError:  # nobody has the other end any more
            pass
        return self.popen.wait(5), written

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)
        os.close(self._screen)


@pytest.mark.slow
def test_a_link_that_is_lost_is_shown_and_recovers(file, url, plant):
    running = start(file, url)
    terminal = Terminal(url)
    try:
        terminal.shows("Mini smelter", 20)
        terminal.shows("takes samples", 5)
        running.kill()
        assert terminal.shows("LINK LOST", 10) < 5
        running = start(file, url)
        terminal.shows("NOT READY", 10)  # the broker of the meters is absent
        document = json.loads(potline("top", url, "--once", "--json").stdout)
        until("samples", lambda: flows(url, "pots"), 20)
        seen = json.loads(potline("doctor", file, "--json", status=3).stdout)["findings"]
        status, written = terminal.interrupt()
        assert status == 0
        assert "\x1b[?1049l" in written, "the screen is given back"
        assert "\x1b[?25h" in written, "and the cursor"
        assert "Traceback" not in written
    finally:
        terminal.close()
        running.stop()
    pots, meters = document["sources"]
    assert (pots["id"], pots["link"], meters["link"]) == ("pots", "connected", "disconnected")
    assert meters["last_error"]
    assert pots["samples_per_s"] > 0
    found = {(f["area"], f["subject"]): f for f in seen}
    assert found["ports", url.removeprefix("http://")]["found"].startswith("held by this plant's")
    assert found["reach", "pots"]["state"] == "ok"
    assert found["sources", "pots"]["state"] == "ok"
    assert found["clock", "pots"]["state"] == "ok"
    assert found["sources", "meters"]["state"] == "fail"
    assert document["site"] == "Mini smelter"
    assert document["store"]["up"] is True
    assert document["process"]["resident_bytes"] > 1e7
    assert document["spool"]["limit_bytes"] == 8e9


PAIR = {
    "name": "west", "role": "standby", "since": "2026-11-20T06:00:00Z", "reason": "as it began",
    "epoch": 1, "peer": "east", "peer_active": True, "peer_age_s": 0.4, "trouble": "",
}  # fmt: skip


def look(
    taken: float, received: int, sources: int = 1, alarms: int = 0, pair: dict | None = None
) -> Look:
    row = {
        "kind": "opcua", "link": "connected", "flowing": True, "lag_s": 0.1, "age_s": None,
        "skew_s": None, "unresolved": 0, "reconnects": 0, "resubscribes": 0,
        "last_error": "[red]no markup\x1b[2J", "received": received,
    }  # fmt: skip
    alarm = {"priority": 1, "state": "ack-active", "entity": "L1", "label": "x", "raised": "now"}
    counts = {("potline_alarms_by_state", ("1", state)): 1.0 for state in STATES}
    rows = tuple({**row, "id": f"s{i}"} for i in range(sources))
    return Look(taken, "Site", (), rows, (alarm,) * alarms, counts, pair)


def test_rates_are_between_two_looks_and_unknown_after_a_restart():
    first, second, restarted = look(10, 100), look(12, 300), look(14, 5)
    assert document("u", first, None)["sources"][0]["samples_per_s"] is None
    assert document("u", second, first)["sources"][0]["samples_per_s"] == 100
    assert document("u", restarted, second)["sources"][0]["samples_per_s"] is None
    assert document("u", first, None)["alarms"]["unacknowledged"] == 2  # of three open ones


@pytest.mark.parametrize(("sources", "alarms"), [(3, 2), (60, 0), (2, 90), (60, 90)])
def test_the_view_fits_the_screen_and_takes_no_orders(sources, alarms):
    """What servers say is shown as it is, without markup or escapes."""
    console = Console(width=120, height=24, file=io.StringIO(), force_terminal=False)
    pair = PAIR if sources > 2 else None
    found = document("u", look(1, 1, sources, alarms, pair), None)
    for lost in ("", "since 10:00:00: away"):
        console.file = out = io.StringIO()
        console.print(view(found, lost, 24))
        shown = out.getvalue()
        assert shown.count("\n") <= 24
        assert "[red]no markup" in shown
        assert "\x1b[2J" not in shown
        assert ("LINK LOST" in shown) == bool(lost)


def test_of_a_pair_it_tells_the_role_and_the_other_one():
    def line(**told):
        out = io.StringIO()
        found = document("u", look(1, 1, pair=PAIR | told), None)
        Console(width=120, file=out).print(view(found, "", 24))
        return next(row for row in out.getvalue().splitlines() if row.startswith("pair"))

    assert "west is standby since 2026-11-20T06:00:00Z, east heard 0.4 s ago" in line()
    assert (
        line(peer="", peer_age_s=None, trouble="no answer")
        .rstrip()
        .endswith("the other one never heard: no answer")
    )


def test_away_is_a_line_and_a_status(url):
    away = f"http://127.0.0.1:{unused_port()}"
    done = potline("top", away, "--once", status=3)
    assert done.stderr.count("\n") == 1
    assert "Connection refused" in done.stderr
    assert "potline run" in done.stderr


def test_json_is_a_document_a_line(url):
    """Also while nothing answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "potline", "top", f"http://127.0.0.1:{unused_port()}", "--json"],
        stdout=subprocess.PIPE,
    ) as top:
        assert top.stdout is not None
        lines = [json.loads(top.stdout.readline()) for _ in range(2)]
        top.send_signal(signal.SIGINT)
        assert top.wait(5) == 0
    assert all("Connection refused" in line["away"] for line in lines)
