"""The address space of a source's tags without a node object for each: 160,000 of the library's
take minutes and 8 KB each. What is asked for is made up from the plant's arrays and thrown away.

A folder an entity under Objects, its tags below it, as the small server has them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from numpy.typing import NDArray

from plant.model import Plant, Source, Tag
from simulators.scale.samples import DOUBLE, INT32, Samples, variant
from simulators.scale.wire import node_id, server_time, stamp, status

FOLDER = "folder."
_TYPES = {"state": INT32}  # by kind of signal, else Double


class TagSpace:
    """Where each tag of a source is, and what it says now. Arrays are by the plant's columns."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self._plant = plant
        self._by_uri: defaultdict[str, dict[Any, int]] = defaultdict(dict)  # identifier -> column
        self._of_entity: defaultdict[str, list[int]] = defaultdict(list)
        self.columns = np.array(
            [tag.column for tag in plant.tags if tag.source == source.id], np.int32
        )
        self._uri_of = [tag.address.get("namespace") or source.options.get("namespace", "")
                        for tag in plant.tags]  # fmt: skip
        for column in self.columns.tolist():
            tag = plant.tags[column]
            self._by_uri[self._uri_of[column]][_identifier(tag.address["node"])] = column
            self._of_entity[tag.entity].append(column)
        self.uris = [uri for uri in self._by_uri if uri]  # of our namespaces, index 2 and up
        count = len(plant.tags)
        self.kinds = np.array([_TYPES.get(t.signal.kind, DOUBLE) for t in plant.tags], np.uint8)
        self.gone = np.zeros(count, np.bool_)  # nodes that vanished
        self.forget()

    def forget(self) -> None:
        """As before the first sample."""
        count = len(self.kinds)
        waiting = np.full(count, StatusCodes.BadWaitingForInitialData, np.uint32)
        self._now = Samples(
            np.arange(count, dtype=np.int32), np.full(count, server_time(0)), np.zeros(count),
            waiting, self.kinds.copy(),
        )  # fmt: skip

    def take(self, samples: Samples) -> None:
        """They stand until the next ones."""
        now = self._now
        for new, old in ((samples.times, now.times), (samples.values, now.values),
                         (samples.status, now.status), (samples.kinds, now.kinds)):  # fmt: skip
            old[samples.tags] = new

    def now(self, columns: NDArray[np.int32]) -> Samples:
        """What these tags say."""
        return self._now.take(columns)

    def value(self, column: int, seen_ns: int) -> ua.DataValue:
        """What a tag says, for the Read service."""
        now = self._now
        code = int(now.status[column])
        return ua.DataValue(
            None if code >> 30 > 1 else variant(float(now.values[column]), now.kinds[column]),
            status(code),
            stamp(int(now.times[column])),
            stamp(seen_ns),
        )

    def interval_ms(self, column: int) -> float:
        """How often the plant has a new value, and so how often it is sampled."""
        return self._plant.tags[column].interval_s * 1000

    def column(self, node: ua.NodeId) -> int:
        """Of a tag's node; -1 when it is none."""
        uri = self._uri(node.NamespaceIndex)
        if uri is None or uri not in self._by_uri:
            return -1
        column = self._by_uri[uri].get(node.Identifier, -1)
        return -1 if column < 0 or self.gone[column] else column

    def _uri(self, index: int) -> str | None:
        if index == 0:  # tags of a source without a namespace
            return ""
        return self.uris[index - 2] if 2 <= index < len(self.uris) + 2 else None

    def _index(self, column: int) -> int:
        uri = self._uri_of[column]
        return self.uris.index(uri) + 2 if uri else 0

    # -- nodes, made up

    def node(self, node: ua.NodeId) -> NodeData | None:
        """A tag or a folder; None when it is neither."""
        column = self.column(node)
        if column >= 0:
            return self._variable(node, column)
        name = node.Identifier
        entity = name.removeprefix(FOLDER) if isinstance(name, str) else ""
        if entity in self._of_entity and node == self._folder_id(entity):
            return self._folder(node, entity)
        return None

    def folders(self) -> list[ua.ReferenceDescription]:
        """From Objects to each entity's folder."""
        return [
            _reference(ObjectIds.Organizes, True, self._folder_id(entity), entity, _OBJECT)
            for entity in self._of_entity
        ]

    def _folder_id(self, entity: str) -> ua.NodeId:
        return node_id(FOLDER + entity, self._index(self._of_entity[entity][0]))

    def _folder(self, node: ua.NodeId, entity: str) -> NodeData:
        data = _data(node, ua.NodeClass.Object, entity)
        data.attributes[AttributeIds.EventNotifier] = _attribute(0, ua.VariantType.Byte)
        objects = node_id(ObjectIds.ObjectsFolder)
        data.references = [
            _reference(ObjectIds.HasTypeDefinition, True, node_id(ObjectIds.FolderType),
                       "FolderType", ua.NodeClass.ObjectType),
            _reference(ObjectIds.Organizes, False, objects, "Objects", _OBJECT),
        ]  # fmt: skip
        for column in self._of_entity[entity]:
            if not self.gone[column]:
                tag = self._plant.tags[column]
                data.references.append(
                    _reference(ObjectIds.HasComponent, True, self.node_id(tag), tag.signal.name,
                               ua.NodeClass.Variable)
                )  # fmt: skip
        return data

    def node_id(self, tag: Tag) -> ua.NodeId:
        """Where the tag is now."""
        return node_id(_identifier(tag.address["node"]), self._index(tag.column))

    def _variable(self, node: ua.NodeId, column: int) -> NodeData:
        tag = self._plant.tags[column]
        data = _data(node, ua.NodeClass.Variable, tag.signal.name)
        kind, byte = node_id(int(self.kinds[column])), ua.VariantType.Byte
        data.attributes |= {
            AttributeIds.DataType: _attribute(kind, ua.VariantType.NodeId),
            AttributeIds.ValueRank: _attribute(-1, ua.VariantType.Int32),
            AttributeIds.AccessLevel: _attribute(1, byte),
            AttributeIds.UserAccessLevel: _attribute(1, byte),
            AttributeIds.MinimumSamplingInterval: _attribute(
                tag.interval_s * 1000, ua.VariantType.Double
            ),
            AttributeIds.Historizing: _attribute(False, ua.VariantType.Boolean),
        }
        data.references = [
            _reference(ObjectIds.HasTypeDefinition, True,
                       node_id(ObjectIds.BaseDataVariableType), "BaseDataVariableType",
                       ua.NodeClass.VariableType),
            _reference(ObjectIds.HasComponent, False, self._folder_id(tag.entity), tag.entity,
                       _OBJECT),
        ]  # fmt: skip
        return data


