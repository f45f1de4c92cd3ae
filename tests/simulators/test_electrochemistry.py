"""The simulator's own equations against published and worked numbers of domain.md §7."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from plant.batch import SECOND
from plant.model import Plant
from simulators.breakdown import voltage_breakdown
from simulators.cell_state import new_cells
from simulators.electrochemistry import TERMS, bath_ratio, conductivity, liquidus, saturation
from simulators.reality import AS_CONFIGURED, draw


@njit
def properties(alumina, kelvin, bath):
    return (
        liquidus(alumina, bath),
        bath_ratio(alumina, bath),
        conductivity(alumina, kelvin, bath),
        saturation(kelvin, bath),
    )


def test_liquidus_and_bath_ratio_of_the_worked_bath() -> None:
    """A 11, C 5, w 2.5 -> 962.734 °C, BR 1.1216 (domain.md §7.1, §2)."""
    liquid_C, ratio, kappa, saturated = properties(2.5, 1231.15, (11.0, 5.0, 0.0, 0.0, 0.0))
    assert liquid_C == pytest.approx(962.734, abs=5e-4)
    assert ratio == pytest.approx(1.1216, abs=5e-5)
    assert kappa == pytest.approx(np.exp(1.977 - 0.05 - 0.1441 - 0.03 - 1204.3 / 1231.15))
    # by hand: (11.9 - 0.682 - 0.3751 - 1.0) · 0.958^4.272
    assert saturated == pytest.approx(9.8429 * 0.958**4.272, rel=1e-4)


def test_reference_bath_has_ten_kelvin_of_superheat() -> None:
    """A 10.5, C 5, L 1.5, M 0.4, K 1, w 2.4: liquidus 947.95 °C, bath 958 °C (domain.md §7.3)."""
    liquid_C, *_ = properties(2.4, 1231.15, (10.5, 5.0, 1.5, 0.4, 1.0))
    assert liquid_C == pytest.approx(947.95, abs=0.01)


def test_voltage_by_terms_of_the_reference_cell(demo: Plant) -> None:
    """3.99 cm, 958 °C, w 2.4 %: the breakdown of domain.md §2."""
    cells = new_cells(demo, SECOND, 1, draw(demo, 1, AS_CONFIGURED))
    state, bath = cells.state, 12_000.0
    state["distance_cm"], state["kelvin"], state["idle_area"] = 3.99, 958 + 273.15, 0.0
    state["dissolved_kg"], state["alf3_kg"] = 0.024 * bath, 0.105 * bath
    state["cryolite_kg"] = bath * (1 - 0.024 - 0.105 - 0.079)
    cells.nature["anode_ohm"] = 0.5e-6
    volts = voltage_breakdown(cells.nature, state, np.full(2, 6e5))[0]
    terms = dict(zip(TERMS, volts, strict=True))
    expected = {
        "reversible_V": 1.224, "anode_overvoltage_V": 0.498, "anode_concentration_V": 0.031,
        "cathode_concentration_V": 0.079, "bath_V": 1.187, "bubble_V": 0.194, "anode_V": 0.300,
        "cathode_V": 0.270, "external_V": 0.168,
    }  # fmt: skip
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, abs=0.003), name
    assert sum(terms.values()) == pytest.approx(3.950, abs=0.004)
