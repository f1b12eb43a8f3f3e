"""From a plan to a result: provision, run in a worker, record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmx.lazy import exports

if TYPE_CHECKING:
    from cmx.runner.machine import LocalMachine
    from cmx.runner.options import Options, Sampling
    from cmx.runner.run import run_plan

__all__ = ["LocalMachine", "Options", "Sampling", "run_plan"]

__getattr__ = exports(
    __name__, {"machine": ("LocalMachine",), "options": ("Options", "Sampling"), "run": ("run_plan",)}
)
