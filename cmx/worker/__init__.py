"""The other world: runs inside a plan's environment, in a process of its own.

Needs Python 3.9, the standard library and what the plan pinned; imports nothing else of cmx. These are the names an
action or a converter may use, besides those of ``cmx.worker``'s own packages (``loadgen``, ``predictors``,
``datasets``, ``operators``, ``accuracy``, ``inference``, ``checkpoint``).
"""

from __future__ import annotations

from cmx.worker.context import Context, Role
from cmx.worker.outcome import ActionError, Outcome

__all__ = ["ActionError", "Context", "Outcome", "Role"]