_OBJECT = ua.NodeClass.Object
_SERVICE_LEVEL = node_id(ObjectIds.Server_ServiceLevel)


class _Nodes(dict[ua.NodeId, NodeData]):
    """The library's nodes, and behind them the tags'."""

    def __init__(self, tags: TagSpace) -> None:
        super().__init__()
        self._tags = tags

    def get(self, key: ua.NodeId, default: Any = None) -> Any:
        found = super().get(key)
        return found if found is not None else (self._tags.node(key) or default)

    def __missing__(self, key: ua.NodeId) -> NodeData:
        found = self._tags.node(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (
            isinstance(key, ua.NodeId) and self._tags.node(key) is not None
        )


class ScaleSpace(AddressSpace):
    """Nothing of the plant can be written."""

    def __init__(self, tags: TagSpace) -> None:
        super().__init__()
        self.tags = tags
        self.skew_ns = 0  # of the server's clock
        self.service_level = 255
        self._nodes = _Nodes(tags)

    def read_attribute_value(self, nodeid: ua.NodeId, attr: AttributeIds) -> ua.DataValue:
        if attr == AttributeIds.Value and (column := self.tags.column(nodeid)) >= 0:
            return self.tags.value(column, server_time(self.skew_ns))
        if attr == AttributeIds.Value and nodeid == _SERVICE_LEVEL:
            return ua.DataValue(ua.Variant(self.service_level, ua.VariantType.Byte), status())
        return super().read_attribute_value(nodeid, attr)


def _identifier(text: str) -> Any:
    """Of a node's address without its namespace: "s=…" as most are, or i=, g=, b=."""
    return text[2:] if text.startswith("s=") else ua.NodeId.from_string(text).Identifier


def _attribute(value: Any, kind: ua.VariantType) -> AttributeValue:
    return AttributeValue(ua.DataValue(ua.Variant(value, kind), status()))


def _data(node: ua.NodeId, node_class: ua.NodeClass, name: str) -> NodeData:
    data = NodeData(node)
    browse_name = ua.QualifiedName(name, node.NamespaceIndex)
    data.attributes = {
        AttributeIds.NodeId: _attribute(node, ua.VariantType.NodeId),
        AttributeIds.NodeClass: _attribute(int(node_class), ua.VariantType.Int32),
        AttributeIds.BrowseName: _attribute(browse_name, ua.VariantType.QualifiedName),
        AttributeIds.DisplayName: _attribute(ua.LocalizedText(name), ua.VariantType.LocalizedText),
    }
    return data


def _reference(
    kind: int, forward: bool, target: ua.NodeId, name: str, node_class: ua.NodeClass
) -> ua.ReferenceDescription:
    index = target.NamespaceIndex
    of_type = {
        _OBJECT: ObjectIds.FolderType, ua.NodeClass.Variable: ObjectIds.BaseDataVariableType
    }.get(node_class, ObjectIds.Null)  # fmt: skip
    return ua.ReferenceDescription(
        node_id(kind), forward, target, ua.QualifiedName(name, index), ua.LocalizedText(name),
        node_class, node_id(of_type),
    )  # fmt: skip
