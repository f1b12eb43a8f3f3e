"""The evaluation database: what was measured, whether it may be believed, and with what it may be compared."""

from __future__ import annotations

from cmx.results.comparability import Comparability
from cmx.results.database import Database
from cmx.results.result import Latency, Result, Step

__all__ = ["Comparability", "Database", "Latency", "Result", "Step"]
