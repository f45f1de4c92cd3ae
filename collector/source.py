"""What a source is: something that yields deliveries of samples until it is cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch
from store.records import Gap

Link = Literal["connecting", "connected", "disconnected"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Samples of one source as they came, with what could not be read.

    refused: reason -> how many values (a message that cannot be read at all counts as one).
    resumed: True on the first delivery after a (re)connection, so that what was missed meanwhile
    is put on record. durable: called once, from the event loop, when the samples are in the spool.
    missing: cause (of collector/screen.py) -> columns of tags, of which the source knows that
    samples before these did not come. gaps: for the record as they are.
    """

    source: str
    batch: Batch
    refused: Mapping[str, int] = field(default_factory=dict)
    resumed: bool = False
    durable: Callable[[], None] | None = None
    missing: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()


@dataclass(slots=True)
class SourceHealth:
    """What a source knows of itself; read by the page, /readyz and the metrics."""

    link: Link = "connecting"
    since: int = 0  # ns, when the link last changed
    last_error: str = ""
    reconnects: int = 0
    resubscribes: int = 0  # connected but not flowing, mended
    unresolved: dict[str, str] = field(default_factory=dict)  # tag id -> why it cannot be read
    missed_notifications: int = 0  # by the gaps in the sequence numbers of what came
    overflows: Counter[str] = field(default_factory=Counter)  # tag id -> losses in its server queue
    republished: int = 0  # notifications that came when asked for again
    resumed: int = 0  # reconnections that went on with the same subscription
    switched: int = 0  # from one redundant server to another
    stalls: Counter[str] = field(default_factory=Counter)  # by the level that found them
    revised: dict[str, str] = field(default_factory=dict)  # what the server made of what was asked


class SourceReader(Protocol):
    """One reader per kind: the READERS of collector/supervise.py. `deliveries`
    connects, reconnects with back-off and jitter for ever, and lets a bug through. It starts with
    its peer absent. It never writes to the plant."""

    @property
    def health(self) -> SourceHealth: ...

    def deliveries(self) -> AsyncGenerator[Delivery, None]: ...
