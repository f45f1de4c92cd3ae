"""The store that the plant file asks for."""

from __future__ import annotations

from pathlib import Path

from plant.model import Plant
from store.contract import Store


def open_store(plant: Plant) -> Store:
    """The store of `plant`; nothing is made or reached before its `open` or first use."""
    if plant.store.kind == "influxdb":
        from store.influx import InfluxStore  # its client takes a second to import

        return InfluxStore(plant.store, plant)
    from store.embedded import EmbeddedStore

    return EmbeddedStore(Path(plant.store.path) / "store", plant)
