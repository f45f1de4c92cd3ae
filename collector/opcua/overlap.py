"""What two hot servers both tell: the queues of one that takes over go back behind the switch, and
one that stands by again still brings what it had left."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import replace

import numpy as np

from collector.opcua.decode import Publication
from collector.opcua.known import Known
from plant.batch import SECOND

LONGEST_S = 10.0
"""A clock that lags by more must not hide what is new: such rows are for the store to compare."""
_numbers = itertools.count(1)


class Overlap:
    """Screens by time: what is not newer than what another server told last is known already."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._me = next(_numbers)
        self._until = -np.inf  # monotonic s

    def begin(self) -> None:
        """From now on this server's samples are taken, and another's no more: its queues may be
        long."""
        self._until = time.monotonic() + LONGEST_S

    def without(self, publication: Publication) -> Publication:
        """The publication without what is known; that counts as refused. A queue that overflowed
        in the known part has lost nothing."""
        batch, told_by = publication.batch, self._known.told_by
        behind = self._known.times[batch.tags] - batch.times
        teller = told_by[batch.tags]
        old = (teller != 0) & (teller != self._me) & (behind >= 0)
        if time.monotonic() > self._until:
            old &= behind < LONGEST_S * SECOND
        again = batch.tags[old]
        told_by[batch.tags[~old]] = self._me
        return replace(
            publication,
            batch=batch.take(~old),
            refused=publication.refused + Counter(duplicate=len(again)),
            overflowed=publication.overflowed[~np.isin(publication.overflowed, again)],
        )
