"""Where a tag is read: what an address of each kind of source looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plant.schema.sources import ADDRESS
from plant.schema.tags import Address

_KEYS = tuple(key for keys in ADDRESS.values() for key in keys)


def written(row: Address) -> list[str]:
    """The address keys that the row itself writes."""
    fields = row.model_fields_set
    return [key for key in _KEYS if key in fields]


def _bad_node(address: Mapping[str, str]) -> tuple[str, str] | None:
    if address["node"].startswith("ns="):
        return "node", "must not name a namespace index; leave ns=…; out and write namespace"
    if not re.match(r"[sigb]=.", address["node"]):
        return "node", f'"{address["node"]}" is not a node id; write one like "s=L1.001.voltage"'
    if address["index"] and not re.fullmatch(r"\d{1,6}", address["index"]):
        return "index", f'"{address["index"]}" is no element of an array; write one like "0"'
    return None


def _bad_topic(address: Mapping[str, str]) -> tuple[str, str] | None:
    if re.search(r"[+#]", address["topic"]):
        return "topic", "must not hold + or #; write placeholders such as {line} and {id}"
    if address["format"] == "number":
        for key in ("pointer", "time"):
            if address[key]:
                return key, 'is for format = "json"; leave it out'
    elif address["format"] == "csv":
        for key in ("pointer", "time"):
            if (address[key] or key == "pointer") and not re.fullmatch(r"/\d{1,4}", address[key]):
                return key, f'"{address[key]}" is no column of CSV; write one like "/0", the first'
    elif not address["pointer"].startswith("/"):
        return "pointer", f'"{address["pointer"]}" is no JSON pointer; write one like "/{{name}}"'
    elif address["time"] and not address["time"].startswith("/"):
        return "time", f'"{address["time"]}" is no JSON pointer; write one like "/time"'
    return None


def _bad_metric(address: Mapping[str, str]) -> tuple[str, str] | None:
    edge_node, device = address["edge_node"], address["device"]
    if bool(edge_node) == bool(device):
        found = "both are written, keep one" if device else "missing"
        return (
            "edge_node",
            f'{found}; write edge_node = "group/node" or device = "group/node/device"',
        )
    key, levels = ("device", 3) if device else ("edge_node", 2)
    form = "group/node/device" if device else "group/node"
    if not re.fullmatch("/".join(levels * [r"[^/+#]+"]), address[key]):
        return key, f'"{address[key]}" is none; write "{form}"'
    return None


def complaint(kind: str, address: Mapping[str, str]) -> tuple[str, str] | None:
    """(key, what is wrong and the remedy) of a filled address, None when it is good."""
    if kind == "opcua":
        return _bad_node(address)
    if kind == "sparkplug":
        return _bad_metric(address)
    return _bad_topic(address) if kind == "mqtt" else None
