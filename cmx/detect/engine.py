"""Runs software-detect components: what of their software is here, in which versions."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cmx.component import Dataset, Model, Search, SoftwareDetect
from cmx.detect import interpreters as python
from cmx.detect import libraries, tools
from cmx.detect.cache import Answer, AnswerCache
from cmx.detect.data import on_disk
from cmx.detect.executables import Candidate, Executables
from cmx.detect.finding import Detection, Finding, Identity, Skipped
from cmx.detect.interpreters import Interpreter
from cmx.detect.listing import Listings
from cmx.detect.places import Places
from cmx.detect.probe import Prober
from cmx.detect.python_packages import Installed, Sites, normalise
from cmx.detect.questions import Question, ask
from cmx.detect.shims import NotUsable
from cmx.errors import ResolutionError, UsageError
from cmx.settings import Settings


class Detector:
    """Looks for software on this machine: executables on PATH and beyond, packages in Python interpreters.

    Every call looks anew at which files there are; a file that is the same as before is not started again. What cmx
    itself installed comes after PATH. ``environ`` gives PATH and HOME, ``folder`` is where the user is (pyenv's choice
    depends on it), ``interpreter`` is the Python that runs cmx, ``root`` a folder to put before the absolute paths of
    components (another system's files), and ``time_limit`` the seconds that one command may take.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str] | None = None,
        *,
        interpreter: Path | None = None,
        folder: Path | None = None,
        root: Path | None = None,
        time_limit: float = 5.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._given = os.environ if environ is None else environ
        self._tools_folder = settings.store / "tools"
        self._interpreter = interpreter or Path(sys.executable)
        self._folder = folder
        self._root = str(root) if root else ""
        self._time_limit = time_limit
        self._data = settings.home / "data"
        self._known: dict[Executables, tuple[Interpreter, ...]] = {}
        self._cache = AnswerCache(settings.cache / "findings.json", clock)

    def detect(self, component: SoftwareDetect, *, explicit: Path | None = None) -> Detection:
        """What is here of one component's software.

        ``explicit`` is a path that the user named (an executable or a library, or a folder that has one): nothing else
        is looked at and no cache is used. Raises UsageError when there is no such file, ResolutionError when it does
        not answer with a version. For a Python package it is an interpreter or a virtual environment.
        """
        if explicit is None:
            return self.detect_all([component])[component.name]
        path = Path(os.path.abspath(explicit.expanduser()))  # noqa: PTH100 resolve() would follow symbolic links
        if component.python_package:
            return self._package_at(component, path)
        if component.search.files and not _is_executable(component, path):
            return self._file_at(component, path)
        return self._tool_at(component, path)

    def detect_all(self, components: Iterable[SoftwareDetect]) -> dict[str, Detection]:
        """What is here of each component's software, by the component's name; all are asked at once.

        A component that cannot be asked about (a bad pattern) has that as its only skipped place.
        """
        wanted = list(components)
        look = self._look()
        found = self._tools([one for one in wanted if not one.python_package], look)
        usable = self._pythons(look) if any(one.python_package for one in wanted) else ()
        sites = Sites()
        return {one.name: _packages(one, usable, sites) if one.python_package else found[one.name] for one in wanted}

    def data(self, component: Dataset | Model, variant: str = "") -> Detection:
        """Where the data of a dataset, or of a variant of a model, lies on this machine; it is looked for each time.

        A finding's version is the component's, its path the folder or file; nothing where it says no ``detect``.
        """
        where = component.detect if isinstance(component, Dataset) else component.variants[variant].detect
        return on_disk(component, where, self._look().places) if where else Detection(component.name)

    def interpreters(self) -> tuple[Interpreter, ...]:
        """The Pythons that a worker can run on: the one that runs cmx first, then those on PATH."""
        return self._pythons(self._look())

    def interpreter(self, path: Path) -> Interpreter:
        """The interpreter at a path, as in a finding's ``path`` or ``place``.

        Raises UsageError when no executable is there, ResolutionError when a worker cannot run on it.
        """
        return self._interpreter_of(self._named(path))

    def installed(self, interpreter: Interpreter) -> Mapping[str, str]:
        """The packages that an interpreter can import: normalised name → version. Only files are read, when asked."""
        return Installed(interpreter.site)

    @property
    def _environ(self) -> Mapping[str, str]:
        """The variables, with the tools that cmx installed after PATH."""
        installed = sorted(self._tools_folder.glob("*/files/bin")) if self._tools_folder.is_dir() else []
        path = os.pathsep.join((self._given.get("PATH", ""), *map(str, installed)))
        return {**self._given, "PATH": path} if installed else self._given

    def _look(self, environ: Mapping[str, str] | None = None) -> Executables:
        environ = self._environ if environ is None else environ
        listings = Listings(environ, self._root)
        places = Places(
            environ,
            listings,
            scripts=self._interpreter.parent,
            data=self._data,
            pythons=lambda: [(each.prefix, each.site) for each in self._pythons(look)],
        )
        look = Executables(environ, self._folder or Path.cwd(), places, listings)
        return look

    def _ask(self, questions: Sequence[Question]) -> list[Answer]:
        return ask(questions, self._cache, lambda: Prober(self._environ, self._time_limit))

    def _tools(self, components: Sequence[SoftwareDetect], look: Executables) -> dict[str, Detection]:
        skipped: dict[str, list[Skipped]] = {}
        asked: dict[str, list[Question]] = {}
        for component in components:
            asked[component.name], skipped[component.name] = _questions(component, look)
        answers = iter(self._ask([question for questions in asked.values() for question in questions]))
        found = {
            one.name: tools.detection(
                one, [(question.candidate, next(answers)) for question in asked[one.name]], skipped[one.name]
            )
            for one in components
        }
        return found | {one.name: _with_files(found[one.name], one, look) for one in components if one.search.files}

    def _tool_at(self, component: SoftwareDetect, path: Path) -> Detection:
        candidates = self._candidates_in(component, path) if path.is_dir() else [self._named(path)]
        fresh = [candidate._replace(steady=False) for candidate in candidates]
        try:
            questions = [tools.question(component, candidate) for candidate in fresh]
        except tools.Unclear as error:
            raise ResolutionError(f"{component.file}: {error}", hint="mend the component") from error
        detection = tools.detection(component, zip(fresh, self._ask(questions), strict=True), ())
        if not detection.findings:
            raise ResolutionError(
                "; ".join(map(str, detection.skipped)),
                hint=f"name a {component.name} that works; 'cmx detect {component.name}' lists what is here",
            )
        return detection

    def _candidates_in(self, component: SoftwareDetect, folder: Path) -> list[Candidate]:
        inside = {**self._environ, "PATH": os.pathsep.join((str(folder), str(folder / "bin")))}
        search = Search(component.search.executables)
        if found := self._look(inside).candidates(search)[0]:
            return found
        raise UsageError(f"{folder}: there is no {component.name} in this folder", hint="name the executable itself")

    def _named(self, path: Path) -> Candidate:
        try:
            candidate = self._look().candidate(path)
        except NotUsable as error:
            raise ResolutionError(f"{path}: {error}", hint="name the executable that is meant") from error
        if candidate is None:
            what = "is no executable file" if path.exists() else "does not exist"
            raise UsageError(f"{path} {what}", hint="give the path of an executable")
        return candidate

    def _file_at(self, component: SoftwareDetect, path: Path) -> Detection:
        look = self._look()
        where = [path / name for name in ("", "lib", "lib64", "include")] if path.is_dir() else [path.parent]
        files = component.search.files if path.is_dir() else (re.escape(path.name),)
        candidates = look.files(Search(files=files, paths=tuple(map(str, where))))[0]
        if not candidates:
            raise UsageError(f"{path}: there is no {component.name} here", hint="give the path of a file or a folder")
        try:
            found, skipped = libraries.findings(component, candidates, look.listings)
        except tools.Unclear as error:
            raise ResolutionError(f"{component.file}: {error}", hint="mend the component") from error
        if not found:
            raise ResolutionError("; ".join(map(str, skipped)), hint=f"name a {component.name} that says its version")
        return Detection(component.name, tuple(found), tuple(skipped))

    def _pythons(self, look: Executables) -> tuple[Interpreter, ...]:
        """The interpreters, asked once in a look."""
        if look not in self._known:
            self._known = {look: self._interpreters(look)}
        return self._known[look]

    def _interpreters(self, look: Executables) -> tuple[Interpreter, ...]:
        candidates = look.candidates(python.SEARCH, first=self._interpreter)[0]
        answers = self._ask([python.question(candidate) for candidate in candidates])
        return tuple(
            Interpreter.from_answer(candidate.path, answer)
            for candidate, answer in zip(candidates, answers, strict=True)
            if "reason" not in answer
        )

    def _interpreter_of(self, candidate: Candidate) -> Interpreter:
        answer = self._ask([python.question(candidate)])[0]
        if "reason" in answer:
            raise ResolutionError(f"{candidate.path}: {answer['reason']}", hint="name a Python that works")
        return Interpreter.from_answer(candidate.path, answer)

    def _package_at(self, component: SoftwareDetect, path: Path) -> Detection:
        places = (path / "bin" / "python3", path / "bin" / "python", path / "Scripts" / "python.exe")
        path = next((place for place in places if place.exists()), path)
        interpreter = self._interpreter_of(self._named(path)._replace(steady=False))
        detection = _packages(component, [interpreter], Sites())
        if not detection.findings:
            reasons = "".join(f" ({skipped})" for skipped in detection.skipped)
            raise ResolutionError(
                f"{path}: this Python has no {component.python_package}{reasons}",
                hint=f"{path} -m pip install {component.python_package}",
            )
        return detection


def _is_executable(component: SoftwareDetect, path: Path) -> bool:
    """Whether a path that the user named is one of a component's programs, not one of its files."""
    return bool(component.search.executables) and path.is_file() and os.access(path, os.X_OK)


def _with_files(detection: Detection, component: SoftwareDetect, look: Executables) -> Detection:
    """A detection, and what the files of its component are."""
    try:
        candidates, skipped = look.files(component.search)
        found, unusable = libraries.findings(component, candidates, look.listings)
    except (tools.Unclear, re.error) as error:
        return Detection(detection.name, detection.findings, (*detection.skipped, Skipped(component.file, str(error))))
    return Detection(detection.name, (*detection.findings, *found), (*detection.skipped, *skipped, *unusable))


def _questions(component: SoftwareDetect, look: Executables) -> tuple[list[Question], list[Skipped]]:
    try:
        candidates, skipped = look.candidates(component.search)
        return [tools.question(component, candidate) for candidate in candidates], skipped
    except tools.Unclear as error:
        return [], [Skipped(component.file, str(error))]
    except re.error as error:
        return [], [Skipped(component.file, f"search.executables: {error.pattern!r} is no pattern: {error}")]


def _packages(component: SoftwareDetect, interpreters: Iterable[Interpreter], sites: Sites) -> Detection:
    """A component's Python package in each interpreter, where the first folder that has it wins, as on import."""
    names = [normalise(name) for name in component.distributions]
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for interpreter in interpreters:
        for site in interpreter.site:
            looked = [sites.named(site, name) for name in names]
            skipped += [each for _, broken in looked for each in broken]
            found = next((one for one, _ in looked if one), [])
            identity = Identity.of(found[0].metadata) if found else None
            if identity:
                place = str(interpreter.path)
                findings.append(Finding(component.name, found[0].version, found[0].folder, identity, place=place))
                break
    return Detection(component.name, tuple(findings), tuple(dict.fromkeys(skipped)))
