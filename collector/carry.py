"""From one plant file to another: every array goes on by the ids of what it is of.

The order of a plant's tags, cells, … is the order of every array, so another plant file has others.
What both files name goes on bit for bit, what is new begins afresh, what is gone is left out. An
alarm rule with other limits keeps what is active and begins its delays afresh.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from analytics.beat.assess import new_state
from analytics.beat.cell_state import CellState
from analytics.beat.frame import Held
from analytics.beat.layout import layout, once
from plant.batch import Batch
from plant.model import Plant

Arrays = Mapping[str, NDArray[Any]]

AXES: Mapping[str, tuple[str, int]] = {
    **{name: ("cell", -1) for name in CellState._fields},
    "closed": ("cell", 0),
    "line_sums": ("line", -1),
    "line_ns": ("line", -1),
    "gauges": ("gauge", -1),
    "counters": ("counter", -1),
    "boilers": ("boiler", -1),
    **{f"warning_{name}": ("cell", -1) for name in ("means", "noise", "sums", "held")},
    "alarm_active": ("alarm", -1),
    "alarm_timer": ("delay", -1),
    "newest": ("source", -1),
    **{f"held_{name}": ("tag", -1) for name in ("times", "values", "quality")},
}
"""What each saved array is of, and along which of its axes; others are of the site."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the arrays of a plant are of: axis -> ids in their order. calendar: where windows begin,
    blob: all of it, as a checkpoint keeps it."""

    axes: Mapping[str, tuple[str, ...]]
    calendar: str
    blob: NDArray[np.uint8]

    @classmethod
    def of(cls, plant: Plant) -> Labels:
        return once(plant, Labels, _labels)

    @classmethod
    def read(cls, blob: NDArray[np.uint8]) -> Self:
        told = orjson.loads(zlib.decompress(blob.tobytes()))
        axes = {axis: tuple(ids) for axis, ids in told["axes"].items()}
        return cls(axes, told["calendar"], blob)


def _labels(plant: Plant) -> Labels:
    rules = [
        (f"{rule.id} {rule.each} {entity}", repr((rule.kind, rule.on, rule.high, rule.low,
         rule.dead_band, rule.on_delay_s, rule.off_delay_s)))
        for rule in plant.alarms
        for entity in plant.entities(rule.each)
    ]  # fmt: skip
    meters = {
        kind: [f"{m.id}.power" for m in plant.meters if m.kind == kind]
        for kind in ("auxiliary", "dc_source")
    }
    axes: dict[str, tuple[str, ...]] = {
        "tag": tuple(tag.id for tag in plant.tags),
        "cell": plant.entities("cell"),
        "line": plant.entities("line"),
        "boiler": plant.entities("boiler"),
        "source": plant.entities("source"),
        "gauge": (  # in the order of layout(plant).gauges
            *(f"{id_}.ac_power" for id_ in plant.entities("rectifier")),
            *(f"{id_}.dc_power" for id_ in plant.entities("rectifier")),
            *meters["auxiliary"],
            *meters["dc_source"],
            f"{plant.site.id}.contracted_power",
            *(f"{id_}.fuel_flow" for id_ in plant.entities("boiler")),
        ),
        "counter": tuple(layout(plant).counters.entities),
        "alarm": tuple(alarm for alarm, _ in rules),
        "delay": tuple(f"{alarm} {limits}" for alarm, limits in rules),
    }
    site = plant.site
    calendar = repr((site.time_zone, site.shifts, plant.time.beat_s))
    formats = [repr((n, a.dtype.descr, a.shape)) for n, a in new_state(plant).arrays.items()]
    text = orjson.dumps({"calendar": calendar, "formats": formats, "axes": axes})
    return Labels(axes, calendar, np.frombuffer(zlib.compress(text), np.uint8))


@dataclass(frozen=True, slots=True)
class Move:
    """Where each thing of a plant file stood in another: axis -> int64[things], -1 for a new one.
    columns: int32[tags before], the column of each now, -1 where it is gone."""

    places: Mapping[str, NDArray[np.int64]]
    columns: NDArray[np.int32]

    @classmethod
    def of(cls, old: Plant, new: Plant) -> Self:
        return cls.between(Labels.of(old), Labels.of(new))

    @classmethod
    def between(cls, old: Labels, new: Labels) -> Self:
        places = {axis: _places(old.axes[axis], ids) for axis, ids in new.axes.items()}
        return cls(places, _places(new.axes["tag"], old.axes["tag"]).astype(np.int32))

    def carried(
        self, axis: str, was: NDArray[Any], fresh: NDArray[Any], along: int = -1
    ) -> NDArray[Any]:
        """`fresh`, and in it what `was` has of what both files name."""
        place = self.places[axis]
        stays = place >= 0
        now = fresh.copy()
        np.moveaxis(now, along, 0)[stays] = np.moveaxis(was, along, 0)[place[stays]]
        return now

    def batch(self, batch: Batch) -> Batch:
        """The rows of tags that both files name, in the columns of now."""
        tags = self.columns[batch.tags]
        return Batch(tags, batch.times, batch.values, batch.quality).take(tags >= 0)


class Columns:
    """Of a reader that stays while the plant file changes: where its columns are now."""

    def __init__(self) -> None:
        self._now: NDArray[np.int32] | None = None  # -1 where the tag is gone; None: unchanged

    def move(self, move: Move) -> None:
        gone = np.append(move.columns, np.int32(-1))
        self._now = gone if self._now is None else gone[self._now]

    def of(self, tags: NDArray[np.int32]) -> NDArray[np.int32]:
        return tags if self._now is None else self._now[tags]

    def place(self, batch: Batch) -> tuple[Batch, int]:
        """Its rows as they stand now, and how many were of tags that are gone."""
        if self._now is None:
            return batch, 0
        tags = self.of(batch.tags)
        gone = (tags < 0) & (batch.tags >= 0)
        moved = Batch(tags, batch.times, batch.values, batch.quality)
        return (moved.take(~gone) if gone.any() else moved), int(gone.sum())


def _places(old: tuple[str, ...], new: tuple[str, ...]) -> NDArray[np.int64]:
    at = {id_: i for i, id_ in enumerate(old)}
    return np.array([at.get(id_, -1) for id_ in new], np.int64)


def carried(
    plant: Plant, arrays: Arrays, move: Move | None = None
) -> dict[str, NDArray[Any]] | None:
    """What was saved under any plant file, as it is under this one. None: it cannot be, since
    another version of potline saved it, or the windows begin at other times. move: from the one to
    the other, if it is known already."""
    if "labels" not in arrays:
        return None
    now = Labels.of(plant)
    if arrays["labels"].tobytes() == now.blob.tobytes():
        return dict(arrays)
    before = Labels.read(arrays["labels"])
    fresh = _fresh(plant)
    if before.calendar != now.calendar or arrays.keys() != fresh.keys():
        return None
    if any(not _fits(name, arrays[name], array, before) for name, array in fresh.items()):
        return None
    move = move or Move.between(before, now)
    return {
        name: move.carried(AXES[name][0], arrays[name], array, AXES[name][1])
        if name in AXES
        else (array if name == "labels" else arrays[name])
        for name, array in fresh.items()
    }


def _fresh(plant: Plant) -> Arrays:
    held = Held.nothing(len(plant.tags))
    return {
        **new_state(plant).arrays,
        "held_times": held.times,
        "held_values": held.values,
        "held_quality": held.quality,
        "labels": Labels.of(plant).blob,
    }


def _fits(name: str, was: NDArray[Any], fresh: NDArray[Any], before: Labels) -> bool:
    """Of the same kind, and as many as its labels say."""
    if name == "labels":
        return True
    shape = list(fresh.shape)
    if name in AXES:
        axis, along = AXES[name]
        shape[along] = len(before.axes[axis])
    return was.dtype == fresh.dtype and was.shape == tuple(shape)
