"""The whole product through its real command line, against the real package registry.

A bare interpreter is made once a session: the tests' own has the frameworks, and cmx would find them there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import ROOT, SHORT, Answer, CommandLine, warm_copy

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
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache for all tests: CMX_TEST_CACHE, or one for this session."""
    return Path(os.environ.get("CMX_TEST_CACHE") or tmp_path_factory.mktemp("downloads"))


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
def python(registry: None, downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with cmx from this checkout, its core dependencies, and no framework."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    uv = Uv(Settings(tmp_path_factory.mktemp("bare-home")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(downloads))
        uv.run(["venv", "--no-project", "--python", sys.executable, str(folder)], doing="making the bare environment")
        interpreter = folder / "bin" / "python"
        uv.run(
            ["pip", "install", "--python", str(interpreter), "--no-build", "-r", str(ROOT / "pyproject.toml")],
            doing="installing cmx's core dependencies",
            indexes=True,
        )
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "cmx-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    return interpreter


@pytest.fixture(scope="session")
def prepared(python: Path, environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The first run of a new user, made once; its home is copied for each test that needs a warm one."""
    folder = tmp_path_factory.mktemp("prepared")
    cmx = CommandLine(python, folder / "home", {**environ, "HOME": str(folder)}, folder)
    first = cmx("run", "benchmark", *SHORT, timeout=600)
    cmx("run", "run", "--input", _photo(cmx.home))
    return Prepared(cmx.home, first)


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
