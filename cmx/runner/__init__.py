"""From a plan to a result: provision, run in a worker, record."""

from cmx.runner.machine import LocalMachine
from cmx.runner.run import Options, run_plan

__all__ = ["LocalMachine", "Options", "run_plan"]
