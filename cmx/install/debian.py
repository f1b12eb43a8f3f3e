"""Debian packages through apt-get and dpkg-deb, without root and without installing: fetched, verified, unpacked.

apt's own index and its signatures say which bytes are right. The system's lists of packages are used; where they lack
a package or are out of date, cmx fetches lists of its own into its cache and leaves the system's alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from cmx.archives import Wanted, unpack_tar
from cmx.errors import HashMismatch, StoreError, Unavailable
from cmx.files import disk_failures, disk_full
from cmx.install.command import Ended, failed, program, run
from cmx.reporter import Reporter
from cmx.store import Store, sha256_of

T = TypeVar("T")

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
PINNED = re.compile(r"([a-z0-9][a-z0-9+.-]+)=([A-Za-z0-9][A-Za-z0-9.+~:-]*)")
"""NAME=VERSION."""

MAX_BYTES = 64 << 30
_FRESH = 6 * 3600.0
_URI = re.compile(r"^'[^']*' (\S+) (\d+) SHA256:([0-9a-f]{64})$", re.MULTILINE)
_STATUS = re.compile(r"dlstatus:\d+:([\d.]+):")
_UNKNOWN = re.compile(
    r"Unable to locate package|has no installation candidate|was not found|Can't find a source|404 +Not Found|"
    r"No packages found|unmet dependencies"
)
_NETWORK = re.compile(r"Could not resolve|Could not connect|Failed to fetch|Temporary failure|timed out", re.IGNORECASE)
_HINT = "on Debian, Ubuntu and what is made from them apt-get is there; elsewhere name another source"


class _NotInLists(Exception):
    """The lists of packages in use do not offer what was asked for; the message is apt's sentence."""


class OnSystem(Unavailable):
    """There is nothing to fetch: the system has the packages, and all that they need."""


