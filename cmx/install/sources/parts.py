"""``{parts: [SOURCE, …]}``: files of several sources in one folder.

A part is a source of any other kind; ``as`` beside it names a part that is a single file. What is put together is a
copy, known by what its parts are known by.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.install import sources
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.store import Artefact, Store, key_of


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The folder, verified. Raises ComponentInvalid where two parts have a file of one name, and as its parts do."""
    if (found := stored(source, fetching)) is not None:
        return found
    artefact = fetching.store.derive(
        _key(source, fetching),
        lambda folder: _put_together(source, fetching, folder),
        what=f"putting together {describe(source)}",
        on_wait=fetching.reporter.note,
    )
    return _of_artefact(artefact)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    artefact = fetching.store.artefact(_key(source, fetching))
    return _of_artefact(artefact) if artefact else None


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have all parts, without hashing anything."""
    return all(sources.held(_plain(part), store=store) for part in source["parts"])


def describe(source: Mapping[str, Any]) -> str:
    """The parts, without what is wanted of them."""
    return ", ".join(dict.fromkeys(sources.describe_source(_plain(part)).partition(" (")[0] for part in _parts(source)))


def _parts(source: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return list(source["parts"])


def _plain(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "as"}


def _key(source: Mapping[str, Any], fetching: Fetching) -> str:
    """A part's own hash fixes its bytes; a file of the component's folder is known by what it contains now."""
    return key_of({"parts": [_identity(part, fetching) for part in _parts(source)]})


def _identity(part: Mapping[str, Any], fetching: Fetching) -> dict[str, Any]:
    return {**part, "digest": _fetched(part, fetching).digest} if "file" in part else dict(part)


def _fetched(part: Mapping[str, Any], fetching: Fetching) -> Fetched:
    return sources.fetch(
        _plain(part),
        store=fetching.store,
        folder=fetching.folder,
        offline=fetching.offline,
        reporter=fetching.reporter,
    )


def _put_together(source: Mapping[str, Any], fetching: Fetching, folder: Path) -> dict[str, Any]:
    for number, part in enumerate(_parts(source)):
        path = _fetched(part, fetching).path
        for name, file in _files(path, str(part.get("as") or path.name), fetching, number, "as" in part):
            target = folder / name
            if target.exists():
                raise fetching.invalid(f"parts.{number}", f"an earlier part has a {name!r} too", hint="rename it: as:")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return {"name": describe(source), "source": dict(source)}


def _files(path: Path, name: str, fetching: Fetching, number: int, renamed: bool) -> list[tuple[str, Path]]:
    if not path.is_dir():
        return [(name, path)]
    if renamed:
        raise fetching.invalid(f"parts.{number}.as", "the part is a folder, which has no name", hint="name a member")
    return [(file.relative_to(path).as_posix(), file) for file in sorted(path.rglob("*")) if file.is_file()]


def _of_artefact(artefact: Artefact) -> Fetched:
    return Fetched(artefact.folder, key_of({file.name: file.sha256 for file in artefact.files}), artefact.size)
