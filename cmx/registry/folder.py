"""A registry as whoever keeps it has it: a folder, changed by one process at a time.

Files come before the index that names them, and the index is replaced whole: who reads meanwhile, from the folder or
through a web server, sees the old or the new one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from cmx.component import Component
from cmx.errors import CmxError, ComponentInvalid, ComponentNotFound, StoreError, UsageError
from cmx.files import disk_failures, write_atomically
from cmx.reference import version_key
from cmx.registry.index import FILE, SOLUTION, Index, Release
from cmx.registry.packed import pack, unpack
from cmx.registry.signature import Signer
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import sha256_of

_LONGEST = 300
_PATIENCE_S = 300


class Faults(NamedTuple):
    """What ``verify`` found: how many releases there are, what is wrong, and files that no release names."""

    releases: int
    faults: tuple[str, ...]
    unlisted: tuple[str, ...]


class RegistryFolder:
    """The registry in one folder. Making one reads nothing.

    What it writes is signed with the user's key ``sign``, or with the one that signed it before.
    """

    def __init__(self, root: Path, *, sign: str = "", settings: Settings | None = None) -> None:
        self.root = root
        self._signer = Signer(settings or Settings.from_environment(), sign)

    @classmethod
    def init(cls, root: Path, name: str, description: str = "") -> RegistryFolder:
        """Make an empty registry in a folder that is empty or not there. Raises UsageError."""
        if root.is_dir() and any(root.iterdir()):
            what = "is a registry already" if (root / FILE).exists() else "is not empty"
            raise UsageError(f"{root} {what}", hint="name a folder that is not there yet")
        index = Index(name, _line(description))
        try:
            Index.parse(index.encoded(), name)
        except ComponentInvalid as error:
            raise UsageError(f"{name!r} is no name for a registry", hint="lower-case letters, digits, '-'") from error
        write_atomically(root / FILE, index.encoded())
        return cls(root)

    def index(self) -> Index:
        """What is in it. Raises ComponentNotFound where there is no registry, ComponentInvalid for a damaged index."""
        file = self.root / FILE
        try:
            data = file.read_bytes()
        except OSError as error:
            hint = "'cmx registry init FOLDER' makes one"
            raise ComponentNotFound(f"{self.root}: is no registry: {file.name}: {error.strerror}", hint=hint) from error
        return Index.parse(data, str(file))

    def publish_component(self, component: Component) -> Release:
        """Add a version of a component.

        Raises UsageError for one that was published before, or whose licence lets nobody pass on what lies beside it.
        """
        from cmx.solution.licences import refusal, remedy

        if refused := refusal(component):
            hint = f"{remedy(component)}; a folder is shared without a registry, too: cmx repo add FOLDER"
            raise UsageError(refused, hint=hint)
        release = Release(
            component.kind,
            component.name,
            component.version,
            "",
            0,
            "",
            description=_line(str(component.document.get("description", ""))),
            uid=component.uid,
            digest=component.digest,
        )
        return self._publish(release, lambda stream: pack(component, stream))

    def publish_solution(self, archive: Path) -> Release:
        """Add a version of a solution, after verifying all of it.

        Raises UsageError for one that was published before, or that is not for others; and what verifying an archive
        raises.
        """
        from cmx.solution import Archive, check

        opened = Archive.open(archive)
        manifest = opened.manifest
        if private := check(opened):
            raise UsageError(
                f"{archive.name} is not for others: {'; '.join(private)}",
                hint="publish one of recipes: cmx solution pack --size recipes",
            )
        release = Release(SOLUTION, manifest.name, manifest.version, "", 0, "", description=_line(manifest.description))
        return self._publish(release, lambda stream: _copy(archive, stream))

    def yank(self, text: str, reason: str = "", *, undo: bool = False) -> Release:
        """Say that a version should not be used any more, and why; or take that back. Its file stays.

        Raises UsageError or ComponentNotFound for what is no version of this registry.
        """
        with self._locked():
            index = self.index()
            release = index.exact(text)
            if bool(release.yanked) is not undo:
                state = "is not yanked" if undo else f"is yanked already: {release.yanked}"
                raise UsageError(f"{release.reference} {state}", hint=f"'cmx registry list {self.root}' shows all")
            changed = release._replace(yanked="" if undo else _line(reason) or "no reason given")
            self._write(self._signer.following(index, index.replaced([changed])))
        return changed

    def verify(self, reporter: Reporter) -> Faults:
        """Hash every file and read what is in it. Raises what reading the index raises; nothing is changed."""
        index = self.index()
        faults = []
        for number, release in enumerate(index.releases):
            reporter.progress(f"verifying {release.reference}", number, len(index.releases))
            try:
                self._check(release)
            except (CmxError, OSError) as error:
                faults.append(f"{release.reference}: {error}")
        named = {self.root / release.path for release in index.releases}
        there = (path for path in sorted((self.root / "files").glob("*/*")) if not path.name.startswith("."))
        unlisted = tuple(path.relative_to(self.root).as_posix() for path in there if path not in named)
        return Faults(len(index.releases), tuple(faults), unlisted)

    def _check(self, release: Release) -> None:
        """Raise for a release whose file is not there, not whole, or not what the index says of it."""
        import tempfile

        path = self.root / release.path
        if not path.is_file():
            raise StoreError(f"{release.path} is not there")
        if (found := path.stat().st_size) != release.size:
            raise StoreError(f"{release.path} is {found} bytes long, and the index says {release.size}")
        if (digest := sha256_of(path)) != release.sha256:
            raise StoreError(f"sha256 is {digest}, and the index says {release.sha256}")
        if release.kind != SOLUTION:
            with tempfile.TemporaryDirectory(prefix="cmx-") as folder:
                unpack(path, release, Path(folder) / release.name)
            return
        from cmx.solution import Archive, check

        archive = Archive.open(path)
        check(archive)
        if (archive.manifest.name, archive.manifest.version) != (release.name, release.version):
            raise StoreError(f"holds {archive.manifest.name}=={archive.manifest.version}")

    def _publish(self, release: Release, write: Callable[[IO[bytes]], None]) -> Release:
        with self._locked():
            index = self.index()
            _refuse_again(index, release)
            with self._new_file(write) as path:
                sha256, size = sha256_of(path), path.stat().st_size
                made = release._replace(sha256=sha256, size=size, published=_now())
                changed = self._signer.following(index, index.replaced([made]))
                Index.parse(changed.encoded(), FILE)  # nobody could read another
                target = self.root / made.path
                target.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                path.replace(target)
            self._write(changed)
        return made

    @contextmanager
    def _new_file(self, write: Callable[[IO[bytes]], None]) -> Iterator[Path]:
        """A file that is not whole yet. Under the lock, so that others of its kind are left from what was killed."""
        folder = self.root / "files"
        path = folder / f".{os.getpid()}.{os.urandom(4).hex()}"
        with disk_failures(self.root, "publishing"):
            folder.mkdir(exist_ok=True)
            for left in (*folder.glob(".*"), *self.root.glob(f".{FILE}.*")):
                left.unlink()
            try:
                with path.open("xb") as stream:
                    write(stream)
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _write(self, index: Index) -> None:
        write_atomically(self.root / FILE, index.encoded())
        (self.root / FILE).chmod(0o644)

    def _locked(self) -> AbstractContextManager[Any]:
        from filelock import FileLock

        if not (self.root / FILE).is_file():
            self.index()  # says what is wrong; no lock is left in a folder that is no registry
        with disk_failures(self.root, "taking the lock of the registry"):
            return FileLock(self.root / ".lock", timeout=_PATIENCE_S)


def _refuse_again(index: Index, release: Release) -> None:
    """Raise UsageError for a version that is there, or a uid that is another component's."""
    key = version_key(release.version)
    before = next((each for each in index.versions(release.key) if version_key(each.version) == key), None)
    if before:
        yanked = f" and yanked ({before.yanked})" if before.yanked else ""
        raise UsageError(
            f"{before.reference} was published on {before.published[:10]}{yanked}, and a version is published once",
            hint="give it a higher version",
        )
    other = next((e for e in index.releases if e.uid and e.uid == release.uid and e.key != release.key), None)
    if other:
        hint = "give it a uid of its own: 'cmx new' makes one"
        raise UsageError(f"{release.reference}: its uid {release.uid} belongs to {other.key}", hint=hint)


def _copy(file: Path, stream: IO[bytes]) -> None:
    import shutil

    with file.open("rb") as source:
        shutil.copyfileobj(source, stream, 1 << 20)


def _line(text: str) -> str:
    """Text as one short line."""
    words = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
