"""Environments: an interpreter with exactly the pinned packages, one folder each below ``environments/``.

A folder is built elsewhere and renamed into place once its manifest is written, so one that has a readable
manifest was complete. What may have happened since is checked before each use (``get``, cheap) or on
request (``damages``, every byte).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import StoreError
from cmx.files import disk_failures
from cmx.settings import Settings
from cmx.store.files import mark_used
from cmx.store.hashing import key_of, sha256_of
from cmx.store.locks import lock
from cmx.store.workspace import workspace

SCHEMA = 1
MANIFEST = "cmx-environment.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, order=True)
class Package:
    """One Python package of a lock: the hashes are those of every file its index offers (``sha256:…``)."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Interpreter(NamedTuple):
    """A Python: what its version and binary interface are, and where its base executable lies."""

    executable: Path
    version: str
    implementation: str
    platform: str

    @property
    def minor(self) -> str:
        """``3.11``."""
        return ".".join(self.version.split(".")[:2])


class Environment(NamedTuple):
    """A complete environment; ``lock`` is what it was built from."""

    digest: str
    folder: Path
    interpreter: Interpreter
    lock: tuple[Package, ...]

    @property
    def packages(self) -> Mapping[str, str]:
        """The version of each package, by canonical name."""
        return {package.name: package.version for package in self.lock}

    @property
    def python(self) -> Path:
        """The environment's own interpreter."""
        return python_of(self.folder)


Build = Callable[[Path], str]


def environment_digest(interpreter: Interpreter, packages: Iterable[Package]) -> str:
    """What an environment is known by: its Python's binary interface, and each package with its hashes.

    Two interpreters of one minor version and platform give the same digest: either can serve.
    """
    pins = sorted([canonical(package.name), package.version, sorted(package.hashes)] for package in packages)
    python = [interpreter.implementation, interpreter.minor, interpreter.platform]
    return key_of({"schema": SCHEMA, "python": python, "packages": pins})


class EnvironmentStore:
    """The environments of one cmx home."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.environments
        self._locks = settings.locks

    def find(self) -> tuple[Environment, ...]:
        """All complete environments, by digest. Costs one small file and a few stats for each."""
        return tuple(environment for digest in self.all() if (environment := self._check(digest)) is not None)

    def get(self, digest: str) -> Environment | None:
        """The environment of this digest, if it is complete and its base interpreter is still the same."""
        environment = self._check(digest)
        if environment is not None:
            mark_used(environment.folder / MANIFEST)
        return environment

    def obtain(
        self,
        interpreter: Interpreter,
        packages: Iterable[Package],
        build: Build,
        *,
        what: str = "",
        on_wait: Callable[[str], None] | None = None,
    ) -> Environment:
        """The environment with exactly these packages, built by ``build`` if there is none or it is broken.

        ``build`` gets the path of a folder to make (on the same filesystem) and returns the installer's name
        and version. One process builds while others wait. Nothing is kept if it raises or is killed.
        Raises StoreError if the disk is full, the folder cannot be written to, or a package is missing after.
        """
        pins = tuple(sorted(packages))
        digest = environment_digest(interpreter, pins)
        if (environment := self.get(digest)) is not None:
            return environment
        what = what or f"building environment {digest[:6]}"
        with lock(self.lock_file(digest), what=what, on_wait=on_wait):
            if (environment := self.get(digest)) is not None:
                return environment
            with disk_failures(self.folder, what), workspace(self.folder, digest[:12]) as folder:
                self._retire(digest, folder)
                installer = build(folder / "new")
                _write_manifest(folder / "new", digest, interpreter, pins, installer)
                (folder / "new").replace(self.location(digest))
        if (environment := self.get(digest)) is None:
            raise StoreError(f"{what}: it is not usable right after it was built", hint="see cmx store verify")
        return environment

    def damages(self, digest: str) -> tuple[str, ...]:
        """What is wrong with an environment, one sentence each; every file that a package recorded is hashed."""
        environment = self._check(digest)
        if environment is None:
            return ("incomplete, or its base interpreter is gone",)
        return tuple(f"{name}: {file} is not as installed" for name, file in damaged_files(environment.folder))

    def all(self) -> Iterator[str]:
        """The digests of everything here, sorted, broken or not."""
        if self.folder.is_dir():
            yield from sorted(path.name for path in self.folder.iterdir() if _DIGEST.fullmatch(path.name))

    def location(self, digest: str) -> Path:
        """Where the environment of this digest lies or would lie. Raises StoreError for what is no digest."""
        if not _DIGEST.fullmatch(digest):
            raise StoreError(f"{digest!r} is not the digest of an environment", hint="see cmx store list")
        return self.folder / digest

    def lock_file(self, digest: str) -> Path:
        """The lock that whoever builds or removes this environment holds."""
        return self._locks / f"environment-{digest}.lock"

    def discard(self, digest: str) -> None:
        """Remove an environment at once, for everybody; its files go after. Hold ``lock_file`` meanwhile."""
        with disk_failures(self.folder, f"removing {digest[:12]}"), workspace(self.folder, "removed") as folder:
            self._retire(digest, folder)

    def _retire(self, digest: str, folder: Path) -> None:
        if (location := self.location(digest)).exists():
            location.replace(folder / "old")

    def _check(self, digest: str) -> Environment | None:
        folder = self.location(digest)
        manifest = read_manifest(folder)
        if manifest is None or manifest["digest"] != digest:
            return None
        try:
            interpreter = Interpreter(**{**manifest["python"], "executable": Path(manifest["python"]["executable"])})
            pins = tuple(_package(entry) for entry in manifest["packages"])
            records = [folder / manifest["site"] / entry["dist_info"] / "RECORD" for entry in manifest["packages"]]
        except (KeyError, TypeError):
            return None
        if not (folder / "pyvenv.cfg").is_file() or not _same_interpreter(folder, interpreter):
            return None
        if not all(record.is_file() for record in records):
            return None
        return Environment(digest, folder, interpreter, pins)


def canonical(name: str) -> str:
    """The name of a Python package as indexes compare it: ``Foo_Bar`` is ``foo-bar``."""
    return _NAME_SEPARATORS.sub("-", name).lower()


def python_of(folder: Path) -> Path:
    """The interpreter of the virtual environment in ``folder``."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def site_of(folder: Path) -> Path:
    """Where packages lie in the virtual environment. Raises StoreError if it is none."""
    found = sorted(folder.glob("lib/python*/site-packages")) or sorted(folder.glob("Lib/site-packages"))
    if not found:
        raise StoreError(f"{folder} has no site-packages", hint="cmx store verify --repair removes it")
    return found[0]


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The environment's manifest, or None if there is none of this schema that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("schema") == SCHEMA else None


