"""Cells that use far more energy than the others of their line, and what stands out about them.

A cell is ranked against its line's median by robust statistics, so that a few bad cells do not hide
each other. Its energy is that of the metal balance where there is one, else that of the configured
current efficiency; each is compared with its like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.book.input import Floats

FAR = 2.5
"""Robust standard deviations from the median at which a cell stands out."""
LEAST_EXCESS_KWH_PER_T = 50.0
"""An excess that matters, about 16 mV: where all cells are alike none of them stands out."""
FEWEST = 5
"""Cells of a line that must be known before one of them can stand out."""
DOUBT = 1.96
"""Standard uncertainties that an excess by the metal balance must be above."""
MAD_TO_SD = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Reason:
    """What stands out. bit: in the figure `low_efficiency`, beside 1. each: figures by name, with
    the least distance from the median that matters; below 0: it is bad to lie below. sides: 2 when
    both sides are bad."""

    code: str
    bit: int
    text: str
    text_zh: str
    each: Mapping[str, float]
    sides: int = 1


REASONS = (
    Reason("high_voltage", 2, "voltage far above the set voltage", "槽电压高于设定值",
           {"voltage_above_set_30d": 0.02}),
    Reason("low_current_efficiency", 4, "low current efficiency by the metal balance",
           "电流效率偏低（按出铝盘存）", {"current_efficiency_30d": -0.01}),
    Reason("noise", 8, "unsteady voltage (metal pad)", "电压摆动大（铝液波动）",
           {"noise_lf_30d": 5.0}),
    Reason("anode_effects", 16, "many or long anode effects", "阳极效应多或时间长",
           {"aem_30d": 0.1}),
    Reason("heat_balance", 32, "bath temperature or superheat far from the others",
           "热平衡偏离（电解质温度或过热度异常）",
           {"bath_temperature_last": 5.0, "superheat": 3.0}, sides=2),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LowCell:
    """cell: index. excess: above the line's median [kWh/t]; z: that in robust standard
    deviations. metal_balance: the energy is that of the metal balance."""

    cell: int
    kWh_per_t: float
    median_kWh_per_t: float
    excess_kWh_per_t: float
    z: float
    metal_balance: bool
    reasons: tuple[Reason, ...]

    @property
    def code(self) -> int:
        return 1 + sum(reason.bit for reason in self.reasons)


def robust(values: Floats, line_of: NDArray[np.int32], lines: int) -> tuple[Floats, Floats]:
    """float64[lines] each: median of the line's cells, and their robust standard deviation, 1.4826
    times the median distance from it; NaN with fewer than FEWEST known."""
    middle, spread = np.full(lines, np.nan), np.full(lines, np.nan)
    for line in range(lines):
        known = values[(line_of == line) & ~np.isnan(values)]
        if len(known) >= FEWEST:
            middle[line] = np.median(known)
            spread[line] = MAD_TO_SD * np.median(np.abs(known - middle[line]))
    return middle, spread


def low_cells(
    figures: Mapping[str, Floats], line_of: NDArray[np.int32], lines: int
) -> list[LowCell]:
    """The cells that stand out, the worst excess first. figures: book figures of the cells."""
    by_metal = figures["dc_specific_energy_tapped_30d"]
    by_setting = figures["dc_specific_energy_30d"]
    relative = figures["current_efficiency_30d_u"] / figures["current_efficiency_30d"]
    doubt = np.nan_to_num(DOUBT * by_metal * relative, nan=np.inf)
    flags = _flags(figures, line_of, lines)
    found: dict[int, LowCell] = {}
    for energy, least, metal_balance in (
        (by_setting, np.zeros_like(by_setting), False),
        (by_metal, doubt, True),
    ):
        middle, spread = robust(energy, line_of, lines)
        excess = energy - middle[line_of]
        matters = np.maximum(least, LEAST_EXCESS_KWH_PER_T)
        for cell in np.flatnonzero(excess > np.maximum(FAR * spread[line_of], matters)).tolist():
            wide = float(spread[line_of[cell]])
            found[cell] = LowCell(
                cell=cell,
                kWh_per_t=float(energy[cell]),
                median_kWh_per_t=float(middle[line_of[cell]]),
                excess_kWh_per_t=float(excess[cell]),
                z=float(excess[cell]) / wide if wide > 0 else np.nan,
                metal_balance=metal_balance,
                reasons=tuple(r for r, flag in zip(REASONS, flags, strict=True) if flag[cell]),
            )
    return sorted(found.values(), key=lambda low: (-low.excess_kWh_per_t, low.cell))


def _flags(
    figures: Mapping[str, Floats], line_of: NDArray[np.int32], lines: int
) -> list[NDArray[np.bool_]]:
    """bool[cells] for each of REASONS."""
    flags = []
    for reason in REASONS:
        flag = np.zeros(len(line_of), np.bool_)
        for name, least in reason.each.items():
            middle, spread = robust(figures[name], line_of, lines)
            off = (figures[name] - middle[line_of]) * np.sign(least)
            away = np.abs(off) if reason.sides == 2 else off
            flag |= away > np.maximum(FAR * spread[line_of], abs(least))
        flags.append(flag)
    return flags
