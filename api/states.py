"""An alarm and a source as JSON."""

from __future__ import annotations

from typing import Any, cast

from analytics.beat.assessment import Scope
from analytics.table.figures import figures
from api.source_status import SourceStatus
from api.times import iso
from plant.model import AlarmRule, Cell, Meter, Plant, Rectifier
from store.alarms import Alarm


def source_json(source: SourceStatus) -> dict[str, Any]:
    return {
        "id": source.id,
        "kind": source.kind,
        "link": source.link,
        "flowing": source.flowing,
        "age_s": round(source.age_s, 1),
        "last_error": source.last_error,
        "unresolved": len(source.unresolved),
    }


def alarm_json(plant: Plant, alarm: Alarm) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "rule": alarm.rule,
        "entity": alarm.entity,
        "line": line_of(plant, alarm.entity),
        "priority": alarm.priority,
        "state": alarm.state,
        "label": alarm.label,
        "label_zh": alarm.label_zh,
        "value": alarm.value,
        "limit": alarm.limit,
        "unit": next((unit_of(plant, r) for r in plant.alarms if r.id == alarm.rule), ""),
        "raised": iso(alarm.raised),
        "cleared": None if alarm.cleared is None else iso(alarm.cleared),
        "acknowledged": None if alarm.acknowledged is None else iso(alarm.acknowledged),
        "acknowledged_by": alarm.acknowledged_by,
        "comment": alarm.comment,
    }


def line_of(plant: Plant, entity: str) -> str:
    """The line that an entity stands in, "" for one of the whole site."""
    if entity in plant.entities("line"):
        return entity
    rows: tuple[Cell | Rectifier | Meter, ...] = (*plant.cells, *plant.rectifiers, *plant.meters)
    return next((row.line for row in rows if row.id == entity), "")


def unit_of(plant: Plant, rule: AlarmRule) -> str:
    """Unit of what a rule compares with its limits."""
    if rule.kind == "stale_source":
        return "s"
    if rule.kind == "line_current_drop":
        return "1"  # of the nominal current
    units = [s.unit for s in plant.signals.values() if (s.entity, s.name) == (rule.each, rule.on)]
    units += [f.unit for f in figures().get(cast(Scope, rule.each), ()) if f.name == rule.on]
    return units[0]
