"""Framework predictors: one file per framework, each a thin layer over it.

A file ``<framework>.py`` here (with ``_`` for ``-``) has two functions, ``load`` and ``optimise``, typed as
Framework says. The file's presence is all it takes: there is no list of frameworks.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Protocol, Sequence, Tuple, Union, cast

import numpy as np


class PredictorError(ValueError):
    """No predictor for a framework, a model it cannot load, or a setting it does not have."""


class TensorInfo(NamedTuple):
    """One input or output of a model: a dimension that varies is a name, or None where the model gives none."""

    name: str
    dtype: str
    shape: Tuple[Union[int, str, None], ...]


class Predictor(Protocol):
    """A loaded model. ``load_ns`` is what loading took."""

    inputs: Tuple[TensorInfo, ...]
    outputs: Tuple[TensorInfo, ...]
    load_ns: int

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name; ``feeds`` has every input by name."""

    def describe(self) -> dict[str, Any]:
        """What determines its speed: framework, version, providers, device, threads, and each setting."""

    def close(self) -> None:
        """Free the model's memory; no call may follow."""


class Framework(Protocol):
    """What each file of this package offers."""

    def load(
        self, model: Path, component: Mapping[str, Any], *, threads: int, spinning: bool, graph_optimisation: str
    ) -> Predictor: ...

    def optimise(self, source: Path, destination: Path, *, graph_optimisation: str, threads: int) -> dict[str, Any]: ...


def frameworks() -> tuple[str, ...]:
    """The names of the frameworks there is a predictor for."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(file.stem.replace("_", "-") for file in files if not file.stem.startswith("_")))


def open_predictor(
    framework_name: str,
    model: Path,
    component: Mapping[str, Any],
    *,
    threads: int = 1,
    spinning: bool = True,
    graph_optimisation: str = "all",
) -> Predictor:
    """Load a model. ``threads=0`` leaves their number to the framework; ``component`` is the model's.

    ``spinning`` lets idle threads wait busily; ``graph_optimisation`` is "disable" for a file from ``optimise``.
    Raises PredictorError for an unknown framework or setting, and for a file that is no model of the framework.
    """
    _check_threads(threads)
    framework = _framework(framework_name)
    return framework.load(model, component, threads=threads, spinning=spinning, graph_optimisation=graph_optimisation)


def optimise(
    framework_name: str, source: Path, destination: Path, *, graph_optimisation: str = "all", threads: int = 1
) -> dict[str, Any]:
    """Write a model as the framework optimises it for this machine; what was done is returned as JSON values.

    Raises as ``open_predictor`` does; ``destination`` is written whole or not at all.
    """
    _check_threads(threads)
    framework = _framework(framework_name)
    return framework.optimise(source, destination, graph_optimisation=graph_optimisation, threads=threads)


def choose(what: str, value: str, known: Sequence[str]) -> str:
    """``value`` if it is known; raises PredictorError with the nearest of ``known`` otherwise."""
    if value in known:
        return value
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else "there is: " + ", ".join(known)
    raise PredictorError(f"unknown {what} {value!r}; {hint}")


def _framework(name: str) -> Framework:
    known = choose("framework", name, frameworks())
    try:
        return cast(Framework, importlib.import_module(f"{__name__}.{known.replace('-', '_')}"))
    except ImportError as error:
        raise PredictorError(f"framework {name!r} cannot be imported in this environment: {error}") from error


def _check_threads(threads: int) -> None:
    if threads < 0:
        raise PredictorError(f"threads is {threads}; it must be 1 or more, or 0 for the framework's own choice")
