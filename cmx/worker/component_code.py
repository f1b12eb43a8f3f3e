"""The Python files of components, loaded by file location: actions, converters, predictors."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_REFERENCE = re.compile(r"(?P<kind>[a-z][a-z-]*)/(?P<name>[a-z0-9][a-z0-9._-]*)(==\S+)?")


class EntryError(ValueError):
    """A component's file or function cannot be loaded; the message names it."""


def load_entry(entry: str, reference: str) -> Callable[..., Any]:
    """The function ``/abs/file.py:function``, its file loaded as ``load_module`` does.

    Raises EntryError when the entry or the reference is malformed, or the function is not there.
    """
    file, _, function = entry.rpartition(":")
    if not _REFERENCE.fullmatch(reference) or not file.endswith(".py") or not function.isidentifier():
        raise EntryError(f"action: cannot load {entry!r} of {reference!r}; expected FILE.py:FUNCTION of kind/name")
    found = getattr(load_module(Path(file), reference), function, None)
    if not callable(found):
        raise EntryError(f"action: {file} has no function {function!r}")
    return found  # type: ignore[no-any-return]


def load_module(file: Path, reference: str) -> ModuleType:
    """A component's file, loaded once, as ``cmx_components.<kind>.<name>``.

    Loaded as a package, so that it can import its neighbours with ``from . import network``. Raises EntryError for a
    reference that is none, and whatever the file raises.
    """
    match = _REFERENCE.fullmatch(reference)
    if not match:
        raise EntryError(f"{reference!r} is not kind/name")
    name = f"cmx_components.{match['kind']}.{match['name']}"
    there = sys.modules.get(name)
    if there is not None and there.__file__ == str(file):
        return there
    spec = importlib.util.spec_from_file_location(
        name, file, loader=_Loader(name, str(file)), submodule_search_locations=[str(file.parent)]
    )
    if spec is None or spec.loader is None:
        raise EntryError(f"cannot load {file}")
    for above in ("cmx_components", f"cmx_components.{match['kind']}"):
        sys.modules.setdefault(above, ModuleType(above))  # "from . import network" asks for them
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _Loader(SourceFileLoader):
    """Writes no ``__pycache__``: a component's folder is hashed, and may be read-only."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Keep nothing."""
