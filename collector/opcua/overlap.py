"""What a hot standby tells again when it takes over: its queues go back behind the switch."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collector.opcua.decode import Publication
from collector.opcua.known import Known

LONGEST_S = 10.0
"""Until then at most: a clock that lags behind must not hide what is new for ever."""
_NEVER = np.iinfo(np.int64).min


class Overlap:
    """Screens by time: what is not newer than what another server told is known already."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._since: NDArray[np.int64] = np.full(len(known.times), _NEVER)
        self._until = -np.inf  # monotonic s

    def begin(self) -> None:
        """From now on this server's samples are taken, and another's no more."""
        self._since = self._known.times.copy()
        self._until = time.monotonic() + LONGEST_S

    def without(self, publication: Publication) -> Publication:
        """The publication without what is known; that counts as refused. A queue that overflowed
        in the known part has lost nothing. The first new row of a tag ends its overlap."""
        if time.monotonic() > self._until:
            return publication
        batch = publication.batch
        old = batch.times <= self._since[batch.tags]
        again = batch.tags[old]
        self._since[batch.tags[~old]] = _NEVER
        return replace(
            publication,
            batch=batch.take(~old),
            refused=publication.refused + Counter(duplicate=len(again)),
            overflowed=publication.overflowed[~np.isin(publication.overflowed, again)],
        )
