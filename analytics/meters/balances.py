"""The balances that a plant's meters should close, from the plant file alone.

Totaliser against integrated rate; sub-meters against the meter that contains them; rectifier AC,
its losses and DC; DC into the line against its cells and bars; direct against indirect boiler
efficiency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analytics.meters.reconcile import Balance
from plant.model import Line, Meter, Plant, Rectifier

Way = Literal[
    "counter", "gauge", "voltage_current", "cells", "losses", "bars", "boiler", "unmeasured"
]


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow of the network and how its value comes about. `of` is the entity."""

    id: str
    way: Way
    of: str
    unit: str = "MWh"


@dataclass(frozen=True, slots=True)
class Network:
    flows: list[Flow] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)

    def flow(self, id: str, way: Way, of: str, unit: str = "MWh") -> str:
        if all(f.id != id for f in self.flows):
            self.flows.append(Flow(id, way, of, unit))
        return id

    def balance(self, name: str, whole: Sequence[str], parts: Sequence[str]) -> None:
        """Σ whole = Σ parts; once by its name."""
        if any(b.name == name for b in self.balances):
            return
        self.balances.append(Balance(name, dict.fromkeys(whole, 1.0) | dict.fromkeys(parts, -1.0)))


def plant_balances(plant: Plant) -> Network:
    """Flows [MWh, boilers %] and balances of the plant; what is not measured stays unmeasured."""
    network = Network()
    for line in plant.lines:
        _line(network, plant, line)
    for meters, name in _mains(plant):
        parts = [_energy(network, plant, part) for part in _contents(plant, meters)]
        if parts:
            whole = [_energy(network, plant, meter) for meter in meters]
            network.balance(name, whole, parts)
    instruments: list[Meter | Rectifier] = [*plant.rectifiers, *plant.meters]
    for parent in instruments:
        subs = [m for m in plant.meters if m.parent == parent.id]
        if subs and not (isinstance(parent, Meter) and parent.kind == "main"):
            parts = [_energy(network, plant, sub) for sub in subs]
            network.balance(
                f"{parent.id}: its sub-meters", [_energy(network, plant, parent)], parts
            )
    for meter in plant.meters:
        _energy(network, plant, meter)
    for boiler in plant.boilers:
        direct = network.flow(f"{boiler.id}.efficiency_direct", "boiler", boiler.id, "%")
        indirect = network.flow(f"{boiler.id}.efficiency_indirect", "boiler", boiler.id, "%")
        network.balance(f"{boiler.id}: direct and indirect efficiency", [direct], [indirect])
    return network


def _energy(network: Network, plant: Plant, meter: Meter | Rectifier) -> str:
    """The flow of a meter's energy: of its counter if it has one, held against the integral."""
    rectifier = isinstance(meter, Rectifier)
    counter, gauge = (
        f"{meter.id}.{name}"
        for name in (("ac_energy", "ac_power") if rectifier else ("energy", "power"))
    )
    measured = [tag for tag in (counter, gauge) if tag in plant.column_of]
    if len(measured) == 2:
        network.flow(counter, "counter", meter.id)
        network.flow(gauge, "gauge", meter.id)
        network.balance(f"{meter.id}: totaliser and integrated power", [counter], [gauge])
        return counter
    if not measured:
        return network.flow(gauge, "unmeasured", meter.id)
    return network.flow(measured[0], "counter" if measured[0] == counter else "gauge", meter.id)


def _line(network: Network, plant: Plant, line: Line) -> None:
    rectifiers = [r for r in plant.rectifiers if r.line == line.id]
    into = []
    for rectifier in rectifiers:
        ac = _energy(network, plant, rectifier)
        tag = f"{rectifier.id}.dc_power"
        dc = network.flow(tag, "gauge" if tag in plant.column_of else "unmeasured", rectifier.id)
        losses = network.flow(f"{rectifier.id}.losses", "losses", rectifier.id)
        network.balance(f"{rectifier.id}: AC, losses and DC", [ac], [dc, losses])
        into.append(dc)
    into += [
        _energy(network, plant, m)
        for m in plant.meters
        if m.kind == "dc_source" and m.line == line.id
    ]
    measured = all(f"{line.id}.{name}" in plant.column_of for name in ("line_voltage", "current"))
    bus = network.flow(f"{line.id}.dc", "voltage_current" if measured else "unmeasured", line.id)
    if rectifiers:
        network.balance(f"{line.id}: DC sources and DC of the line", into, [bus])
    cells = network.flow(f"{line.id}.cells", "cells", line.id)
    bars = network.flow(f"{line.id}.bars", "bars", line.id)
    network.balance(f"{line.id}: DC of the line, its cells and bars", [bus], [cells, bars])


def _mains(plant: Plant) -> Iterator[tuple[list[Meter], str]]:
    """Main meters that together measure the same: those of a line, and those of the site."""
    for line in ("", *(line.id for line in plant.lines)):
        meters = [m for m in plant.meters if m.kind == "main" and m.line == line]
        if meters:
            yield meters, f"{' + '.join(m.id for m in meters)}: what is below"


def _contents(plant: Plant, mains: Sequence[Meter]) -> list[Meter | Rectifier]:
    """What main meters contain: the line's (or, of the site, all) rectifiers and auxiliaries that
    are in no other meter, and the sub-meters that name them as parent."""
    line = mains[0].line
    own = {m.id for m in mains}
    rectifiers = [r for r in plant.rectifiers if not line or r.line == line]
    meters = [
        m
        for m in plant.meters
        if m.parent in own
        or (m.kind == "auxiliary" and not m.parent and (not line or m.line == line))
    ]
    return [*rectifiers, *meters]
