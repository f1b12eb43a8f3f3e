"""``{with: git, url: …, commit: …, build: cmake}``: a commit, built by cmake or make and installed into the store.

``folder`` is where CMakeLists.txt or Makefile lies, ``options`` are variables of the build, ``targets`` what to build.
The commands are fixed: a rule has a place for names and values, and none for a command.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.archives import everything
from cmx.component import InstallRule
from cmx.errors import StoreError
from cmx.files import disk_full
from cmx.git_command import COMMIT
from cmx.install import checkout
from cmx.install.command import build_environment_of, failed, program, run
from cmx.install.tools.installing import Installing
from cmx.install.tools.layout import link_programs

_OURS = frozenset({"PREFIX", "DESTDIR", "prefix", "CMAKE_INSTALL_PREFIX", "CMAKE_INSTALL_RPATH", "MAKEFLAGS", "SHELL"})
_VALUE = re.compile(r"[A-Za-z0-9 _./+,:=@%-]*")
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_PERCENT = re.compile(r"\[\s*(\d+)%\]")
_OF = re.compile(r"\[(\d+)/(\d+)\]")


def check(rule: InstallRule, installing: Installing) -> None:
    """Raise ComponentInvalid for an address that is not taken, and for values that a build could run."""
    if why := checkout.objection(str(rule.recipe["url"])):
        raise installing.invalid("url", why)
    if not COMMIT.fullmatch(str(rule.recipe["commit"])):
        raise installing.invalid("commit", "is not 40 hex digits")
    for name, value in rule.recipe.get("options", {}).items():
        if name in _OURS or not _VALUE.fullmatch(_text(value)):
            raise installing.invalid(f"options.{name}", "is set by cmx" if name in _OURS else "has unsafe signs")
    if not all(_TARGET.fullmatch(str(each)) for each in rule.recipe.get("targets", ())):
        raise installing.invalid("targets", "has unsafe signs")


def identity(rule: InstallRule) -> Mapping[str, Any]:
    """The commit, and everything that the build is told."""
    return {"commit": rule.recipe["commit"], **{key: rule.recipe.get(key) for key in ("build", "folder", "bin")}} | {
        "options": {name: _text(value) for name, value in rule.recipe.get("options", {}).items()},
        "targets": list(rule.recipe.get("targets", ())),
    }


def describe(rule: InstallRule) -> str:
    """The repository, the commit and how it is built."""
    return f"build {rule.recipe['url']} at {str(rule.recipe['commit'])[:12]} with {rule.recipe['build']}"


def install(rule: InstallRule, installing: Installing, folder: Path) -> Mapping[str, Any]:
    """Fetch the commit, build it, install into ``folder``. Raises Unavailable, also for a build that fails."""
    url, commit = str(rule.recipe["url"]), str(rule.recipe["commit"])
    with installing.store.workspace("build") as workspace:
        source = workspace / "source"
        with checkout.fetched(
            url, commit, workspace / "git", offline=installing.offline, reporter=installing.reporter
        ) as repo:
            checkout.export(repo, commit, source, name=url, wanted=everything, links=True)
        build = _Build(rule, installing, workspace, _inside(source, str(rule.recipe.get("folder", ".")), url), folder)
        build.with_cmake() if rule.recipe["build"] == "cmake" else build.with_make()
    if places := rule.recipe.get("bin"):
        link_programs(folder, [_inside(folder, str(place), url) for place in places])
    return {"url": url, "commit": commit, "recipe": dict(rule.recipe)}


@dataclass(frozen=True)
class _Build:
    rule: InstallRule
    installing: Installing
    workspace: Path
    source: Path
    prefix: Path

    def with_cmake(self) -> None:
        """Configure, build and install. Shared libraries are found beside the programs, wherever these go."""
        beside = "@loader_path/../lib" if sys.platform == "darwin" else "$ORIGIN/../lib"
        given = {"CMAKE_BUILD_TYPE": "Release", "CMAKE_INSTALL_LIBDIR": "lib", **self._options()}
        fixed = {"CMAKE_INSTALL_PREFIX": str(self.prefix), "CMAKE_INSTALL_RPATH": beside}
        variables = [f"-D{name}={value}" for name, value in {**given, **fixed}.items()]
        targets = [part for each in self.rule.recipe.get("targets", ()) for part in ("--target", str(each))]
        build, release = str(self.workspace / "built"), ("--config", "Release")
        self._run("cmake", ["-S", str(self.source), "-B", build, *variables])
        self._run("cmake", ["--build", build, *release, "--parallel", _jobs(), *targets])
        self._run("cmake", ["--install", build, *release, "--prefix", str(self.prefix)])

    def with_make(self) -> None:
        """Build, then install with PREFIX."""
        variables = [f"{name}={value}" for name, value in self._options().items()]
        place = [f"PREFIX={self.prefix}", f"prefix={self.prefix}"]
        common = ["-C", str(self.source), *place, *variables]
        self._run("make", [*common, "-j", _jobs(), *self.rule.recipe.get("targets", ())])
        self._run("make", [*common, "install"])

    def _options(self) -> dict[str, str]:
        return {name: _text(value) for name, value in self.rule.recipe.get("options", {}).items()}

    def _run(self, tool: str, arguments: Sequence[str]) -> None:
        name = self.installing.component.name
        doing = f"building {name}"
        path = program(tool, needed_for=doing, hint=f"cmx install {tool}")
        home = self.workspace / "home"
        home.mkdir(exist_ok=True)
        environ = build_environment_of(home)
        ended = run([path, *arguments], folder=self.workspace, environ=environ, on_line=self._hear)
        if ended.status != 0:
            if "No space left" in ended.complaints + ended.output:
                raise disk_full(self.workspace, doing)
            raise failed(ended, f"{doing} ({tool})", hint=f"{name} can also be had elsewhere: cmx detect {name}")

    def _hear(self, line: str) -> None:
        what = f"building {self.installing.component.name}"
        if match := _PERCENT.match(line):
            self.installing.reporter.progress(what, int(match[1]), 100)
        elif match := _OF.match(line):
            self.installing.reporter.progress(what, int(match[1]), int(match[2]))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return str(value)


def _jobs() -> str:
    return str(os.cpu_count() or 1)


def _inside(root: Path, name: str, url: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_dir():
        raise StoreError(f"{url}: it has no folder {name!r}")
    return path
