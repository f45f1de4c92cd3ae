"""Every kind of fault of a storm: where it strikes, how long it lasts, and how it is done.

What is done to the network is done by a proxy, what a server does wrong is asked of the simulator.
"""

from __future__ import annotations

from potline.chaos.faults import disk, link, processes, server, store
from potline.chaos.faults.kind import KINDS, Kind, Where

__all__ = ["KINDS", "Kind", "Where", "disk", "link", "processes", "server", "store"]
