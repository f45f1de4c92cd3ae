"""The bath's properties and the voltage of a reduction cell by its terms. domain.md §7.1-7.3.

Written apart from `analytics` on purpose: a simulator must not check a formula with itself.
Bath composition is (AlF3 in excess, CaF2, LiF, MgF2, KF) in wt %.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

from simulators.kernel import part

FARADAY = 96485.33212  # C/mol
GAS = 8.314462618  # J/mol/K
KELVIN = 273.15
ALUMINIUM, ALUMINA = 26.9815385e-3, 101.961276e-3  # kg/mol

Bath = tuple[float, float, float, float, float]
Terms = tuple[float, float, float, float, float, float, float, float, float]
TERMS = ("reversible_V", "anode_overvoltage_V", "anode_concentration_V", "cathode_concentration_V",
         "bath_V", "bubble_V", "anode_V", "cathode_V", "external_V")  # fmt: skip

FANNING = 1.10
_LEAN_PERCENT = 1.0  # alumina at which bubbles cover the anode
_COVERAGE = 0.9  # Haupin's covered share of the anode is scaled by this


@part
def liquidus(alumina: float, bath: Bath) -> float:
    """Where cryolite begins to freeze. [wt %] -> [°C]. Solheim et al. 1996."""
    a, c, lithium, magnesium, potassium = bath
    a = max(a, 0.0)
    w, ca = alumina, c * a
    return float(
        1011 + 0.50 * a - 0.13 * a**2.2 - 3.45 * c / (1 + 0.0173 * c) + 0.124 * ca
        - 0.00542 * ca * sqrt(ca)
        - 7.93 * w / (1 + 0.0936 * w - 0.0017 * w * w - 0.0023 * a * w)
        - 8.90 * lithium / (1 + 0.0047 * lithium + 0.0010 * a * a)
        - 3.95 * magnesium - 3.95 * potassium
    )  # fmt: skip


@part
def conductivity(alumina: float, kelvin: float, bath: Bath) -> float:
    """Of the bath, [S/cm]. Hives et al. 1996."""
    a, c, lithium, magnesium, potassium = bath
    solvent = (
        1.977 - 0.0131 * a - 0.0060 * c - 0.0106 * magnesium - 0.0019 * potassium + 0.0121 * lithium
    )
    return exp(solvent - 0.0200 * alumina - 1204.3 / kelvin)


@part
def saturation(kelvin: float, bath: Bath) -> float:
    """Alumina that the bath can dissolve, [wt %]. Skybakmoen et al. 1997."""
    a, c, lithium, magnesium, _ = bath
    scale = 11.9 - 0.062 * a - 0.0031 * a * a - 0.5 * lithium - 0.2 * c - 0.3 * magnesium
    scale += 42 * a * lithium / (2000 + a * lithium)
    power = 4.8 - 0.048 * a
    power += 2.2 * lithium * sqrt(lithium) / (10 + lithium + 0.001 * a * a * a)
    return float(scale * ((kelvin - KELVIN) / 1000) ** power)


@part
def bath_ratio(alumina: float, bath: Bath) -> float:
    """NaF/AlF3 by weight."""
    a, c, lithium, magnesium, _ = bath
    x = a / (100 - alumina - c - lithium - magnesium)
    return (1 - x) / (2 / 3 + x)


@part
def critical_density(alumina: float, kelvin: float, one_anode: float) -> float:
    """Where an anode effect starts, [A/cm²]; one_anode: its area [cm²] to the power -0.1.
    Piontelli; Grjotheim and Welch."""
    root = sqrt(max(alumina, 0.0))
    return (5.5 + 0.018 * (kelvin - 1323.0)) * one_anode * max(root - 0.4, 0.01)


@part
def voltage_terms(
    current_A: float,
    distance_cm: float,
    alumina: float,
    kelvin: float,
    bath: Bath,
    anode_cm2: float,
    cell: Any,
) -> Terms:
    """TERMS without noise and anode effect, [V]. anode_cm2 carries the current; cell: a row of
    `cell_state.NATURE`. Densities are floored so that their logarithms exist at zero current.
    Haupin 1998."""
    fanned = FANNING * anode_cm2
    i = max(current_A / fanned, 1e-3)
    cathode = max(current_A / cell.cathode_cm2, 1e-3)
    alumina = max(alumina, 0.05)
    share = min(alumina / saturation(kelvin, bath), 1.0)
    activity = share * (-0.03791 + share * (2.364 + share * (-2.194 + share * 0.8686)))
    thermal = GAS * kelvin / FARADAY  # V
    ratio = bath_ratio(alumina, bath)

    reversible = 1.896 - 0.000572 * kelvin - thermal / 6 * log(max(activity, 1e-4))
    critical = max(critical_density(alumina, kelvin, cell.one_anode), 1.02 * i)
    concentration = thermal / 2 * log(critical / (critical - i))
    reaction = kelvin / 12533 * log(max(i / (0.0029 * alumina**0.56), 1.0))
    cathodic = thermal / 1.5 * (1.375 - 0.25 * ratio) * log(max(cathode / 0.257, 1.0))

    bubble_cm = (0.5517 + i) / (1 + 2.167 * i)
    lean = max(alumina - _LEAN_PERCENT, 0.0)
    covered = _COVERAGE * (
        0.509 + i * (0.1823 + i * (-0.1723 + i * 0.05504))
        + (0.4322 - 0.3781 * ratio) / (1 + 1.637 * ratio)
        + (0.431 - 0.1437 * lean) / (1 + 7.353 * lean)
    )  # fmt: skip
    per_cm = current_A / (conductivity(alumina, kelvin, bath) * fanned)
    bubbles = per_cm * bubble_cm * covered / (1 - min(covered, 0.95))
    return (
        reversible,
        reaction,
        concentration,
        cathodic,
        per_cm * (distance_cm - bubble_cm),
        bubbles,
        current_A * cell.anode_ohm,
        current_A * cell.cathode_ohm,
        current_A * cell.external_ohm,
    )
