"""One OPC UA server for one source of the plant: its nodes where the plant file says they are."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from plant.model import Plant, Source, Tag
from simulators.bad_data import spoil

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {"state": ua.VariantType.Int32}  # by kind of signal, else Double


class _Value(ua.DataValue):
    """Never changed once made, so the library's copy for each monitored item (60 % of the cost of
    a write) can be the value itself."""

    __slots__ = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _time(ns: int) -> ua.DateTime:
    return cast(ua.DateTime, _EPOCH + timedelta(microseconds=ns // 1000))


class OpcUaServer:
    """Serves while the context is entered. The plant goes on while the link is down: values are
    written all the same, and whoever comes back sees the newest."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self.source = source
        self._plant = plant
        self._tags = [tag for tag in plant.tags if tag.source == source.id]
        self._server = Server()
        self._nodes: dict[int, ua.NodeId] = {}
        self._spoiled: defaultdict[int, list[str]] = defaultdict(list)
        self._up = True

    async def __aenter__(self) -> Self:
        server = self._server
        await server.init()
        server.set_endpoint(self.source.options["url"])
        server.set_server_name(f"potline simulator {self.source.id}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._add_nodes()
        try:
            await server.start()
        except OSError as error:
            raise OSError(
                f"source {self.source.id}: cannot listen on {self.source.options['url']} "
                f"({error.strerror}); stop what listens there or change the url in "
                f"{self._plant.path}"
            ) from None
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.stop()

    async def _add_nodes(self) -> None:
        """A folder for each entity: adding a node is quadratic in the number of its siblings."""
        folders: dict[str, Any] = {}
        for tag in self._tags:
            uri = tag.address.get("namespace") or self.source.options["namespace"]
            index = await self._server.register_namespace(uri)
            if tag.entity not in folders:
                name = ua.QualifiedName(tag.entity, index)
                folder = ua.NodeId.from_string(f"ns={index};s=folder.{tag.entity}")
                folders[tag.entity] = await self._server.nodes.objects.add_folder(folder, name)
            node = ua.NodeId.from_string(f"ns={index};{tag.address['node']}")
            name = ua.QualifiedName(tag.signal.name, index)
            kind = _TYPES.get(tag.signal.kind, ua.VariantType.Double)
            zero = ua.Variant(0 if kind is ua.VariantType.Int32 else 0.0, kind)
            await folders[tag.entity].add_variable(node, name, zero)
            self._nodes[tag.column] = node
            waiting = ua.StatusCode(ua.UInt32(StatusCodes.BadWaitingForInitialData))
            await self._put(tag.column, _Value(StatusCode=waiting))

    async def _put(self, column: int, value: ua.DataValue) -> None:
        space, node = self._server.iserver.aspace, self._nodes[column]
        # the library refuses a value of another type than the one before; bad data are just that
        space[node].attributes[AttributeIds.Value].value = None
        await space.write_attribute_value(node, AttributeIds.Value, value)

    async def write(self, column: int, value: float, time: int) -> None:
        """Set a tag: value in its unit on the wire, time [ns]."""
        tag = self._plant.tags[column]
        kind = _TYPES.get(tag.signal.kind, ua.VariantType.Double)
        number = int(value) if kind is ua.VariantType.Int32 else value
        await self._put(column, _stamped(ua.Variant(number, kind), time))
        for what in self._spoiled.pop(column, ()):
            await self._put(column, _bad(tag, what, value, time))

    def spoil_next(self, column: int, what: str) -> None:
        """Send a bad datum after the next good one of this tag."""
        self._spoiled[column].append(what)

    async def set_link(self, up: bool) -> None:
        """Close every connection and the port, or listen again."""
        link = self._server.bserver
        if up != self._up and link is not None:
            self._up = up
            await (link.start() if up else link.stop())


def _stamped(variant: ua.Variant, time: int, status: int = StatusCodes.Good) -> _Value:
    stamp = _time(time)
    return _Value(variant, ua.StatusCode(ua.UInt32(status)), stamp, stamp)


def _bad(tag: Tag, what: str, value: float, time: int) -> _Value:
    number, when = spoil(what, value, time)
    if what == "wrong_type":
        return _stamped(ua.Variant("4,05", ua.VariantType.String), when)
    status = StatusCodes.BadSensorFailure if what == "bad_status" else StatusCodes.Good
    return _stamped(ua.Variant(number, ua.VariantType.Double), when, status)
