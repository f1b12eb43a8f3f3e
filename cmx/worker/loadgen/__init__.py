"""Load generation: one seam, engines behind it.

A *system under test* answers queries, a *sample library* keeps the samples it is asked about, an *engine* issues
queries by a scenario and judges the run. Nothing here knows a model, a data format or a metric. The engine so far is
``mlperf`` (MLPerf LoadGen); another offers the same ``run(sut, qsl, settings, output, progress) -> Report``.
"""

from __future__ import annotations

from cmx.worker.loadgen.seam import Complete, Engine, LoadError, ProgressSink, Report, SampleLibrary, SystemUnderTest
from cmx.worker.loadgen.settings import MODES, SCENARIOS, Settings, seeds

__all__ = [
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


def open_engine(name: str = "mlperf") -> Engine:
    """The engine called ``name``; raises ValueError for an unknown one, ImportError if its library is not there."""
    if name != "mlperf":
        raise ValueError(f"no load generator {name!r}; there is: mlperf")
    from cmx.worker.loadgen import mlperf

    return mlperf.run
