"""Where the files of models and datasets come from.

A source is a mapping from a component's file; one of its keys names the kind, and each kind is one module of
this package with ``fetch``, ``stored``, ``held`` and ``describe``. A new kind is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from cmx.errors import ComponentInvalid, nearest
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.reporter import Reporter
from cmx.store import Store

if TYPE_CHECKING:
    from cmx.install.given import Given

__all__ = ["Fetched", "Fetching", "describe_source", "fetch", "held", "kinds", "stored"]

_NOT_KINDS = frozenset({"fetched", "members"})


class _Kind(Protocol):
    def fetch(self, source: Mapping[str, Any], fetching: Fetching) -> Fetched: ...
    def stored(self, source: Mapping[str, Any], fetching: Fetching) -> Fetched | None: ...
    def held(self, source: Mapping[str, Any], store: Store) -> bool: ...
    def describe(self, source: Mapping[str, Any]) -> str: ...


def fetch(
    source: Mapping[str, Any],
    *,
    store: Store,
    folder: Path,
    offline: bool = False,
    reporter: Reporter | None = None,
    given: Given | None = None,
) -> Fetched:
    """The files of a source, verified: from the store, or fetched into it; ``folder`` is the component's.

    What is ``given`` is used where the store has nothing.

    Two processes that want the same files fetch them once. Raises ComponentInvalid for a source that is
    wrong, HashMismatch, Unavailable (no network, or offline and not in the store), StoreError.
    """
    kind = _kind(source, folder)
    if given and (found := stored(source, store=store, folder=folder) or given.fetched(source)) is not None:
        return found
    return kind.fetch(source, Fetching(store, folder, offline, reporter or Reporter()))


def stored(source: Mapping[str, Any], *, store: Store, folder: Path) -> Fetched | None:
    """The files of a source if they are here and are still what they were; hashes every byte, fetches nothing."""
    return _kind(source, folder).stored(source, Fetching(store, folder, True, Reporter()))


def held(source: Mapping[str, Any], *, store: Store) -> bool:
    """Whether a source's files seem to be here: nothing is hashed, so it costs a stat. A hint for choosing."""
    return _kind(source, Path()).held(source, store)


def describe_source(source: Mapping[str, Any]) -> str:
    """A source in one phrase: ``foolbox==3.3.4 (foolbox/data/imagenet_*.jpg)``."""
    return _kind(source, Path()).describe(source)


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of sources that there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_KINDS))


def _kind(source: Mapping[str, Any], folder: Path) -> _Kind:
    named = [name for name in source if name in kinds()]
    if len(named) != 1:
        first = str(next(iter(source), ""))
        why = f"{' and '.join(named)} at once" if named else f"{first!r} is not a kind of source"
        hint = "a source has one kind" if named else nearest(first, kinds())
        raise ComponentInvalid(f"{folder / 'component.yaml'}: source: {why}", hint=hint)
    return cast(_Kind, importlib.import_module(f"{__name__}.{named[0]}"))
