"""Names in a query that must be there: found, or a problem that says where they are listed."""

from __future__ import annotations

from analytics.beat.assessment import Assessment, Scope
from analytics.table.figure import Figure
from analytics.table.figures import figures
from api.live import LiveHub
from api.problems import Problem
from plant.model import Plant, Tag


def known_figure(scope: Scope, name: str) -> Figure:
    for figure in figures()[scope]:
        if figure.name == name:
            return figure
    raise Problem(
        404,
        "No such figure",
        f"there is no figure {name!r} of a {scope}",
        f"see figures.{scope} in /api/v1/plant",
    )


def known_entity(plant: Plant, scope: Scope, name: str) -> int:
    """Its index among the entities of the scope."""
    try:
        return plant.entities(scope).index(name)
    except ValueError:
        raise Problem(
            404,
            f"No such {scope}",
            f"there is no {scope} {name!r}",
            "see /api/v1/plant for what there is",
        ) from None


def known_tag(plant: Plant, name: str) -> Tag:
    column = plant.column_of.get(name)
    if column is None:
        raise Problem(
            404,
            "No such tag",
            f"there is no tag {name!r}",
            "a tag is entity.signal, e.g. L1-001.voltage; see `tags` in /api/v1/plant",
        )
    return plant.tags[column]


def newest_beat(live: LiveHub) -> Assessment:
    """What the newest beat came to, not rounded; 503 before the first one."""
    if live.assessment is None:
        raise Problem(
            503,
            "No beat yet",
            "potline has just started and has computed nothing so far",
            "try again in a few seconds",
            {"Retry-After": "2"},
        )
    return live.assessment
