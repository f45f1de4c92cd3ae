"""What variables a server has: name, type, value, unit. In calls as large as the server takes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.object_ids import ObjectIds

from collector.opcua.limits import Limits
from collector.opcua.secure_client import SecureClient
from collector.opcua.services import Services, read_request
from plant.model import Plant, Source

MOST_NODES = 1_000_000
REFERENCES_A_CALL = 1000
_OBJECT, _VARIABLE = ua.NodeClass.Object, ua.NodeClass.Variable
_ROOT, _HIERARCHY, _PROPERTY = (
    ua.NodeId(getattr(ObjectIds, name))
    for name in ("ObjectsFolder", "HierarchicalReferences", "HasProperty")
)
_NO_ROOM = (uaerrors.BadNoContinuationPoints.code, uaerrors.BadTooManyOperations.code)


@dataclass(frozen=True, slots=True)
class Variable:
    """path: browse names from the Objects folder, with slashes. node: without the namespace.
    type: of its value, with [] for an array; "" when it has none now. unit, low, high: as the
    server tells of them."""

    path: str
    node: str
    namespace: str
    type: str
    value: Any
    unit: str
    low: float
    high: float


@dataclass(slots=True)
class _Found:
    node: ua.NodeId
    path: str
    unit: ua.NodeId | None = None
    limits: ua.NodeId | None = None


@asynccontextmanager
async def browsing(source: Source, plant: Plant) -> AsyncIterator[Browser]:
    """A session of its own, given back at the end."""
    client = SecureClient(source, plant)
    await client.connect()
    try:
        yield Browser(client, source)
    finally:
        await client.disconnect()


class Browser:
    def __init__(self, client: SecureClient, source: Source) -> None:
        options = source.options
        self._services = Services()
        self._services.use(client)
        self._limits = Limits(
            source.id, options.get("max_per_request", 0), options.get("profile", "")
        )

    async def variables(self) -> list[Variable]:
        """All below the Objects folder but those of the standard itself, by path."""
        await self._limits.learn(self._services)
        found = await self._walk()
        uris = await self._services.namespaces()
        values = await self._read([f.node for f in found])
        told = [n for f in found for n in (f.unit, f.limits) if n is not None]
        properties = dict(zip(map(str, told), await self._read(told), strict=True))
        rows = []
        for one, data in zip(found, values, strict=True):
            unit = getattr(_of(properties, one.unit), "DisplayName", None)
            limits = _of(properties, one.limits)
            rows.append(
                Variable(
                    one.path,
                    re.sub(r"^ns=\d+;", "", one.node.to_string()),
                    uris[one.node.NamespaceIndex] if one.node.NamespaceIndex < len(uris) else "",
                    _type(data),
                    data.Value.Value if data.Value is not None else None,
                    str(getattr(unit, "Text", None) or ""),
                    _number(getattr(limits, "Low", None)),
                    _number(getattr(limits, "High", None)),
                )
            )
        return sorted(rows, key=lambda row: row.path)

    async def _walk(self) -> list[_Found]:
        """Breadth first; a node that is reached twice is taken once."""
        level = [_Found(_ROOT, "")]
        seen = {str(_ROOT)}
        found: list[_Found] = []
        while level and len(seen) < MOST_NODES:
            references = await self._limits.in_calls(
                "browse", [n.node for n in level], self._browse
            )
            next_level: list[_Found] = []
            for parent, children in zip(level, references, strict=True):
                for child in children:
                    node = ua.NodeId(
                        child.NodeId.Identifier,
                        child.NodeId.NamespaceIndex,
                        child.NodeId.NodeIdType,
                    )
                    name = child.BrowseName.Name or ""
                    if child.ReferenceTypeId == _PROPERTY:
                        if name == "EngineeringUnits":
                            parent.unit = node
                        elif name == "EURange":
                            parent.limits = node
                        continue
                    if str(node) in seen or _is_standard(node):
                        continue
                    seen.add(str(node))
                    one = _Found(node, f"{parent.path}/{name}".lstrip("/"))
                    next_level.append(one)
                    if child.NodeClass == _VARIABLE:
                        found.append(one)
            level = next_level
        return found

    async def _browse(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        request = ua.BrowseRequest()
        request.Parameters.RequestedMaxReferencesPerNode = REFERENCES_A_CALL
        request.Parameters.NodesToBrowse = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=_HIERARCHY,
                IncludeSubtypes=True,
                NodeClassMask=_OBJECT | _VARIABLE,
                ResultMask=ua.BrowseResultMask.All,
            )
            for node in nodes
        ]
        response = await self._services.call(request, ua.BrowseResponse)
        rows = []
        for node, result in zip(nodes, response.Results, strict=True):
            if result.StatusCode.value in _NO_ROOM and len(nodes) > 1:
                rows += await self._browse([node])
                continue
            references = list(result.References or ())
            while result.ContinuationPoint and result.References:
                more = ua.BrowseNextRequest()
                more.Parameters.ReleaseContinuationPoints = False
                more.Parameters.ContinuationPoints = [result.ContinuationPoint]
                answer = await self._services.call(more, ua.BrowseNextResponse)
                (result,) = getattr(answer, "Results", None) or answer.Parameters.Results
                references += result.References or ()
            rows.append(references)
        return rows

    async def _read(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        async def read(part: Sequence[ua.NodeId]) -> list[ua.DataValue]:
            response = await self._services.call(read_request(part), ua.ReadResponse)
            return list(response.Results)

        return await self._limits.in_calls("read", nodes, read)


def _is_standard(node: ua.NodeId) -> bool:
    return node.NamespaceIndex == 0 and isinstance(node.Identifier, int)


def _of(properties: dict[str, ua.DataValue], node: ua.NodeId | None) -> Any:
    data = properties.get(str(node)) if node is not None else None
    return data.Value.Value if data is not None and data.Value is not None else None


def _type(data: ua.DataValue) -> str:
    if data.Value is None or data.Value.VariantType == ua.VariantType.Null:
        return ""
    return data.Value.VariantType.name + "[]" * isinstance(data.Value.Value, list)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
