"""The bath's properties: published points, known slips of public code, properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, bath, evaluate
from analytics.kernel import kernel
from plant.factors import shipped_factors


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


FACTORS = shipped_factors()
BATH = {"alumina": 2.5, "alf3": 11, "caf2": 5}
PART = st.floats(0, 5)
COMPOSITION = st.fixed_dictionaries(
    {
        "alumina": st.floats(0.5, 8),
        "alf3": st.floats(0, 16),
        "caf2": st.floats(0, 8),
        "lif": PART,
        "mgf2": PART,
        "kf": PART,
    }
)


def test_liquidus():
    assert compute("liquidus", **BATH)["temperature_C"] == pytest.approx(962.734, abs=5e-4)
    assert compute("liquidus", **BATH)["superheat_C"] is None
    warm = compute("liquidus", **BATH, temperature_C=970)["superheat_C"]
    assert warm == pytest.approx(7.266, abs=5e-4)
    # pure cryolite melts at 1011 degC in this equation
    assert compute("liquidus", alumina=0, alf3=0)["temperature_C"] == 1011
    # a bath with all salts, as the 600 kA reference cell: 947.95
    full = compute("liquidus", alumina=2.4, alf3=10.5, caf2=5, lif=1.5, mgf2=0.4, kf=1)
    assert full["temperature_C"] == pytest.approx(947.95, abs=5e-3)


def test_liquidus_falls_with_alf3():
    # public code has + 0.061 A^1.5 in place of − 0.13 A^2.2: AlF3 would raise the liquidus
    binary = compute("liquidus", alumina=0, alf3=11)["temperature_C"]
    assert binary == pytest.approx(1011 + 5.5 - 25.41, abs=5e-3)
    falling = [
        compute("liquidus", alumina=2.5, alf3=a, caf2=5)["temperature_C"] for a in (5, 8, 11, 14)
    ]
    assert falling == sorted(falling, reverse=True)


def test_each_salt_lowers_the_liquidus():
    at = compute("liquidus", **BATH)["temperature_C"]
    for salt, slope in (("mgf2", 3.95), ("kf", 3.95)):
        found = compute("liquidus", **BATH, **{salt: 1})["temperature_C"]
        assert at - found == pytest.approx(slope, rel=1e-9)
    # by hand: 8.90·2/(1 + 0.0094 + 0.121)
    lithium = compute("liquidus", **BATH, lif=2)["temperature_C"]
    assert at - lithium == pytest.approx(17.8 / 1.1304, rel=1e-9)


def test_bath_ratio_three_ways():
    found = compute("bath_ratio", **BATH)
    assert found["bath_ratio"] == pytest.approx(1.1216, abs=5e-5)
    assert found["cryolite_ratio"] == pytest.approx(2.2431, abs=5e-5)
    # the other published form: 1.5 (100 − C − w − A)/((100 − C − w) + 1.5 A)
    assert found["bath_ratio"] == pytest.approx(1.5 * 81.5 / (92.5 + 16.5), rel=1e-12)
    for way in ("bath_ratio", "cryolite_ratio"):
        back = compute("bath_ratio", alumina=2.5, caf2=5, **{way: found[way]})
        assert back["alf3"] == pytest.approx(11, rel=1e-12)
    # cryolite alone is 3 NaF to 1 AlF3
    assert compute("bath_ratio", alumina=0, alf3=0)["cryolite_ratio"] == pytest.approx(3)
    assert "give one of" in refused("bath_ratio", alumina=2.5)
    assert "give one of" in refused("bath_ratio", alumina=2.5, alf3=11, cryolite_ratio=2.2)


@given(COMPOSITION)
def test_bath_ratio_and_excess_alf3_are_inverse(parts):
    ratio = compute("bath_ratio", **parts)["bath_ratio"]
    others = {name: value for name, value in parts.items() if name != "alf3"}
    back = compute("bath_ratio", **others, bath_ratio=ratio)["alf3"]
    assert back == pytest.approx(parts["alf3"], abs=1e-9)


def test_conductivity():
    # by hand: ln κ = 1.977 − 0.05 − 0.1441 − 0.03 − 1204.3/1233.15 = 0.77630
    hives = compute("bath_conductivity", **BATH, temperature_C=960)["conductivity_S_per_cm"]
    assert hives == pytest.approx(np.exp(1.7529 - 1204.3 / 1233.15), rel=1e-12)
    # pure cryolite near 1000 degC conducts 2.8 S/cm (Grjotheim & Welch)
    cryolite = compute("bath_conductivity", alumina=0, alf3=0, temperature_C=1000)
    assert cryolite["conductivity_S_per_cm"] == pytest.approx(2.8, abs=0.05)
    wang = compute("bath_conductivity", **BATH, temperature_C=960, method="wang")
    assert wang["conductivity_S_per_cm"] == pytest.approx(hives, rel=0.1)


def test_lithium_helps_and_potassium_hinders_conduction():
    at = compute("bath_conductivity", **BATH, temperature_C=960)["conductivity_S_per_cm"]
    for salt, slope in (("lif", 0.0121), ("kf", -0.0019), ("mgf2", -0.0106), ("caf2", -0.0060)):
        more = {**BATH, salt: BATH.get(salt, 0) + 1}
        found = compute("bath_conductivity", **more, temperature_C=960)["conductivity_S_per_cm"]
        assert np.log(found / at) == pytest.approx(slope, rel=1e-9)
    assert "no term for KF" in refused(
        "bath_conductivity", **BATH, kf=1, temperature_C=960, method="wang"
    )


@given(COMPOSITION)
def test_wangs_ratio_is_the_bath_ratio_without_lif_and_mgf2(parts):
    w, a, c = parts["alumina"], parts["alf3"], parts["caf2"]
    ratio = bath.bath_ratio(w, a, c, 0, 0, 0)
    expected = np.exp(1.9362 + 0.3092 * ratio - 0.004132 * c - 0.01755 * w - 1751.1 / 1233.15)
    # 83.98 is twice 41.99, so that moles over moles halve to weights
    assert bath.conductivity_wang(w, a, c, 0, 0, 960) == pytest.approx(expected, rel=1e-12)


def test_saturation():
    # by hand: a = 9.8429, B = 4.272 -> 9.8429·0.96^4.272
    found = compute("alumina_saturation", alf3=11, caf2=5, temperature_C=960)["alumina_percent"]
    assert found == pytest.approx(9.8429 * 0.96**4.272, rel=1e-12)
    notes = evaluate("alumina_saturation", {**BATH, "temperature_C": 960}, shipped_factors()).notes
    assert notes == ["alumina = 2.5 % is 30% of it"]
    # LiF: + 2.2 L^1.5/(10 + L + 0.001 A³) in the exponent, with the cube
    lithium = compute("alumina_saturation", alf3=10, lif=4, temperature_C=1000)["alumina_percent"]
    assert lithium == pytest.approx(11.9 - 0.62 - 0.31 - 2 + 1680 / 2040, rel=1e-12)
    cold = compute("alumina_saturation", alf3=10, lif=4, temperature_C=900)["alumina_percent"]
    assert np.log(cold / lithium) / np.log(0.9) == pytest.approx(4.32 + 17.6 / 15, rel=1e-9)


def said(name, **given):
    return " ".join(evaluate(name, given, shipped_factors()).notes)


def test_what_is_far_from_the_baths_of_cells_is_said():
    odd = {"alumina": 10, "alf3": 30, "caf2": 10}
    assert compute("liquidus", **odd)["temperature_C"] < 900
    assert "below 900 degC" in said("liquidus", **odd)
    assert said("liquidus", **BATH) == ""
    assert "no fractions" in said("liquidus", alumina=0.025, alf3=0.11, caf2=0.05)
    assert said("liquidus", alumina=0, alf3=0) == ""


def test_recalled_terms_are_called_unverified():
    for salt in ("lif", "kf"):
        assert "unverified" in said("liquidus", **BATH, **{salt: 1})
    assert said("liquidus", **BATH, mgf2=1, lif=0) == ""
    assert "KF is counted" in said("bath_ratio", **BATH, kf=1)
    assert said("bath_ratio", **BATH) == ""


def test_too_many_salts_dissolve_no_alumina():
    asked = {"alf3": 11, "temperature_C": 960}
    assert "come to 120 %" in refused(
        "alumina_saturation", **{**asked, "alf3": 30}, caf2=30, lif=30, kf=30
    )
    assert "from 850 to 1050 degC" in refused("alumina_saturation", **asked, caf2=30, mgf2=30)
    # alumina counts where it is given
    assert "come to 100 %" in refused(
        "alumina_saturation", **{**asked, "alf3": 30}, alumina=10, caf2=30, lif=30
    )


def test_a_basic_bath_has_too_little_alf3():
    # cryolite ratio 3.2: 0.0400 of AlF3 is missing; by hand (1 − 3.2/3)/(1 + 1.6)·92.5
    basic = evaluate("bath_ratio", {"alumina": 2.5, "caf2": 5, "cryolite_ratio": 3.2}, FACTORS)
    assert basic.results["alf3"] == pytest.approx(-0.2 / 3 / 2.6 * 92.5, rel=1e-12)
    assert basic.notes == ["alf3 is negative: NaF is in excess of cryolite"]
    back = compute("bath_ratio", alumina=2.5, caf2=5, alf3=basic.results["alf3"])
    assert back["cryolite_ratio"] == pytest.approx(3.2, rel=1e-12)
    # 30 of 40 parts: cryolite is AlF3 to two fifths
    salts = {"alumina": 15, "caf2": 15, "lif": 30}
    assert "than the cryolite holds" in refused("bath_ratio", **salts, alf3=-30)
    assert "come to 105 %" in refused("bath_ratio", **{**salts, "caf2": 30}, kf=30, alf3=-30)
    assert "come to 105 %" in refused(
        "bath_ratio", **{**salts, "caf2": 30}, kf=30, cryolite_ratio=2.2
    )


@given(COMPOSITION, st.floats(920, 1000), st.floats(920, 1000))
def test_heat_helps(parts, one, other):
    low, high = sorted((one, other))
    dissolved = {name: value for name, value in parts.items() if name != "alumina"}
    for name, given_, result in (
        ("bath_conductivity", parts, "conductivity_S_per_cm"),
        ("alumina_saturation", dissolved, "alumina_percent"),
    ):
        cool, hot = (
            compute(name, **given_, temperature_C=celsius)[result] for celsius in (low, high)
        )
        assert 0 < cool <= hot


def test_impossible_baths():
    assert "come to" in refused("liquidus", alumina=15, alf3=30, caf2=30, lif=20, mgf2=10, kf=0)
    refused("liquidus", alumina=-1, alf3=11)
    refused("liquidus", alumina="a", alf3=11)
    assert "alf3" in refused("liquidus", alumina=2.5, alf3_percent=11)
    assert "at most 1100" in refused("bath_conductivity", **BATH, temperature_C=1233.15)  # K


def test_arrays_and_kernels_give_the_numbers_of_the_plain_functions():
    alumina = np.linspace(1, 6, 7)

    @kernel
    def compiled(values):
        out = np.empty(len(values))
        for i in range(len(values)):
            out[i] = bath.liquidus(values[i], 11.0, 5.0, 1.0, 0.4, 1.0)
        return out

    plain = [bath.liquidus(value, 11.0, 5.0, 1.0, 0.4, 1.0) for value in alumina.tolist()]
    np.testing.assert_allclose(compiled(alumina), plain, rtol=1e-14)
    whole = bath.liquidus(alumina, 11.0, 5.0, 1.0, 0.4, 1.0)
    np.testing.assert_allclose(whole, plain, rtol=1e-14)
