"""From a plan to a result: provision, run in a worker, record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmx.lazy import exports

if TYPE_CHECKING:
    from cmx.runner.machine import LocalMachine
    from cmx.runner.run import Options, run_plan

__all__ = ["LocalMachine", "Options", "run_plan"]

__getattr__ = exports(__name__, {"machine": ("LocalMachine",), "run": ("Options", "run_plan")})
