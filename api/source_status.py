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
    def flowing(self) -> bool:
        """Samples came within its stale_after_s."""

    @property
    def age_s(self) -> float:
        """Since its newest sample; NaN before the first."""

    @property
    def last_error(self) -> str: ...
    @property
    def unresolved(self) -> Mapping[str, str]:
        """Tag id -> why it cannot be read."""
