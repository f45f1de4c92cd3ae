"""Reading a plant file for a command."""

from __future__ import annotations

from pathlib import Path

from analytics.table.figures import figures
from plant.load import PlantError, load
from plant.model import Plant
from potline.exits import INVALID, Failure


def load_plant(path: Path) -> Plant:
    """The plant of a file, figures of alarm rules checked too. Raises Failure with every error."""
    names = {str(scope): {f.name for f in rows} for scope, rows in figures().items()}
    try:
        return load(path, names)
    except PlantError as error:
        raise Failure(INVALID, *error.errors) from None
