"""The voltage by its terms: the 600 kA reference cell, known slips, anode effect, properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate, formulas, voltage
from analytics.formula.bath import Bath
from analytics.kernel import kernel
from plant.factors import shipped_factors


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


CELL = dict(formulas()["voltage_breakdown"].example)
GAS_PER_FARADAY = 8.314462618 / 96485.33212
DESIGN = voltage.Design(56.0, 175.0 * 74.0, 8.4e5, 0.50, 0.45, 0.28, 1.10, 1.0, 0.9)


def breakdown(**changes):
    return compute("voltage_breakdown", **{**CELL, **changes})


def test_reference_cell_of_600_kA():
    # a prototype's breakdown of the same cell, made apart from this code
    expected = {
        "reversible_V": 1.224,
        "anode_overvoltage_V": 0.498,
        "anode_concentration_V": 0.031,
        "cathode_concentration_V": 0.079,
        "bath_V": 1.187,
        "bubble_V": 0.194,
        "anode_V": 0.300,
        "cathode_V": 0.270,
        "external_V": 0.168,
        "voltage_V": 3.950,
    }
    found = breakdown()
    assert found == pytest.approx(expected, abs=6e-4)
    assert sum(found.values()) == pytest.approx(2 * found["voltage_V"], rel=1e-12)


def test_distance_and_alumina_move_the_voltage_as_known():
    # about 0.345 V/cm; by hand I/(κ f A) = 0.75214/2.21504
    per_cm = breakdown(distance_cm=4.49)["voltage_V"] - breakdown(distance_cm=3.49)["voltage_V"]
    assert per_cm == pytest.approx(0.345, rel=0.02)
    assert per_cm == pytest.approx(0.75214 / 2.21504, rel=1e-5)
    # the prototype's curve over alumina at 955 degC and 4.4 cm, against its value at 2.5 %
    curve = {1.2: 0.202, 1.5: 0.081, 2.0: 0.023, 3.0: -0.010, 5.0: -0.007}
    at = {
        w: breakdown(alumina=w, temperature_C=955, distance_cm=4.4)["voltage_V"]
        for w in (*curve, 2.5, 3.75)
    }
    for alumina, above in curve.items():
        assert at[alumina] - at[2.5] == pytest.approx(above, abs=1.1e-3)
    assert at[3.75] == min(at.values())  # the minimum lies at 3.5 to 4 %


def test_reversible_voltage():
    # 1.20 to 1.24 V near 960 degC; at saturation the activity is 1 and 1.896 − 0.000572 T is left
    assert voltage.alumina_activity(8.0, 8.0) == pytest.approx(1, abs=1e-3)
    pure = voltage.reversible_voltage(1.0, 1233.15, GAS_PER_FARADAY)
    assert pure == pytest.approx(1.1906, abs=5e-5)
    # RT/12F·ln(1/a²) with a = ROS^2.77 is RT/6F·2.77·ln(1/ROS), not (ln(1/ROS))^2.77
    ratio = 0.3
    lean = voltage.reversible_voltage(ratio**2.77, 1233.15, GAS_PER_FARADAY) - pure
    expected = GAS_PER_FARADAY * 1233.15 / 6 * 2.77 * np.log(1 / ratio)
    assert lean == pytest.approx(expected, rel=1e-12)
    # the shipped polynomial stays near that power where cells work
    for share in (0.25, 0.35, 0.5):
        polynomial = voltage.alumina_activity(share, 1.0)
        gap = GAS_PER_FARADAY * 1233.15 / 6 * np.log(polynomial / share**2.77)
        assert abs(gap) < 0.03


def test_anode_effect_has_no_voltage():
    assert "anode effect" in refused("voltage_breakdown", **{**CELL, "alumina": 0.9})
    lean = {**CELL, "alumina": 1.1, "current_kA": 900}
    assert "anode effect" in refused("voltage_breakdown", **lean)
    # exactly at the critical density too: η = RT/2F ln(i_crit/0)
    critical = float(voltage.critical_current_density(2.4, 175 * 74, 958 + 273.15))
    at = critical * 1.10 * 56 * 175 * 74 / 1000
    assert "anode effect" in refused("voltage_breakdown", **{**CELL, "current_kA": at * (1 + 1e-9)})
    # just below it the concentration overvoltage is still finite, and far above the usual 31 mV
    assert breakdown(current_kA=at * 0.999)["anode_concentration_V"] > 0.3


def test_too_little_current_has_no_overvoltage():
    # of the reference cell: 0.0029·2.4^0.56 = 0.00473 A/cm2 of 797 720 cm2, 0.257 of 840 000 cm2
    assert "Eq 26" in refused("voltage_breakdown", **{**CELL, "current_kA": 1})
    assert "Eq 26" in refused("voltage_breakdown", **{**CELL, "current_kA": 3.77})
    assert "Eq 28" in refused("voltage_breakdown", **{**CELL, "current_kA": 3.78})
    assert "Eq 28" in refused("voltage_breakdown", **{**CELL, "current_kA": 215.8})
    least = breakdown(current_kA=215.9)
    assert least["cathode_concentration_V"] == pytest.approx(0, abs=1e-4)
    assert min(least.values()) >= 0


def test_a_bath_below_its_liquidus_is_said():
    # that of this bath is 947.95 degC
    for celsius, frozen in ((947, True), (949, False)):
        found = evaluate("voltage_breakdown", {**CELL, "temperature_C": celsius}, shipped_factors())
        assert any("would freeze" in note for note in found.notes) == frozen


def test_impossible_cells():
    assert "dissolves" in refused("voltage_breakdown", **{**CELL, "alumina": 9})
    assert "bubbles" in refused("voltage_breakdown", **{**CELL, "distance_cm": 0.4})
    assert "whole" in refused("voltage_breakdown", **{**CELL, "anodes": 55.5})
    assert "come to" in refused("voltage_breakdown", **{**CELL, "caf2": 30, "lif": 30, "kf": 30})
    refused("voltage_breakdown", **{**CELL, "current_kA": 0})
    without = {name: value for name, value in CELL.items() if name != "distance_cm"}
    assert "distance_cm is missing" in refused("voltage_breakdown", **without)


def test_typical_parameters_are_called_unverified():
    notes = evaluate("voltage_breakdown", CELL, shipped_factors()).notes
    assert any("fanning_factor" in note and "unverified" in note for note in notes)
    own = {"fanning_factor": 1.1, "critical_alumina": 1.0, "k_phi": 0.9}
    assert evaluate("voltage_breakdown", {**CELL, **own}, shipped_factors()).notes == []


@given(
    st.floats(1.5, 6),
    st.floats(400, 640),
    st.floats(3, 6),
    st.floats(0.01, 2),
    st.floats(0.01, 100),
)
def test_voltage_rises_with_distance_and_current(alumina, current, distance, wider, more):
    at = breakdown(alumina=alumina, current_kA=current, distance_cm=distance)
    apart = breakdown(alumina=alumina, current_kA=current, distance_cm=distance + wider)
    strong = breakdown(alumina=alumina, current_kA=current + more, distance_cm=distance)
    assert at["voltage_V"] < apart["voltage_V"]
    assert at["voltage_V"] < strong["voltage_V"]
    assert at["bubble_V"] == apart["bubble_V"]
    assert min(at.values()) > 0


def test_arrays_and_kernels_give_the_numbers_of_the_formula():
    alumina = np.array([1.8, 2.4, 3.6])

    @kernel
    def compiled(values, design, gas):
        out = np.empty(len(values))
        for i in range(len(values)):
            salts = Bath(values[i], 10.5, 5.0, 1.5, 0.4, 1.0)
            out[i] = sum(voltage.voltage_terms(salts, design, 958.0, 600.0, 3.99, gas))
        return out

    plain = [breakdown(alumina=value)["voltage_V"] for value in alumina.tolist()]
    np.testing.assert_allclose(compiled(alumina, DESIGN, GAS_PER_FARADAY), plain, rtol=1e-13)
    salts = Bath(alumina, 10.5, 5.0, 1.5, 0.4, 1.0)
    terms = voltage.voltage_terms(salts, DESIGN, 958.0, 600.0, 3.99, GAS_PER_FARADAY)
    np.testing.assert_allclose(sum(terms), plain, rtol=1e-13)
