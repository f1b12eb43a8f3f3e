"""What an action leaves, and ``outcome.json``, the document the controller reads."""

from __future__ import annotations

import json
import math
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

FILE = "outcome.json"
OUT_OF_MEMORY = "out-of-memory"
_MEMORY_MESSAGES = ("std::bad_alloc", "bad allocation", "cannot allocate memory", "failed to allocate memory")
# What a library says that does not fit under the limit; a reason after it, such as a permission, is another matter.
_UNMAPPED = "failed to map segment from shared object"


class ActionError(Exception):
    """Something the user can put right; ``hint`` is one sentence that says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Outcome:
    """What an action returns. Paths in ``products`` and ``files`` are relative to the context's output folder.

    A product may be a folder of files, as TensorFlow's SavedModel is.
    """

    summary: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    products: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()


def check(outcome: Outcome, output: Path) -> Outcome:
    """The outcome, if all that it names is there inside ``output``; raises ValueError otherwise."""
    root = output.resolve()
    for name in (*outcome.files, *outcome.products.values()):
        path = (root / name).resolve()
        if root not in path.parents:
            raise ValueError(f"the action names {name!r}, which is outside its output folder")
        if not path.is_file() and not (path.is_dir() and name in outcome.products.values()):
            raise ValueError(f"the action names {name!r}, but made no such file")
    return outcome


def error_document(error: BaseException) -> dict[str, Any]:
    """``{"type", "message", "hint", "traceback"}``; what the worker raises on purpose needs no traceback."""
    if isinstance(error, ActionError):
        return {"type": "ActionError", "message": error.message, "hint": error.hint, "traceback": ""}
    kind = OUT_OF_MEMORY if is_out_of_memory(error) else type(error).__name__
    if kind != OUT_OF_MEMORY and type(error).__module__.startswith("cmx.worker."):
        return {"type": kind, "message": str(error), "hint": getattr(error, "hint", ""), "traceback": ""}
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": kind, "message": str(error) or kind, "traceback": text}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error, or one it came from, says that memory ran out: Python's own or a C++ library's words."""
    seen: Optional[BaseException] = error
    while seen is not None:
        words = str(seen).lower()
        if isinstance(seen, MemoryError) or any(known in words for known in _MEMORY_MESSAGES):
            return True
        if isinstance(seen, ImportError) and words.endswith(_UNMAPPED):
            return True
        seen = seen.__cause__
    return False


def write(document: Mapping[str, Any], output: Path) -> Path:
    """Write ``outcome.json`` so that it is there whole or not at all."""
    path = output / FILE
    temporary = output / f".{FILE}.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(plain(document), file, allow_nan=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numpy's numbers and arrays as Python's, paths as text, NaN as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)
