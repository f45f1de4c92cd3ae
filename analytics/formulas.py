"""The formulas of a smelter's energy and emissions, one by one, as numbers in and numbers out.

Constants come from the plant's factors, each with its source; none is typed here. 44/12 is the
ratio of CO2 to carbon that the reporting rules prescribe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from plant.model import Factor

Real: TypeAlias = Any
"""A number, or an array of them."""

CO2_PER_CARBON = 44 / 12
HOURS = 3600.0
DAY_S = 86400.0


def metal_per_charge(factors: Mapping[str, Factor]) -> float:
    """Aluminium by Faraday's law, M/(3F), without losses. -> [kg/kAh]

    Check: 8.0537455 kg/(kA·day).
    """
    molar_mass = factors["constant.molar_mass_Al"].value
    faraday = factors["constant.faraday"].value
    return molar_mass / (3 * faraday) * HOURS


def faraday_mass(charge_kAh: float, current_efficiency: float, kg_per_kAh: float) -> float:
    """Metal produced. [kAh], fraction, [kg/kAh] -> [kg]"""
    return kg_per_kAh * current_efficiency * charge_kAh


def dc_specific_energy(voltage_V: Real, current_efficiency: Real, kg_per_kAh: float) -> Real:
    """DC energy per tonne at a charge-weighted voltage. [V], fraction, [kg/kAh] -> [kWh/t]"""
    return 1000 * voltage_V / (kg_per_kAh * current_efficiency)


def current_efficiency_from_metal(
    tapped_kg: Real, metal_change_kg: Real, charge_kAh: Real, kg_per_kAh: float
) -> Real:
    """Metal balance over the metal of Faraday's law. [kg], [kg], [kAh], [kg/kAh] -> fraction"""
    return (tapped_kg + metal_change_kg) / (kg_per_kAh * charge_kAh)


def current_efficiency_uncertainty(
    level_sd_cm: Real,
    pad_area_m2: Real,
    days: Real,
    production_t_per_day: Real,
    density_kg_per_m3: float,
) -> Real:
    """Relative standard uncertainty of the metal balance: the pad is weighed at both ends.

    [cm], [m²], [d], [t/d], [kg/m³] -> [%]
    """
    pad_sd_t = density_kg_per_m3 * pad_area_m2 * level_sd_cm / 100 / 1000
    return 100 * 2**0.5 * pad_sd_t / (production_t_per_day * days)


def enthalpy_voltage(current_efficiency: Real) -> Real:
    """Voltage that reaction and heating of the feed take up. fraction -> [V]

    Source: Haupin's 0.48 + 1.644 CE, carbon anode, cell near 960 degC.
    """
    return 0.48 + 1.644 * current_efficiency


def cell_heat_loss(
    current_kA: Real, voltage_V: Real, external_voltage_V: Real, current_efficiency: Real
) -> Real:
    """Heat that leaves the cell, I(V − V_ext − V_ΔH). [kA], [V], [V], fraction -> [kW]"""
    return current_kA * (voltage_V - external_voltage_V - enthalpy_voltage(current_efficiency))


def pseudo_resistance(voltage_V: float, current_kA: float, extrapolated_voltage_V: float) -> float:
    """(V − V0)/I. [V], [kA], [V] -> [µΩ]. Source: Banta et al., Light Metals 2003."""
    return 1000 * (voltage_V - extrapolated_voltage_V) / current_kA


def normalised_voltage(
    resistance_uOhm: float, nominal_current_kA: float, extrapolated_voltage_V: float
) -> float:
    """V0 + R·I_nom: the voltage without the current's ripple. [µΩ], [kA], [V] -> [V]"""
    return extrapolated_voltage_V + resistance_uOhm * nominal_current_kA / 1000


def anode_current_density(
    current_kA: float, anodes: float, anode_length_cm: float, anode_width_cm: float
) -> float:
    """Current over the bottom faces of the anodes. [kA], 1, [cm], [cm] -> [A/cm²]"""
    return 1000 * current_kA / (anodes * anode_length_cm * anode_width_cm)


def anode_co2_per_t(net_carbon_t_per_t: float, sulphur_percent: float, ash_percent: float) -> float:
    """CO2 of the anodes consumed. [t/t], [%], [%] -> [t/t]. Source: IPCC 2006 Vol 3, Eq 4.21."""
    return net_carbon_t_per_t * (1 - sulphur_percent / 100 - ash_percent / 100) * CO2_PER_CARBON


def pfc_slope(
    aem_min: float,
    production_t: float,
    slope: float,
    weight_fraction: float,
    gwp_cf4: float,
    gwp_c2f6: float,
) -> tuple[float, float, float]:
    """CF4, C2F6 and CO2e by the slope method.

    [min/(cell·d)], [t], [(kg/t)/(min/(cell·d))], [t/t], [t/t], [t/t] -> [kg], [kg], [t].
    Source: Regulation (EU) 2025/2547, Annex II, Eq 21-23 and 26; IPCC 2006 Vol 3, Eq 4.26.
    """
    cf4 = aem_min * slope * production_t
    c2f6 = cf4 * weight_fraction
    return cf4, c2f6, (cf4 * gwp_cf4 + c2f6 * gwp_c2f6) / 1000


def pfc_overvoltage(
    aeo_mV: float,
    current_efficiency_percent: float,
    production_t: float,
    overvoltage_coefficient: float,
    weight_fraction: float,
    gwp_cf4: float,
    gwp_c2f6: float,
) -> tuple[float, float, float]:
    """CF4, C2F6 and CO2e by the overvoltage method; the coefficient takes CE in percent.

    [mV], [%], [t], [(kg/t)/mV], [t/t], [t/t], [t/t] -> [kg], [kg], [t].
    Source: Regulation (EU) 2025/2547, Annex II, Eq 24 and 26.
    """
    cf4 = overvoltage_coefficient * aeo_mV / current_efficiency_percent * production_t
    c2f6 = cf4 * weight_fraction
    return cf4, c2f6, (cf4 * gwp_cf4 + c2f6 * gwp_c2f6) / 1000


def fuel_co2_per_t(ncv_GJ_per_t: float, carbon_t_per_GJ: float, oxidation: float) -> float:
    """CO2 of a tonne of fuel. [GJ/t], [t/GJ], fraction -> [t/t]. Source: MEE reporting guide."""
    return ncv_GJ_per_t * carbon_t_per_GJ * oxidation * CO2_PER_CARBON


def boiler_direct(
    steam_t_per_h: float, heat_MJ_per_t: float, fuel_t_per_h: float, fuel_GJ_per_t: float
) -> float:
    """Heat in steam and blowdown over heat in fuel. [t/h], [MJ/t], [t/h], [GJ/t] -> [%]

    heat_MJ_per_t: see `analytics.beat.steam.heat_per_steam`. Source: direct method of GB/T 10180.
    """
    return 100 * steam_t_per_h * heat_MJ_per_t / (1000 * fuel_t_per_h * fuel_GJ_per_t)


def standard_coal(energy_GJ: float, coal_GJ_per_t: float) -> float:
    """Energy as standard coal. [GJ], [GJ/t] -> [kgce]"""
    return 1000 * energy_GJ / coal_GJ_per_t


def standard_coal_per_steam(
    fuel_t: float, fuel_GJ_per_t: float, steam_t: float, coal_GJ_per_t: float
) -> float:
    """Fuel as standard coal per tonne of steam. [t], [GJ/t], [t], [GJ/t] -> [kgce/t]"""
    return 1000 * fuel_t * fuel_GJ_per_t / (coal_GJ_per_t * steam_t)
