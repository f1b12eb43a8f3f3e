"""Native programs: compiled, run natively or through an emulator, and what they say about themselves.

A program prints one JSON object on the last line of its standard output (``report.Report`` says what it holds), takes
``OMP_NUM_THREADS`` threads, and with ``--output FILE`` writes its answers there, for its workflow's oracle.
"""

from __future__ import annotations

from cmx.worker.native.arguments import expand
from cmx.worker.native.compiler import Build, compile_program
from cmx.worker.native.findings import Check, verdict
from cmx.worker.native.program import EMULATED, Launch, Program, open_program
from cmx.worker.native.report import Measure, Report
from cmx.worker.native.spread import median_interval, spread, summarise

__all__ = [
    "EMULATED",
    "Build",
    "Check",
    "Launch",
    "Measure",
    "Program",
    "Report",
    "compile_program",
    "expand",
    "median_interval",
    "open_program",
    "spread",
    "summarise",
    "verdict",
]