def damaged_files(folder: Path) -> Iterator[tuple[str, str]]:
    """(package, file) for every installed file whose bytes differ from its package's RECORD, or are missing."""
    for dist_info in sorted(site_of(folder).glob("*.dist-info")):
        for file in damaged_records(dist_info):
            yield dist_info.name.split("-")[0], file


def damaged_records(dist_info: Path) -> Iterator[str]:
    """The files named in ``dist_info``/RECORD whose sha256 is another now, or that are missing."""
    record = dist_info / "RECORD"
    if not record.is_file():
        yield f"{dist_info.name}/RECORD"
        return
    import csv

    with record.open(newline="", encoding="utf-8") as stream:
        for row in csv.reader(stream):
            if len(row) > 1 and row[1].startswith("sha256=") and not _matches(dist_info.parent / row[0], row[1][7:]):
                yield row[0]


def _matches(path: Path, expected: str) -> bool:
    try:
        found = bytes.fromhex(sha256_of(path))
    except OSError:
        return False
    import base64

    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == expected.rstrip("=")


def _same_interpreter(folder: Path, interpreter: Interpreter) -> bool:
    python = python_of(folder)
    if not python.exists():
        return False
    # On Windows the environment has a launcher of its own, not a link to the base interpreter.
    return interpreter.executable.exists() if os.name == "nt" else python.resolve() == interpreter.executable.resolve()


def _write_manifest(
    folder: Path, digest: str, interpreter: Interpreter, packages: tuple[Package, ...], installer: str
) -> None:
    site = site_of(folder)
    installed = {canonical(path.name.split("-")[0]): path for path in site.glob("*.dist-info")}
    entries = []
    for package in packages:
        dist_info = installed.get(canonical(package.name))
        if dist_info is None or not _is_version(dist_info, package.version):
            raise StoreError(f"{package} is not in the environment after it was installed")
        pin = {**asdict(package), "name": canonical(package.name), "hashes": list(package.hashes)}
        entries.append({**pin, "dist_info": dist_info.name})
    base = python_of(folder).resolve() if os.name != "nt" else interpreter.executable
    manifest = {
        "schema": SCHEMA,
        "digest": digest,
        "created": time.time(),
        "python": {**interpreter._asdict(), "executable": str(base)},
        "site": site.relative_to(folder).as_posix(),
        "packages": entries,
        "installer": installer,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _package(entry: Mapping[str, Any]) -> Package:
    return Package(str(entry["name"]), str(entry["version"]), tuple(map(str, entry["hashes"])))


def _is_version(dist_info: Path, version: str) -> bool:
    from cmx.reference import version_key

    found = dist_info.name.removesuffix(".dist-info").split("-", 1)[1]
    return found == version or bool(version_key(found) == version_key(version))
