"""The voltage of every cell by its terms, for the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.cell_physics import composition
from simulators.electrochemistry import voltage_terms
from simulators.kernel import kernel


@kernel
def voltage_breakdown(nature: Any, state: Any, line_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """At the lines' currents, [A] -> electrochemistry.TERMS of each cell, [cells, 9] in V; noise
    and anode effects left out."""
    out = np.empty((len(nature), 9))
    for i in range(len(nature)):
        cell, s = nature[i], state[i]
        current = 0.0 if s.bypassed else line_A[cell.line]
        alumina, bath = composition(cell, s)
        area = cell.anode_cm2 * (1 - s.idle_area)
        terms = voltage_terms(current, s.distance_cm, alumina, s.kelvin, bath, area, cell)
        for n in range(9):
            out[i, n] = terms[n]
        out[i, 7] -= current * s.cathode_less_ohm
    return out
