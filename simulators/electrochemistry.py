"""The voltage of a reduction cell by its terms (Haupin 1998), one fixed bath. domain.md §7.1-7.3.

Written apart from `analytics` on purpose: a simulator must not check a formula with itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FARADAY = 96485.33212  # C/mol
GAS = 8.314462618  # J/mol/K
KELVIN = 273.15

# Bath of the 600 kA reference cell, wt %: excess AlF3, CaF2, LiF, MgF2, KF (domain.md §7.3)
_A, _C, _L, _M, _K = 10.5, 5.0, 1.5, 0.4, 1.0
_X = _A / (100 - 2.5 - _C - _L - _M)
BATH_RATIO = (1 - _X) / (2 / 3 + _X)  # NaF/AlF3 by weight

ANODE_CM2 = 175.0 * 74.0  # one anode
FANNING = 1.10
ANODES_AT_600_KA = 56
CATHODE_CM2_AT_600_KA = 8.4e5
ANODE_OHM, CATHODE_OHM, EXTERNAL_OHM = 0.50e-6, 0.45e-6, 0.28e-6  # at 600 kA
_LEAN_PERCENT = 1.0  # alumina at which bubbles cover the anode


@dataclass(frozen=True, slots=True)
class Size:
    """Geometry scaled from the 600 kA cell so that current densities stay the same; [cells]."""

    scale: Array  # nominal current / 600 kA

    @property
    def anode_cm2(self) -> Array:
        return ANODES_AT_600_KA * ANODE_CM2 * self.scale

    @property
    def cathode_cm2(self) -> Array:
        return CATHODE_CM2_AT_600_KA * self.scale


def anode_density(current_A: Array, size: Size) -> Array:
    """Current density under the anodes, [A/cm²], floored so that its logarithm exists at zero."""
    return np.maximum(current_A / (FANNING * size.anode_cm2), 1e-3)


def critical_density(alumina: Array, kelvin: Array) -> Array:
    """Where an anode effect starts. [wt %], [K] -> [A/cm²]. Piontelli, domain.md §7.2."""
    root = np.sqrt(np.maximum(alumina, 0.0))
    slope = (5.5 + 0.018 * (kelvin - 1323.0)) * ANODE_CM2**-0.1
    return np.asarray(slope * np.maximum(root - 0.4, 0.01))


def conductivity(alumina: Array, kelvin: Array) -> Array:
    """Of the bath, [S/cm]. Hives et al. 1996, domain.md §7.1."""
    bath = 1.977 - 0.0131 * _A - 0.0060 * _C - 0.0106 * _M - 0.0019 * _K + 0.0121 * _L
    return np.asarray(np.exp(bath - 0.0200 * alumina - 1204.3 / kelvin))


def saturation(kelvin: Array) -> Array:
    """Alumina the bath can dissolve, [wt %]. Skybakmoen 1997, domain.md §7.1."""
    a = 11.9 - 0.062 * _A - 0.0031 * _A**2 - 0.5 * _L - 0.2 * _C - 0.3 * _M
    a += 42 * _A * _L / (2000 + _A * _L)
    b = 4.8 - 0.048 * _A + 2.2 * _L**1.5 / (10 + _L + 0.001 * _A**3)
    return np.asarray(a * ((kelvin - KELVIN) / 1000) ** b)


def voltage_per_cm(current_A: Array, alumina: Array, kelvin: Array, size: Size) -> Array:
    """What one centimetre of anode-cathode distance costs, [V/cm]."""
    return current_A / (conductivity(alumina, kelvin) * FANNING * size.anode_cm2)


def cell_voltage(
    current_A: Array, distance_cm: Array, alumina: Array, kelvin: Array, size: Size
) -> Array:
    """Voltage without noise and anode effect, external busbar included, [V].

    current_A, distance_cm (anode to cathode), alumina [wt %, dissolved], kelvin: all [cells].
    """
    i = anode_density(current_A, size)
    cathode = np.maximum(current_A / size.cathode_cm2, 1e-3)
    share = np.minimum(alumina / saturation(kelvin), 1.0)
    activity = -0.03791 * share + 2.364 * share**2 - 2.194 * share**3 + 0.8686 * share**4
    thermal = GAS * kelvin / FARADAY  # V

    reversible = 1.896 - 0.000572 * kelvin - thermal / 6 * np.log(np.maximum(activity, 1e-4))
    critical = np.maximum(critical_density(alumina, kelvin), 1.02 * i)
    concentration = thermal / 2 * np.log(critical / (critical - i))
    reaction = kelvin / 12533 * np.log(np.maximum(i / (0.0029 * alumina**0.56), 1.0))
    cathodic = (
        thermal / 1.5 * (1.375 - 0.25 * BATH_RATIO) * np.log(np.maximum(cathode / 0.257, 1.0))
    )

    bubble_cm = (0.5517 + i) / (1 + 2.167 * i)
    lean = np.maximum(alumina - _LEAN_PERCENT, 0.0)
    covered = 0.9 * (
        0.509 + 0.1823 * i - 0.1723 * i**2 + 0.05504 * i**3
        + (0.4322 - 0.3781 * BATH_RATIO) / (1 + 1.637 * BATH_RATIO)
        + (0.431 - 0.1437 * lean) / (1 + 7.353 * lean)
    )  # fmt: skip
    per_cm = voltage_per_cm(current_A, alumina, kelvin, size)
    bath = per_cm * (distance_cm - bubble_cm)
    bubbles = per_cm * bubble_cm * covered / (1 - np.minimum(covered, 0.95))

    ohmic = current_A * (ANODE_OHM + CATHODE_OHM + EXTERNAL_OHM) / size.scale
    return np.asarray(reversible + concentration + reaction + cathodic + bath + bubbles + ohmic)
