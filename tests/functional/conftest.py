"""The whole product through its real command line, against the real package registry.

A bare interpreter is made once a session: the tests' own has the frameworks, and cmx would find them there. What takes
long to make is made once for all of pytest-xdist's workers: the first that needs it makes it, and the others wait.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from command_line import ROOT, SHORT, Answer, CommandLine, warm_copy
from filelock import FileLock

from cmx.errors import Unavailable
from cmx.install import available_versions
from cmx.install.uv import Uv
from cmx.settings import Settings

# What says how this machine reaches its package registry. Everything else of the environment stays out.
_KEPT_PREFIXES = ("PIP_", "UV_", "SSL_")
_KEPT = ("REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "LANG")
_PIP_FILES = (".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf")


@dataclass(frozen=True)
class Prepared:
    """A home after a first run, and what that run said."""

    home: Path
    first: Answer


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package registry that answers; skips with the reason where none does. What fails later is a failure."""
    settings = Settings(tmp_path_factory.mktemp("registry"))
    try:
        versions = available_versions("foolbox", settings=settings)
    except Unavailable as error:
        pytest.skip(f"the package registry cannot be reached: {error}")
    if "3.3.4" not in versions:
        pytest.skip(f"the package registry here has no foolbox 3.3.4, only {versions[:3]}")


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest-xdist's workers have in common."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "together"
    folder.mkdir(exist_ok=True)
    return folder


def once(folder: Path, make: Callable[[], None]) -> None:
    """Make what lies in a folder, unless another worker has."""
    with FileLock(f"{folder}.lock"):
        done = Path(f"{folder}.done")
        if not done.exists():
            make()
            done.touch()


@pytest.fixture(scope="session")
def downloads(together: Path) -> Path:
    """uv's cache for all tests: CMX_TEST_CACHE, or one for this session."""
    return Path(os.environ.get("CMX_TEST_CACHE") or together / "downloads")


@pytest.fixture(scope="session")
def environ(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment that knows the way to the registry, and no software of this machine."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    pip_file = next((Path.home() / name for name in _PIP_FILES if (Path.home() / name).is_file()), None)
    if pip_file:
        kept.setdefault("PIP_CONFIG_FILE", str(pip_file))
    # Measurements wait for one another per user and temporary folder: not for those of whoever else is here.
    own = {"TMPDIR": str(tmp_path_factory.getbasetemp()), "UV_CACHE_DIR": str(downloads)}
    return {**kept, "PATH": str(tmp_path_factory.mktemp("path")), **own}


@pytest.fixture(scope="session")
def python(registry: None, downloads: Path, together: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with cmx from this checkout, its core dependencies, and no framework."""
    folder = together / "bare"
    uv = Uv(Settings(tmp_path_factory.mktemp("bare-home")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(downloads))
        once(folder, lambda: _make_bare(uv, folder))
    return folder / "bin" / "python"


def _make_bare(uv: Uv, folder: Path) -> None:
    uv.run(["venv", "--no-project", "--python", sys.executable, str(folder)], doing="making the bare environment")
    uv.run(
        ["pip", "install", "--python", str(folder), "--no-build", "-r", str(ROOT / "pyproject.toml")],
        doing="installing cmx's core dependencies",
        indexes=True,
    )
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "cmx-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")


@pytest.fixture(scope="session")
def prepared(python: Path, environ: Mapping[str, str], together: Path) -> Prepared:
    """The first run of a new user, made once; its home is copied for each test that needs a warm one."""
    folder = together / "prepared"
    cmx = CommandLine(python, folder / "home", {**environ, "HOME": str(folder)}, folder)
    said = folder / "first.json"

    def first_run() -> None:
        folder.mkdir()
        said.write_text(json.dumps(asdict(cmx("run", "benchmark", *SHORT, timeout=600))), encoding="utf-8")
        cmx("run", "run", "--input", _photo(cmx.home))

    once(folder, first_run)
    return Prepared(cmx.home, Answer(**json.loads(said.read_text(encoding="utf-8"))))


@pytest.fixture(scope="session")
def workshop(python: Path, environ: Mapping[str, str], together: Path, prepared: Prepared) -> CommandLine:
    """cmx on one home for all tests that leave nothing behind but results: what one builds, the next ones find."""
    folder = together / "workshop"
    once(folder, lambda: warm_copy(prepared.home, folder / "home"))
    return CommandLine(python, folder / "home", {**environ, "HOME": str(folder)}, folder)


@pytest.fixture
def fresh(python: Path, environ: Mapping[str, str], tmp_path: Path) -> CommandLine:
    """cmx as after installing it: no home yet."""
    user = tmp_path / "user"
    user.mkdir()
    return CommandLine(python, tmp_path / "home", {**environ, "HOME": str(user)}, user)


@pytest.fixture
def cmx(fresh: CommandLine, prepared: Prepared) -> CommandLine:
    """cmx with everything that a benchmark needs in its home, and no results yet."""
    warm_copy(prepared.home, fresh.home)
    return fresh


@pytest.fixture
def photo(prepared: Prepared) -> Callable[[str], Path]:
    """A photo of the dataset by the end of its name."""
    return lambda ending: _photo(prepared.home, ending)


def _photo(home: Path, ending: str = "") -> Path:
    return next((home / "store" / "derived").glob(f"*/files/imagenet_*{ending}.jpg"))
