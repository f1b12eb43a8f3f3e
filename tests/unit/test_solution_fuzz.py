"""Archives changed at random: each is refused in words, or is as good as new; never a traceback, a file or code.

``CMX_FUZZ=20000 pytest tests/unit/test_solution_fuzz.py`` tries as many; CMX_FUZZ_SEED chooses others.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from solution_fuzz import Mutant, mutants
from solutions import complete_archive, small_archive, small_catalog

from cmx.cli.solution_show import described
from cmx.errors import CmxError
from cmx.repository import Catalog
from cmx.settings import Settings
from cmx.solution import Archive, check, differences, impostors, verdict
from cmx.solution.contents import expected_result, lock

COUNT = int(os.environ.get("CMX_FUZZ", "120"))
SEED = int(os.environ.get("CMX_FUZZ_SEED", "5"))
_STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "ctypes.dlopen")
_WRITES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.remove", "os.rmdir"}


class Watch:
    """Python's own audit of what is opened, written, compiled and started while an archive is looked at."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)  # it cannot be taken away again, so it does nothing unless somebody watches

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event.startswith(_STARTS) or event.startswith("socket."):
            self.seen.append(f"{event}: {arguments}")
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes:
                self._look(event, arguments[0])
        elif event in _WRITES:
            self._look(event, arguments[0])
        elif event == "exec" and "/repository/" in getattr(arguments[0], "co_filename", ""):
            self.seen.append(f"code of the archive: {arguments[0].co_filename}")

    def _look(self, event: str, path: Any) -> None:
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (pathlib does too much for a hook)
        relative = event in ("os.remove", "os.rmdir") and not Path(os.fsdecode(path)).is_absolute()  # rmtree's way
        if not relative and not f"{place}{os.sep}".startswith(self.allowed or ()):
            self.seen.append(f"{event}: {place}")

    @contextmanager
    def over(self, *folders: Path) -> Iterator[None]:
        """Complain of anything that is written elsewhere than below these folders, or started."""
        self.seen, self.allowed = [], tuple(f"{folder}{os.sep}" for folder in folders)
        try:
            yield
        finally:
            self.allowed = None


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def look(mutant: Mutant, folder: Path, good: Archive, catalog: Catalog) -> str:
    """Do with an archive all that can be done before it is run; what came of it: accepted, or the error's type."""
    path = folder / "flow.cmx.zip"
    path.write_bytes(mutant.raw)
    try:
        archive = Archive.open(path)
        verdict(archive, catalog.settings)
        described(archive.manifest)
        archive.verify()
        archive.unpack(folder / "out")
        check(archive)
        for target in archive.manifest.locks:
            lock(archive, target)
        if archive.manifest.expected:
            expected_result(archive)
        impostors(archive, catalog)
        differences(good, archive)
    except CmxError as error:
        assert error.message, mutant.how
        assert error.exit_code in (1, 2, 3), error
        error.message.encode()  # no half characters
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", error.message), repr(error.message)
        assert len(error.message) < 20_000
        return type(error).__name__
    return "accepted"


@pytest.mark.parametrize("make", [small_archive, complete_archive])
def test_no_mutated_archive_does_any_harm(
    tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Archive]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    good, catalog = make(tmp_path / "good"), small_catalog(tmp_path / "here")
    check(good)
    catalog = Catalog(catalog.repositories, Settings(tmp_path / "home"))
    raw = good.path.read_bytes()
    kept = {path: path.read_bytes() for path in (tmp_path / "good").rglob("*") if path.is_file()}
    outcomes: Counter[tuple[str, str]] = Counter()
    for number, mutant in enumerate(mutants(raw, COUNT // 2, SEED)):
        folder = tmp_path / "received"
        folder.mkdir()
        with watch.over(folder, scratch, tmp_path / "home"):
            outcome = look(mutant, folder, good, catalog)
        what = f"mutant {number} of seed {SEED} ({mutant.how}): {outcome}"
        assert watch.seen == [], what
        assert outcome != "accepted" or not mutant.strict or mutant.raw == raw, what
        assert {each.name for each in folder.iterdir()} <= {"flow.cmx.zip", "out"}, what
        assert not any(each.is_symlink() for each in folder.rglob("*")), what
        assert list(scratch.iterdir()) == [], what
        outcomes[mutant.how, outcome] += 1
        shutil.rmtree(folder)
    assert {path: path.read_bytes() for path in kept} == kept
    assert {each.name for each in tmp_path.iterdir()} <= {"good", "here", "home", "scratch"}
    assert len({how for how, _ in outcomes}) == 8
    assert sum(count for (_, outcome), count in outcomes.items() if outcome != "accepted") > COUNT / 4
    print(f"\n{COUNT // 2} mutants of seed {SEED}: ", dict(sorted(outcomes.items())))
