"""What the API wants to know of a source; the wiring hands in whatever has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class SourceStatus(Protocol):
    """How a source is doing now."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def link(self) -> str:
        """connecting, connected or disconnected"""

    @property
    def since(self) -> int:
        """When the link last changed, ns."""

    @property
    def flowing(self) -> bool:
        """Samples came within its stale_after_s."""

    @property
    def age_s(self) -> float:
        """Since its newest sample; NaN before the first."""

    @property
    def lag_s(self) -> float:
        """From the source time of its newest sample to its arrival; NaN before the first."""

    @property
    def skew_s(self) -> float:
        """Its clock ahead of ours, at least; NaN when nothing came for a minute."""

    @property
    def received(self) -> int:
        """Values since the process began."""

    @property
    def reconnects(self) -> int: ...
    @property
    def resubscribes(self) -> int: ...
    @property
    def last_error(self) -> str: ...
    @property
    def revised(self) -> Mapping[str, str]: ...
    @property
    def unresolved(self) -> Mapping[str, str]:
        """Tag id -> why it cannot be read."""
