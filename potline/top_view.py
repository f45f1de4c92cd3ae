"""What `potline top` draws: a line on the whole, a table of sources, the open alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from potline.remote import plain

AROUND = 13
"""Lines beside the rows of sources and alarms."""


def view(found: Mapping[str, Any] | None, lost: str, height: int | None) -> RenderableType:
    """found: the newest document, None before the first. lost: why there is no newer one. height:
    lines there are; None: as many as it takes."""
    banner = Text(plain(f"LINK LOST  {lost}; trying on"), style="bold white on red")
    if found is None:
        return banner
    around = AROUND + (found["pair"] is not None)
    room = None if height is None else max(height - around, 2)
    sources = found["sources"]
    shown = sources if room is None else sources[: max(room * 2 // 3, 1)]
    left = None if room is None else max(room - len(shown), 1)
    more = [Text(f"… {len(sources) - len(shown)} more")] if len(shown) < len(sources) else []
    body = Group(
        _head(found), Text(), _whole(found), Text(), _sources(shown), *more, Text(),
        _alarms(found["alarms"], left),
    )  # fmt: skip
    return Group(banner, Styled(body, "dim")) if lost else body


def _head(found: Mapping[str, Any]) -> Text:
    head = Text.assemble((plain(found["site"]), "bold"), f"  {found['url']}  ")
    if found["ready"]:
        return head.append("ready", "green")
    return head.append(plain("NOT READY: " + "; ".join(found["not_ready"])), "bold red")


def _whole(found: Mapping[str, Any]) -> Table:
    spool, store, beat, process = (found[k] for k in ("spool", "store", "beat", "process"))
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text("spool", "bold"),
        Text(
            f"{_size(spool['bytes'])} of {_size(spool['limit_bytes'])}, "
            f"{_count(spool['samples'])} samples, oldest {_age(spool['age_s'])}"
            + (f", {_count(spool['quarantined'])} set aside" if spool["quarantined"] > 0 else "")
        ),
    )
    state = Text("takes samples", "green") if store["up"] else Text("AWAY", "bold red")
    grid.add_row(Text("store", "bold"), state.append(f", {_count(store['stored_per_s'])} /s", ""))
    grid.add_row(
        Text("beat", "bold"),
        Text(
            f"{_seconds(beat['mean_s'])} each, shown {_seconds(beat['lag_s'])} after its end"
            + (", STALE" if beat["stale"] else ""),
            "bold red" if beat["stale"] else "",
        ),
    )
    if found["pair"] is not None:
        grid.add_row(Text("pair", "bold"), _pair(found["pair"]))
    cores = process["cpu_cores"]
    grid.add_row(
        Text("process", "bold"),
        Text(
            f"{_size(process['resident_bytes'])}, "
            f"{'—' if cores is None else f'{cores:.2f}'} cores, "
            f"{_count(process['open_files'])} open files, {_count(process['clients'])} clients"
        ),
    )
    return grid


def _pair(told: Mapping[str, Any]) -> Text:
    """Red: the other one is not heard, or neither of the two writes."""
    age, other = told["peer_age_s"], told["peer"] or "the other one"
    heard = f"{other} never heard" if age is None else f"{other} heard {_age(age)} ago"
    alone = told["trouble"] or (told["role"] == "standby" and not told["peer_active"])
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(plain(f"{told['name']} is {told['role']} since {told['since']}, "))
    line.append(plain(heard + (f": {told['trouble']}" if alone else "")), "bold red" * bool(alone))
    return line


def _sources(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("source", "kind", "link"):
        table.add_column(name)
    for name in ("samples/s", "lag", "age", "skew", "unresolved", "reconnects"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last error", overflow="ellipsis", no_wrap=True)
    for row in rows:
        bad = not row["flowing"]
        link = row["link"] if row["flowing"] or row["link"] != "connected" else "silent"
        table.add_row(
            Text(plain(row["id"])),
            Text(row["kind"]),
            Text(link, "bold red" if bad else "green"),
            _count(row["samples_per_s"]),
            _seconds(row["lag_s"]),
            _age(row["age_s"]),
            "—" if row["skew_s"] is None else f"{row['skew_s']:+.2f} s",
            Text(str(row["unresolved"]), "yellow" if row["unresolved"] else ""),
            str(row["reconnects"]),
            Text(plain(row["last_error"])),
        )
    return table


def _alarms(alarms: Mapping[str, Any], most: int | None) -> Table | Text:
    title = (
        f"{_count(alarms['open'])} open alarms, {_count(alarms['unacknowledged'])} not acknowledged"
    )
    rows = alarms["rows"][:most]
    if not rows:
        return Text(title, "bold")
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name in ("priority", "state", "of", "alarm", "raised"):
        table.add_column(name)
    for row in rows:
        style = "bold red" if row["state"] == "unack-active" else ""
        cells = (row[k] for k in ("priority", "state", "entity", "label", "raised"))
        table.add_row(*(Text(plain(str(cell)), style) for cell in cells))
    return table


# -- numbers


def _known(value: float | None) -> bool:
    return value is not None and value == value


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if _known(value) else "—"


def _size(value: float | None) -> str:
    if value is None or not _known(value):
        return "—"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def _seconds(value: float | None) -> str:
    if value is None or not _known(value):
        return "—"
    return f"{value * 1000:.1f} ms" if abs(value) < 0.1 else f"{value:.2f} s"


def _age(value: float | None) -> str:
    if value is None or not _known(value):
        return "—"
    if value == float("inf"):
        return "never"
    return f"{value:.1f} s" if value < 120 else str(timedelta(seconds=round(value)))
