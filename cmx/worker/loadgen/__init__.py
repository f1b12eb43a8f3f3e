"""Load generation: one seam, engines behind it.

A *system under test* answers queries, a *sample library* keeps the samples it is asked about, an *engine* issues
queries by a scenario and judges the run. Nothing here knows a model, a data format or a metric. There are two engines:
``mlperf`` drives MLPerf LoadGen, ``native`` is our own, with LoadGen's traffic and rules and nothing to install.
"""

from __future__ import annotations

from cmx.worker.loadgen.seam import Complete, Engine, LoadError, ProgressSink, Report, SampleLibrary, SystemUnderTest
from cmx.worker.loadgen.settings import MODES, SCENARIOS, Settings, seeds

ENGINES = ("loadgen", "native")

__all__ = [
    "ENGINES",
    "MODES",
    "SCENARIOS",
    "Complete",
    "Engine",
    "LoadError",
    "ProgressSink",
    "Report",
    "SampleLibrary",
    "Settings",
    "SystemUnderTest",
    "open_engine",
    "seeds",
]


def open_engine(name: str = "loadgen") -> Engine:
    """The engine called ``name``; raises ValueError for an unknown one, ImportError if its library is not there."""
    if name not in ENGINES:
        raise ValueError(f"no load generator {name!r}; there is: {', '.join(ENGINES)}")
    if name == "native":
        from cmx.worker.loadgen import native

        return native.run
    from cmx.worker.loadgen import mlperf

    return mlperf.run
