"""Where a tag is read: what an address of each kind of source looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plant.schema.sources import ADDRESS
from plant.schema.tags import Address


def written(row: Address) -> list[str]:
    """The address keys that the row itself writes."""
    return [key for keys in ADDRESS.values() for key in keys if key in row.model_fields_set]


def _bad_node(address: Mapping[str, str]) -> tuple[str, str] | None:
    if address["node"].startswith("ns="):
        return "node", "must not name a namespace index; leave ns=…; out and write namespace"
    if not re.match(r"[sigb]=.", address["node"]):
        return "node", f'"{address["node"]}" is not a node id; write one like "s=L1.001.voltage"'
    return None


def _bad_topic(address: Mapping[str, str]) -> tuple[str, str] | None:
    if re.search(r"[+#]", address["topic"]):
        return "topic", "must not hold + or #; write placeholders such as {line} and {id}"
    if address["format"] == "number":
        for key in ("pointer", "time"):
            if address[key]:
                return key, 'is for format = "json"; leave it out'
    elif not address["pointer"].startswith("/"):
        return "pointer", f'"{address["pointer"]}" is no JSON pointer; write one like "/{{name}}"'
    elif address["time"] and not address["time"].startswith("/"):
        return "time", f'"{address["time"]}" is no JSON pointer; write one like "/time"'
    return None


def complaint(kind: str, address: Mapping[str, str]) -> tuple[str, str] | None:
    """(key, what is wrong and the remedy) of a filled address, None when it is good."""
    if kind == "opcua":
        return _bad_node(address)
    return _bad_topic(address) if kind == "mqtt" else None
