"""What `assess` takes and gives beside the frame: state in, state and assessment out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Scope = Literal["cell", "line", "boiler", "site"]
SCOPES: tuple[Scope, ...] = ("cell", "line", "boiler", "site")

ANODE_EFFECT = np.dtype(
    [
        ("cell", np.int32),
        ("start", np.int64),  # ns, first sample above the threshold; with `cell` the event's key
        ("end", np.int64),  # ns, last sample above + its dt
        ("above_s", np.float64),
        ("elapsed_s", np.float64),
        ("max_V", np.float64),
        ("mean_V", np.float64),  # mean of the samples above the threshold, time-weighted
        ("runs", np.int32),
        ("incomplete", np.bool_),
    ]
)
"""One anode effect as known so far. Emitted again, same key, when a merged run extends it."""

TRANSITION = np.dtype(
    [
        ("rule", np.int32),  # index into plant.alarms
        ("entity", np.int32),  # index into plant.entities(rule.each)
        ("active", np.bool_),  # True: raised, False: cleared
        ("time", np.int64),  # ns, end of the beat
        ("value", np.float64),
    ]
)
"""An alarm raised or cleared."""


@dataclass(frozen=True, slots=True)
class State:
    """Plain arrays, saved and restored as such. `assess` consumes the state it is given: who wants
    to keep one takes a copy first."""

    arrays: Mapping[str, NDArray[Any]]

    def copy(self) -> State:
        return State({name: array.copy() for name, array in self.arrays.items()})

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        save: Any = np.savez  # its stub takes **arrays for its own keyword
        save(buffer, **self.arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, blob: bytes) -> State:
        with np.load(io.BytesIO(blob), allow_pickle=False) as file:
            return cls({name: file[name] for name in file.files})


@dataclass(frozen=True, slots=True)
class Assessment:
    """The figures and events of one frame.

    figures[scope] is float64[figures of the scope, entities of the scope], rows in the order of
    `analytics.figures.figures()[scope]`, columns in the order of `plant.entities(scope)`.
    """

    time: int  # ns, end of the beat
    figures: Mapping[Scope, NDArray[np.float64]]
    anode_effects: NDArray[np.void]  # ANODE_EFFECT[k]
    transitions: NDArray[np.void]  # TRANSITION[k]
