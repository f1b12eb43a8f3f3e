"""The other world: runs inside a plan's environment, in a process of its own.

Needs Python 3.9, the standard library and what the plan pinned; imports nothing else of cmx. What actions, converters
and predictors may import of it is listed in ``cmx/worker_interface.py``, with the number of that interface.
"""

from __future__ import annotations

from cmx.worker.context import Context, Role
from cmx.worker.outcome import ActionError, Outcome

__all__ = ["ActionError", "Context", "Outcome", "Role"]
