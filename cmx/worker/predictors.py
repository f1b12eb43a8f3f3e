"""Framework predictors: each a thin layer over one framework, in the folder of the framework's own component.

A software-detect component that says ``predictor: predictor.py`` is a framework. The file defines ``load`` and, where
the framework can prepare a model once for many loads, ``optimise``, both typed as Framework says.
"""

from __future__ import annotations

import ast
import difflib
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple, Union, cast

import numpy as np

from cmx.worker.component_code import load_module
from cmx.worker.context import Role


class PredictorError(ValueError):
    """No predictor for a framework, a model it cannot load, or a setting that it does not have.

    ``hint`` is the remedy, for the user.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class TensorInfo(NamedTuple):
    """One input or output of a model: a dimension that varies is a name, or None where the model gives none."""

    name: str
    dtype: str
    shape: Tuple[Union[int, str, None], ...]


class Predictor(Protocol):
    """A loaded model. ``load_ns`` is what loading took.

    One that several threads may ask at the same time can say so: ``concurrent = True``. Others are loaded once more for
    each worker.
    """

    inputs: Tuple[TensorInfo, ...]
    outputs: Tuple[TensorInfo, ...]
    load_ns: int

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name; ``feeds`` has every input by name, with a batch of any size where the model has one."""

    def describe(self) -> dict[str, Any]:
        """What determines its speed: framework, version, device, precision, threads, and each setting in effect."""

    def close(self) -> None:
        """Free the model's memory; no call may follow."""


class Generator(Predictor, Protocol):
    """A predictor whose outputs come token by token, if it can say when the first one is there."""

    def stream(self, feeds: Mapping[str, np.ndarray], first: Callable[[], None]) -> dict[str, np.ndarray]:
        """As ``predict``; ``first`` is called once, in the thread that asks, when the first token is there."""


class Framework(Protocol):
    """What a framework's ``predictor.py`` offers.

    ``model`` is the file (or the folder) of a variant that the component's ``formats`` names, or what ``optimise``
    wrote; ``component`` is the model's. ``settings`` has those that the framework's component declares, with ``_`` for
    ``-`` and defaults filled in, ``threads`` (0 leaves their number to the framework), and ``compiled``: whether
    ``model`` is what ``optimise`` wrote. Both raise PredictorError.
    """

    def load(self, model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> Predictor: ...

    def optimise(self, source: Path, destination: Path, settings: Mapping[str, Any]) -> Optional[dict[str, Any]]:
        """Not every framework has it. Writes ``destination`` whole or not at all; what was done, as JSON values.

        None where these settings leave nothing to do. ``settings`` has ``calibration`` too: the samples of the role
        of this name, which the value of a setting may bring.
        """


def open_predictor(
    framework: Role, model: Path, component: Mapping[str, Any], *, threads: int = 1, compiled: bool = False
) -> Predictor:
    """Load a model. ``threads=0`` leaves their number to the framework; ``component`` is the model's.

    ``compiled`` says that ``model`` is what ``optimise`` wrote. Raises PredictorError for what is no framework or is
    not installed, for a setting that it refuses, and for a file that is no model of its.
    """
    settings = _settings(framework, threads, compiled=compiled)
    return _framework(framework).load(model, component, settings)


def optimise(
    framework: Role,
    source: Path,
    destination: Path,
    *,
    threads: int = 1,
    calibration: Sequence[Mapping[str, np.ndarray]] = (),
) -> Optional[dict[str, Any]]:
    """Write a model as the framework optimises it for this machine; what was done is returned as JSON values.

    ``calibration`` are samples as the model is given them, for a framework that quantises. None where the framework
    has nothing to do. Raises as ``open_predictor`` does; ``destination`` is written whole or not at all.
    """
    settings = {**_settings(framework, threads, compiled=False), "calibration": calibration}
    if not _has_optimise(framework):
        return None
    return _framework(framework).optimise(source, destination, settings)


def choose(what: str, value: str, known: Sequence[str]) -> str:
    """``value`` if it is known; raises PredictorError with the nearest of ``known`` otherwise."""
    if value in known:
        return value
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else "there is: " + ", ".join(known)
    raise PredictorError(f"unknown {what} {value!r}; {hint}")


def check_feeds(inputs: Sequence[TensorInfo], feeds: Mapping[str, np.ndarray]) -> None:
    """Raises PredictorError unless ``feeds`` has every input and nothing else. Costs well under a microsecond."""
    if len(feeds) == len(inputs) and all(each.name in feeds for each in inputs):
        return
    named = ", ".join(f"{each.name} ({each.dtype} {list(each.shape)})" for each in inputs)
    raise PredictorError(f"the model's inputs are {named}; it was given {', '.join(feeds) or 'nothing'}")


def only_file(model: Path, pattern: str) -> Path:
    """``model`` itself, or where it is a folder, the one file in it that fits a glob. Raises PredictorError."""
    if not model.is_dir():
        return model
    found = sorted(model.glob(pattern))
    if len(found) != 1:
        raise PredictorError(f"{model}: the folder of a model has one file {pattern}, this one has {len(found)}")
    return found[0]


def _has_optimise(role: Role) -> bool:
    """Read off the file: importing TensorFlow takes seconds, only to learn that it has nothing to do."""
    file = role.component.get("predictor")
    top = ast.parse((role.folder / file).read_text(encoding="utf-8")).body if file else []
    defined = {node.name for node in top if isinstance(node, ast.FunctionDef)}
    imported = {each.asname or each.name for node in top if isinstance(node, ast.ImportFrom) for each in node.names}
    return not file or "optimise" in defined | imported


def _framework(role: Role) -> Framework:
    file = role.component.get("predictor")
    if not file:
        raise PredictorError(
            f"{role.reference} runs no models: its component has no predictor", "fill the role with a framework"
        )
    try:
        return cast(Framework, load_module(role.folder / file, role.reference))
    except ImportError as error:
        raise PredictorError(f"framework {role.name!r} cannot be imported in this environment: {error}") from error


def _settings(role: Role, threads: int, *, compiled: bool) -> dict[str, Any]:
    """The settings of a framework: what the plan says over the component's defaults."""
    if threads < 0:
        raise PredictorError(f"threads is {threads}; it must be 1 or more, or 0 for the framework's own choice")
    declared = role.component.get("settings") or {}
    for name in role.settings:
        choose(f"setting of {role.reference}", name, list(declared))
    chosen = {name: role.settings.get(name, fragment["default"]) for name, fragment in declared.items()}
    named = {name.replace("-", "_"): value for name, value in chosen.items()}
    return {**named, "threads": threads, "compiled": compiled}