@dataclass(frozen=True)
class Deb:
    """One package as apt's index describes it; ``size`` in bytes."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str

    @property
    def selector(self) -> str:
        """What apt-get calls it: NAME:ARCHITECTURE=VERSION."""
        architecture = "" if self.architecture == "all" else f":{self.architecture}"
        return f"{self.name}{architecture}={self.version}"

    def __str__(self) -> str:
        return f"{self.name}={self.version}"


@dataclass(frozen=True)
class Apt:
    """apt-get for one cmx home. Nothing is installed, nothing outside the home is written, nothing is asked."""

    store: Store
    offline: bool
    reporter: Reporter

    def fetch(self, package: str, sha256: str, folder: Path) -> Path:
        """One package (NAME=VERSION), verified against ``sha256``. Raises HashMismatch, Unavailable, StoreError."""
        path = self._with_lists(package, lambda lists: self._download([package], folder, lists, 0))[0]
        found = sha256_of(path)
        if found != sha256:
            raise HashMismatch(package, expected=sha256, found=found)
        return path

    def version(self, name: str) -> str:
        """The version of a package that would be fetched, as Debian writes it. Raises Unavailable."""

        def work(lists: Sequence[str]) -> str:
            arguments = ["download", "--print-uris", "-o", "Acquire::ForceHash=SHA256", name]
            ended = self._run(arguments, self.store.settings.cache, lists)
            found = _URI.search(ended.output)
            if ended.status != 0 or found is None:
                raise self._explain(ended, f"asking for {name}")
            return _deb(*found.groups()).version

        return self._with_lists(name, work)

    def fetch_closure(self, names: Sequence[str], folder: Path) -> tuple[tuple[Deb, ...], list[Path]]:
        """The packages, and what they need and the system lacks, each verified against apt's index.

        Raises HashMismatch, StoreError, or Unavailable: OnSystem for what the system has already; also where it is
        too old for them.
        """

        def work(lists: Sequence[str]) -> tuple[tuple[Deb, ...], list[Path]]:
            debs = self._closure(names, lists)
            total = sum(deb.size for deb in debs)
            return debs, _verified(debs, self._download([deb.selector for deb in debs], folder, lists, total))

        return self._with_lists(" ".join(names), work)

    def _closure(self, names: Sequence[str], lists: Sequence[str]) -> tuple[Deb, ...]:
        arguments = ["install", "--print-uris", "--no-install-recommends", "-o", "Acquire::ForceHash=SHA256", *names]
        ended = self._run(arguments, self.store.settings.cache, lists)
        if ended.status != 0:
            raise self._explain(ended, f"finding what {' '.join(names)} needs")
        debs = tuple(_deb(*match) for match in _URI.findall(ended.output))
        if not debs:
            raise OnSystem(f"{' '.join(names)}: the system has it already", hint="cmx detect shows where it is")
        if core := [deb for deb in debs if deb.name in ("libc6", "libc-bin")]:
            raise Unavailable(
                f"{' '.join(names)}: needs {core[0]}, newer than the system's",
                missing=names,
                hint=f"apt-get install {' '.join(names)}",
            )
        return debs

    def _download(self, packages: Sequence[str], folder: Path, lists: Sequence[str], total: int) -> list[Path]:
        for left in folder.glob("*.deb"):  # of an attempt with other lists
            left.unlink()
        what = f"downloading {packages[-1].partition('=')[0].partition(':')[0]}"

        def hear(line: str) -> None:
            if match := _STATUS.match(line):
                share = float(match[1]) / 100
                self.reporter.progress(what, share * total if total else share, total or 1)

        ended = self._run(["download", "-o", "APT::Status-Fd=1", *packages], folder, lists, hear)
        found = sorted(folder.glob("*.deb"))
        if ended.status != 0 or len(found) != len(packages):
            raise self._explain(ended, f"fetching {', '.join(packages[:3])}")
        return found

    def _with_lists(self, what: str, work: Callable[[Sequence[str]], T]) -> T:
        """``work`` with the system's lists, and where these do not do with fresh ones of our own."""
        if self.offline:
            hint = "run it once without --offline"
            raise Unavailable(f"cannot be had: {what}: without the network", missing=(what,), hint=hint)
        try:
            return work(())
        except _NotInLists:
            own = self.store.settings.cache / "apt" / "lists"
        try:
            self._update(own)
            return work(("-o", f"Dir::State::Lists={own}"))
        except _NotInLists as error:
            hint = f"apt-cache policy {what.partition('=')[0]}"
            raise Unavailable(f"cannot be had: {what}: {error}", missing=(what,), hint=hint) from None

    def _update(self, own: Path) -> None:
        with self.store.lock("apt-lists", what="fetching lists of packages", on_wait=self.reporter.note):
            mark = own / "fetched"
            if mark.is_file() and time.time() - mark.stat().st_mtime < _FRESH:
                return
            self.reporter.note("the system's lists of packages are missing or too old; fetching fresh ones for cmx")
            with disk_failures(self.store.settings.cache, "fetching lists of packages"):
                (own / "partial").mkdir(parents=True, exist_ok=True)
                lists = ("-o", f"Dir::State::Lists={own}", "-o", "APT::Update::Error-Mode=any")
                ended = self._run(["update"], self.store.settings.cache, lists)
                if ended.status != 0:
                    raise self._explain(ended, "fetching lists of packages")
                mark.touch()

    def _run(
        self, arguments: Sequence[str], folder: Path, lists: Sequence[str], on_line: Callable[[str], None] | None = None
    ) -> Ended:
        apt = program("apt-get", needed_for=f"apt-get {arguments[0]}", hint=_HINT)
        cache = self.store.settings.cache / "apt"
        with disk_failures(self.store.settings.cache, "running apt-get"):
            (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
        # Its cache is ours, and as root it stays root: apt's own user may not write to our folders.
        options = ("-qq", "-o", f"Dir::Cache={cache}", "-o", "APT::Sandbox::User=root", *lists)
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run([apt, *options, *arguments], folder=folder, environ=environ, on_line=on_line)

    def _explain(self, ended: Ended, doing: str) -> Exception:
        said = ended.complaints
        if "No space left" in said:
            return disk_full(self.store.settings.home, doing)
        if _UNKNOWN.search(said) or (ended.status != 0 and not said.strip()):
            return _NotInLists(_sentence(said) or "apt-get does not offer it")
        if _NETWORK.search(said):
            return Unavailable(
                f"cannot be had: {doing}: no package server answered: {_sentence(said)}", hint="check the network"
            )
        return failed(ended, doing, hint="apt-get update, or ask who runs this machine")


def unpack(deb: Path, target: Path) -> None:
    """Unpack a whole package below ``target``; no script of it runs. Raises StoreError, Unavailable."""
    dpkg = program("dpkg-deb", needed_for=f"unpacking {deb.name}", hint=_HINT)
    target.mkdir(parents=True, exist_ok=True)
    ended = run([dpkg, "-x", str(deb), str(target)], folder=target)
    if ended.status != 0:
        if "No space left" in ended.complaints:
            raise disk_full(target, f"unpacking {deb.name}")
        raise StoreError(f"{deb.name}: cannot be unpacked: {ended.sentence}")


def unpack_members(deb: Path, target: Path, *, name: str, wanted: Wanted) -> tuple[str, ...]:
    """Unpack the wanted files of a package; the names of all its files. Raises StoreError, Unavailable."""
    dpkg = program("dpkg-deb", needed_for=f"unpacking {deb.name}", hint=_HINT)
    target.mkdir(parents=True, exist_ok=True)
    command = [dpkg, "--fsys-tarfile", str(deb)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            return unpack_tar(process.stdout, target, name=name, limit=MAX_BYTES, wanted=wanted)
        finally:
            process.kill()


def _deb(file: str, size: str, sha256: str) -> Deb:
    """A line of ``--print-uris``: ``cpp_4%3a12.2.0-3_amd64.deb`` is cpp, version 4:12.2.0-3, for amd64."""
    name, version, architecture = unquote(file).removesuffix(".deb").rsplit("_", 2)
    return Deb(name, version, architecture, int(size), sha256)


def _verified(debs: Sequence[Deb], paths: Sequence[Path]) -> list[Path]:
    found = {sha256_of(path): path for path in paths}
    for deb in debs:
        if deb.sha256 not in found:
            actual = next((sha for sha, path in found.items() if path.name.startswith(f"{deb.name}_")), "missing")
            raise HashMismatch(str(deb), expected=deb.sha256, found=actual)
    return [found[deb.sha256] for deb in debs]


def _sentence(said: str) -> str:
    lines = [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("E:")]
    return " · ".join(lines[:2])
