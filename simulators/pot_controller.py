"""The controller of each cell: feeds alumina and moves the beam from what it can see.

It sees voltage, current and its own moves, never the true alumina content. domain.md §2 (demand
feed), §7.4. All arrays are [cells].
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Feed(IntEnum):
    """The `feed_mode` signal."""

    BASE = 0
    UNDER = 1
    OVER = 2
    QUENCH = 3


FEED_FACTOR = np.array([1.0, 0.70, 1.40, 1.0])  # of the theoretical consumption, by mode
V0 = 1.65  # V, extrapolated to zero current
VOLTS_PER_CM = 0.34

_FILTER_S = 120.0
_DEAD_BAND_V = 0.012
_BEAM_INTERVAL_S = 300.0
_BEAM_CM_PER_S = 0.1

_MEAN_S = 120.0
_MEANS = 10
_SLOPE_LIMIT = 0.45e-3  # V/min: leaner than this calls for overfeed
_DRIFT = 0.17e-3  # V/min: the distance shrinks by 0.7 cm a day between taps
_UNDER_MAX_S = 4500.0
_OVER_S = 1500.0
_X = (np.arange(_MEANS) - (_MEANS - 1) / 2) * _MEAN_S / 60
_SLOPE = _X / np.sum(_X**2)  # weights of the least-squares line through the last means

_QUENCH_KG_PER_S = 0.25
_QUENCH_DUMP_KG, _QUENCH_DUMP_S = 40.0, 20.0


class PotController:
    def __init__(
        self, set_voltage: Array, nominal_A: Array, consumption: Array, rng: np.random.Generator
    ) -> None:
        """set_voltage [V], nominal_A, consumption: alumina used at nominal current [kg/s]."""
        cells = len(set_voltage)
        self.mode = np.where(rng.random(cells) < 0.6, Feed.UNDER, Feed.OVER).astype(np.int64)
        self._age_s = rng.uniform(0, _OVER_S, cells)
        self._nominal_A = nominal_A
        self._consumption = consumption
        self._set_V = set_voltage.copy()
        self._filtered_V = set_voltage.copy()
        self._since_move_s = rng.uniform(0, _BEAM_INTERVAL_S, cells)
        self._pending_cm = np.zeros(cells)
        self._moved_V = np.zeros(cells)  # what all moves together should have changed
        self._sum = np.zeros(cells)
        self._seen_s = np.zeros(cells)
        self._window_s = 0.0
        self._means = np.full((cells, _MEANS), np.nan)

    def step(
        self,
        dt: float,
        voltage: Array,
        current_A: Array,
        set_voltage: Array,
        anode_effect: Mask,
        tapping: Mask,
    ) -> tuple[Array, Array]:
        """One step of dt seconds -> (alumina dosed [kg/s], beam move [cm, up is positive])."""
        steady = (current_A > 0.5 * self._nominal_A) & ~anode_effect & ~tapping
        normalised = V0 + (voltage - V0) * self._nominal_A / np.maximum(current_A, 1.0)
        self._follow_set_point(set_voltage)
        move = self._beam(dt, steady, normalised)
        self._slope(dt, steady, normalised, disturbed=anode_effect | tapping)
        return self._feed(dt, anode_effect), move

    def _follow_set_point(self, set_voltage: Array) -> None:
        jump = set_voltage - self._set_V
        if jump.any():
            self._pending_cm += jump / VOLTS_PER_CM
            self._filtered_V += jump
            self._means[jump != 0] = np.nan
            self._set_V = set_voltage.copy()

    def _beam(self, dt: float, steady: Mask, normalised: Array) -> Array:
        gain = -np.expm1(-dt / _FILTER_S)
        self._filtered_V += np.where(steady, (normalised - self._filtered_V) * gain, 0.0)
        self._since_move_s += dt
        error = self._set_V - self._filtered_V
        due = steady & (self._since_move_s >= _BEAM_INTERVAL_S) & (np.abs(error) > _DEAD_BAND_V)
        self._pending_cm[due] += error[due] / VOLTS_PER_CM
        self._filtered_V[due] = self._set_V[due]
        self._since_move_s[due] = 0.0
        reach = _BEAM_CM_PER_S * dt
        move = np.clip(self._pending_cm, -reach, reach)
        self._pending_cm -= move
        self._moved_V += move * VOLTS_PER_CM
        return move

    def _slope(self, dt: float, steady: Mask, normalised: Array, disturbed: Mask) -> None:
        """Every two minutes: a mean of the voltage without the beam's own moves."""
        self._sum += np.where(steady, normalised - self._moved_V, 0.0)
        self._seen_s += np.where(steady, dt, 0.0)
        self._window_s += dt
        if disturbed.any():
            self._means[disturbed] = np.nan
        if self._window_s < _MEAN_S:
            return
        enough = self._seen_s > _MEAN_S / 2
        mean = np.where(enough, self._sum * dt / np.maximum(self._seen_s, dt), np.nan)
        self._means = np.column_stack([self._means[:, 1:], mean])
        self._sum[:] = self._seen_s[:] = self._window_s = 0.0
        lean = self._means @ _SLOPE + _DRIFT > _SLOPE_LIMIT  # NaN is not lean
        self._enter(Feed.OVER, (self.mode == Feed.UNDER) & lean)

    def _feed(self, dt: float, anode_effect: Mask) -> Array:
        self._age_s += dt
        self._enter(Feed.OVER, (self.mode == Feed.UNDER) & (self._age_s > _UNDER_MAX_S))
        self._enter(Feed.UNDER, (self.mode == Feed.OVER) & (self._age_s > _OVER_S))
        self._enter(Feed.OVER, (self.mode == Feed.QUENCH) & ~anode_effect)
        self._enter(Feed.QUENCH, (self.mode != Feed.QUENCH) & anode_effect)
        feed = FEED_FACTOR[self.mode] * self._consumption
        quench = self.mode == Feed.QUENCH
        if quench.any():
            dump = np.where(self._age_s < _QUENCH_DUMP_S, _QUENCH_DUMP_KG / _QUENCH_DUMP_S, 0.0)
            feed[quench] = (_QUENCH_KG_PER_S + dump)[quench]
        return feed

    def _enter(self, mode: Feed, which: Mask) -> None:
        self.mode[which] = mode
        self._age_s[which] = 0.0
