"""From the unit on the wire to the unit of the signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.model import Plant


@dataclass(frozen=True, slots=True)
class Scaling:
    """Wire to signal unit, per tag column: signal = wire * scale + offset."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, plant: Plant) -> Scaling:
        return cls(
            np.array([t.scale for t in plant.tags], np.float64),
            np.array([t.offset for t in plant.tags], np.float64),
        )

    def apply(self, columns: NDArray[np.int32], wire: NDArray[np.float64]) -> NDArray[np.float64]:
        return wire * self.scale[columns] + self.offset[columns]
