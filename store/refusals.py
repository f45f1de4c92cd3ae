"""Samples that no store keeps, and why."""

from __future__ import annotations

import time

import numpy as np

from plant.batch import SECOND, Batch, Quality


def refusals(batch: Batch, keep_days: int) -> list[tuple[int, str]]:
    """(row, reason) of rows older than the retention (0: for ever), and of values that are not
    finite though their quality is not BAD."""
    bad = (batch.quality & Quality.SEVERITY) == Quality.BAD
    broken = ~np.isfinite(batch.values) & ~bad
    found = [(int(row), "value is not finite") for row in np.nonzero(broken)[0]]
    if keep_days:
        oldest = time.time_ns() - keep_days * 86400 * SECOND
        old = (batch.times < oldest) & ~broken
        reason = f"older than the {keep_days} days that the store keeps"
        found += [(int(row), reason) for row in np.nonzero(old)[0]]
    return found
