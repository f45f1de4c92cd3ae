"""asyncua's standard nodes take two seconds to make: made for one server, copied for the others."""

from __future__ import annotations

import copy

from asyncua.server.address_space import NodeData
from asyncua.server.standard_address_space import standard_address_space
from asyncua.ua.attribute_ids import AttributeIds

_fill = standard_address_space.fill_address_space
_made: dict[object, object] = {}


def _copied(node):
    """With its own value and references: nothing else of a node is ever changed."""
    other = NodeData(node.nodeid)
    other.attributes = dict(node.attributes)
    if AttributeIds.Value in other.attributes:
        other.attributes[AttributeIds.Value] = copy.copy(other.attributes[AttributeIds.Value])
    other.references = list(node.references)
    other.call = node.call
    return other


def _filled(service) -> None:
    nodes = service._aspace._nodes
    if not _made:
        _fill(service)
        _made.update({key: _copied(node) for key, node in nodes.items()})
    else:
        nodes.update({key: _copied(node) for key, node in _made.items()})


def fill_once() -> None:
    """From now on in this process."""
    standard_address_space.fill_address_space = _filled
