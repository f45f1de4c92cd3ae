"""GET /api/v1/plant: what there is, in the order of every array."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from analytics.beat.assessment import SCOPES
from analytics.table.figures import figures
from api.encode import dumps
from api.shapes import PlantBody
from plant.model import Plant


def describe(plant: Plant) -> dict[str, Any]:
    tags: dict[str, list[str]] = defaultdict(list)
    for tag in plant.tags:
        tags[tag.entity].append(tag.id)
    site = plant.site
    return {
        "site": {
            "id": site.id,
            "name": site.name,
            "name_zh": site.name_zh,
            "time_zone": site.time_zone,
            "grid_region": site.grid_region,
            "currency": site.currency,
            "shifts": site.shifts,
        },
        "beat_s": plant.time.beat_s,
        "lines": [
            {
                "id": line.id,
                "name": line.name,
                "name_zh": line.name_zh,
                "technology": line.technology,
                "nominal_current_kA": line.nominal_current_kA,
                "sections": [{"id": s.id, "cells": s.cells} for s in line.sections],
                "cells": line.cells,
                "tags": tags[line.id],
            }
            for line in plant.lines
        ],
        "cells": [
            {
                "id": cell.id,
                "number": cell.number,
                "line": cell.line,
                "section": cell.section,
                "target_voltage_V": cell.target_voltage_V,
                "target_dc_kWh_per_t": cell.target_dc_kWh_per_t,
                "tags": tags[cell.id],
            }
            for cell in plant.cells
        ],
        "boilers": [
            {"id": b.id, "name": b.name, "fuel": b.fuel, "tags": tags[b.id]} for b in plant.boilers
        ],
        "meters": [
            {"id": m.id, "name": m.name, "line": m.line, "tags": tags[m.id]} for m in plant.meters
        ],
        "rectifiers": [
            {"id": r.id, "name": r.name, "line": r.line, "tags": tags[r.id]}
            for r in plant.rectifiers
        ],
        "sources": [{"id": s.id, "kind": s.kind} for s in plant.sources],
        "signals": [
            {
                "name": s.name,
                "entity": s.entity,
                "unit": s.unit,
                "kind": s.kind,
                "pace": s.pace,
                "label": s.label,
                "label_zh": s.label_zh,
            }
            for s in plant.signals.values()
        ],
        "figures": {scope: [dataclasses.asdict(f) for f in figures()[scope]] for scope in SCOPES},
        "alarms": [
            {
                "id": rule.id,
                "kind": rule.kind,
                "each": rule.each,
                "on": rule.on,
                "high": rule.high,
                "low": rule.low,
                "priority": rule.priority,
                "label": rule.label,
                "label_zh": rule.label_zh,
            }
            for rule in plant.alarms
        ],
    }


def router(plant: Plant) -> APIRouter:
    body = dumps(describe(plant))
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    routes = APIRouter(tags=["plant"])

    @routes.get("/plant", response_model=PlantBody)
    def described(request: Request) -> Response:
        """The plant as configured: lines, cells, meters, boilers, tags, figures, alarm rules.

        The order of entities and names here is the order of every column of `/live`."""
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return routes
