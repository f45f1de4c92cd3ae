"""The user's plant on loopback: the same tags, sources and rules, with every address replaced.

Two files come of it. In one the sources are where the simulator serves them, in the other where a
proxy stands before each. Nothing of the rehearsal may reach a server of the user's: logins and
secrets are left out, and a host that is not loopback is an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from plant.model import Output, Plant, Source
from potline.chaos.toml import dumps
from potline.demo import free_port
from potline.exits import INVALID, Failure

HOST = "127.0.0.1"
ORG, TOKEN_FILE = "storm", "token"
SERVER_NAME = "localhost"
BROKERED = ("mqtt", "sparkplug")
SHORTEST_INTERVAL_S = 0.05
_SECRET = re.compile(
    r"username|password|_file$|_env$|^tls$|^alpn$|^anonymous$|^security|^server_name|^allow_"
)
_PLACES = ("url", "urls", "redundancy", "host", "port")
"""Of several servers of a source, one takes part."""

Side = Literal["proxy", "server"]


@dataclass(frozen=True, slots=True)
class Address:
    """Loopback ports of a server and of the proxy before it."""

    server: int
    proxy: int

    @classmethod
    def free(cls) -> Address:
        return cls(free_port(), free_port())


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a storm listens.

    servers: by source, of those that the simulator serves itself. brokers: by the host and port of
    the user's file. store: None for the embedded one. secured: the OPC UA servers show a
    certificate, and no connection in the clear is offered.
    """

    servers: Mapping[str, Address]
    brokers: Mapping[tuple[str, int], Address]
    store: Address | None
    api: int
    control: int
    secured: bool

    @classmethod
    def of(cls, plant: Plant, with_influxd: bool) -> Layout:
        opcua = [s for s in plant.sources if s.kind == "opcua"]
        peers: list[Source | Output] = [*plant.sources, *plant.outputs]
        places = [_broker(peer) for peer in peers if peer.kind in BROKERED]
        return cls(
            {s.id: Address.free() for s in plant.sources if s.kind in ("opcua", "modbus")},
            {place: Address.free() for place in dict.fromkeys(places)},
            Address.free() if with_influxd and plant.store.kind == "influxdb" else None,
            free_port(),
            free_port(),
            bool(opcua) and all(s.options["security"] != "None" for s in opcua),
        )

    def broker_of(self, source: Source) -> Address:
        return self.brokers[_broker(source)]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Writes the plant files of a storm into `folder`; what the collector keeps is in `kept`."""

    path: Path
    plant: Plant
    layout: Layout
    folder: Path
    kept: Path
    rate: float  # samples a second that OPC UA should tell at least; 0: as the plant file says
    old_mqtt: bool  # the broker speaks MQTT 3.1.1 only
    most_GB: float

    def write(self, side: Side) -> Path:
        document = tomllib.loads(self.path.read_text("utf-8"))
        document["source"] = [self._source(source, side) for source in self.plant.sources]
        document["output"] = [self._output(row, side) for row in document.get("output", [])]
        document["store"] = self._store(document["store"])
        spool = document.get("spool", {})
        document["spool"] = spool | {"max_GB": min(spool.get("max_GB", 8.0), self.most_GB / 2)}
        document["api"] = {"host": HOST, "port": self.layout.api}
        document.pop("pair", None)  # a storm is about one collector
        for row in document.get("tags_csv", []):
            row["file"] = str((self.path.parent / row["file"]).resolve())
        if self.rate:
            self._hurry(document.get("tags", []))
        for where, host in _hosts({k: document[k] for k in ("source", "output", "store")}):
            if host != HOST:
                raise Failure(
                    INVALID, f"{self.path}: {where} = {host} would leave this machine in a storm"
                )
        file = self.folder / f"behind-{side}.toml"
        file.write_text(dumps(document), "utf-8")
        return file

    def _source(self, source: Source, side: Side) -> dict[str, Any]:
        row = {"id": source.id, "kind": source.kind, "stale_after_s": source.stale_after_s}
        options = {
            key: value
            for key, value in source.options.items()
            if value is not None and key not in _PLACES and not _SECRET.search(key)
        }
        if source.kind in BROKERED:
            port = getattr(self.layout.broker_of(source), side)
            options |= {"host": HOST, "port": port}
            options |= {"protocol": "3.1.1"} if self.old_mqtt else {}
        elif source.id in self.layout.servers:
            port = getattr(self.layout.servers[source.id], side)
            if source.kind == "opcua":
                options |= {"url": f"opc.tcp://{HOST}:{port}", "anonymous": True}
                options |= self._security(source)
            else:
                options |= {"host": HOST, "port": port}
        elif source.kind in ("file", "folder"):
            nothing = self.folder / "files" / source.id
            nothing.mkdir(parents=True, exist_ok=True)
            options["path"] = str(nothing / "*.csv" if source.kind == "file" else nothing)
        else:
            raise Failure(
                INVALID,
                f"{self.path}: source {source.id} of kind {source.kind} has no place in a storm; "
                "give a plant file without it",
            )
        return row | options

    def _security(self, source: Source) -> dict[str, Any]:
        if not self.layout.secured:
            return {"security": "None"}
        return {"server_name": SERVER_NAME} | {
            key: source.options[key] for key in ("security", "security_mode")
        }

    def _output(self, row: Mapping[str, Any], side: Side) -> dict[str, Any]:
        address = self.layout.brokers[row["host"], row.get("port", 1883)]
        kept = {
            key: value
            for key, value in row.items()
            if key not in _PLACES and not _SECRET.search(key)
        }
        old = {"protocol": "3.1.1"} if self.old_mqtt else {}
        return kept | {"host": HOST, "port": getattr(address, side)} | old

    def _store(self, row: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: row[key] for key in ("raw_days", "figures_days", "alarms_days") if key in row}
        kept["path"] = str(self.kept)
        if self.layout.store is None:
            return kept | {"kind": "embedded"}
        return kept | {
            "kind": "influxdb",
            "url": f"http://{HOST}:{self.layout.store.proxy}",
            "org": ORG,
            "token_file": str(self.folder / TOKEN_FILE),
        }

    # -- faster than the plant file

    def _hurry(self, rows: list[dict[str, Any]]) -> None:
        """Shorten the intervals of live OPC UA tags until the plant tells so many samples."""
        kinds = {source.id: source.kind for source in self.plant.sources}
        live = [
            tag.interval_s
            for tag in self.plant.tags
            if kinds[tag.source] == "opcua" and tag.signal.pace != "slow"
        ]
        rest = sum(1 / tag.interval_s for tag in self.plant.tags) - sum(1 / s for s in live)
        shortest, longest = SHORTEST_INTERVAL_S, max(live, default=SHORTEST_INTERVAL_S)
        for _ in range(60):
            middle = (shortest + longest) / 2
            if rest + sum(1 / min(s, middle) for s in live) > self.rate:
                shortest = middle
            else:
                longest = middle
        interval_s = max(SHORTEST_INTERVAL_S, int(shortest * 1000) / 1000)
        for row in rows:
            pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", ".*", re.escape(row["source"])))
            if any(pattern.fullmatch(s) and kind == "opcua" for s, kind in kinds.items()):
                row["interval_s"] = {
                    signal: own
                    if self.plant.signals[f"{row['each']}.{signal}"].pace == "slow"
                    else min(own, interval_s)
                    for signal in row["signals"]
                    for own in [_of_signal(row.get("interval_s", 1.0), signal)]
                }


def _broker(peer: Source | Output) -> tuple[str, int]:
    return str(peer.options["host"]), int(peer.options["port"])


def _of_signal(value: Any, signal: str) -> float:
    return float(value.get(signal, 1.0) if isinstance(value, dict) else value)


def _hosts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every host that is named: where, and which."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "host":
                yield f"{where}.{key}", str(inner)
            else:
                yield from _hosts(inner, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _hosts(inner, where)
    elif isinstance(value, str) and "://" in value:
        yield where, urlsplit(value).hostname or value
