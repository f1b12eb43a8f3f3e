"""What the Python of a component may import of ``cmx.worker``, and the number of that interface.

An archive's actions, converters and predictors run on the worker of whoever runs it. ``INTERFACE`` is written into the
archive, and goes up whenever the names below, their signatures, or the operators, tasks and formats of datasets change;
``OLDEST`` follows it where what was there before has changed or is gone. A test holds both against the worker.
"""

from __future__ import annotations

INTERFACE = 1
"""The interface of this worker; an archive that says no number is of the first one."""

OLDEST = 1
"""The oldest interface whose components this worker still runs."""

NAMES: dict[str, tuple[str, ...]] = {
    "cmx.worker": ("ActionError", "Context", "Outcome", "Role"),
    "cmx.worker.accuracy": (
        "Bar",
        "Score",
        "count_top",
        "metric_depth",
        "no_accuracy",
        "reaches",
        "reference_bar",
    ),
    "cmx.worker.checkpoint": ("CheckpointError", "read_checkpoint"),
    "cmx.worker.component_code": ("load_entry",),
    "cmx.worker.datasets": ("Dataset", "ImageFolder", "class_names", "formats", "open_dataset", "open_picture"),
    "cmx.worker.datasets.idx": ("IdxPictures", "open"),
    "cmx.worker.fresh": ("in_fresh_process",),
    "cmx.worker.inference": (
        "Samples",
        "Sut",
        "System",
        "describe_predictor",
        "measure_accuracy",
        "model_predictor",
        "model_task",
        "score_answers",
    ),
    "cmx.worker.latency": ("save", "summarise"),
    "cmx.worker.loadgen": (
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
    ),
    "cmx.worker.loadgen.conf": ("read", "write"),
    "cmx.worker.loadgen.logs": ("ACCURACY", "logged_answers"),
    "cmx.worker.loadgen.parameters": ("settings",),
    "cmx.worker.loadgen.settings": ("ANSWER_TIMEOUT",),
    "cmx.worker.native": (
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
    ),
    "cmx.worker.operators": ("OperatorError", "operators", "pipeline"),
    "cmx.worker.predictors": (
        "Framework",
        "Generator",
        "Predictor",
        "PredictorError",
        "TensorInfo",
        "check_feeds",
        "choose",
        "only_file",
        "open_predictor",
        "optimise",
    ),
    "cmx.worker.process": ("processors",),
    "cmx.worker.stages": ("stage_times",),
    "cmx.worker.tasks": (
        "Feeds",
        "GeneratingTask",
        "Infer",
        "Outputs",
        "PictureTask",
        "Score",
        "Shown",
        "Task",
        "open_task",
        "tasks",
    ),
}
"""By module: what may be imported of it."""


def offers(name: str) -> bool:
    """Whether ``cmx.worker.module.name``, or a module itself, is part of the interface."""
    module, _, last = name.rpartition(".")
    return name in NAMES or last in NAMES.get(module, ())


def every_name() -> list[str]:
    """All names, with their modules."""
    return [f"{module}.{name}" for module, names in NAMES.items() for name in names]
