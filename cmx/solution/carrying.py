"""This cmx, for a machine that has none: its wheel, as it is here, and the hashes of all that it needs."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from cmx import __version__
from cmx.errors import UsageError
from cmx.install import lock_packages
from cmx.install.lock import format_lock
from cmx.reporter import Reporter
from cmx.settings import Settings, builtin_repository

_NAME = "cmx-bench"
_INFO = f"cmx_bench-{__version__}.dist-info"
_BUILT_IN = ("actions", "components", "workflows", "repo.yaml")
_DATE = (1980, 1, 1, 0, 0, 0)


class Carried(NamedTuple):
    """A wheel of cmx, and a requirements file with the hash of each package that it needs."""

    file: str
    wheel: bytes
    requirements: str


def carried(python: str, platform: str, settings: Settings, reporter: Reporter | None = None) -> Carried:
    """What pip needs to install this cmx on ``python`` (as in 3.11) of ``platform`` (os-arch).

    The index is asked for the packages, and none is installed. Raises UsageError where cmx was not installed here, so
    that nothing says what it needs, and what choosing packages raises.
    """
    needed, here = needs(), f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = sys.executable if python == here else python
    packages = lock_packages(needed, python=interpreter, settings=settings, platform=platform, reporter=reporter)
    file = f"cmx_bench-{__version__}-py3-none-any.whl"
    return Carried(file, wheel(needed), format_lock(packages))


def needs() -> list[str]:
    """What this cmx needs, by its own word: a checkout's pyproject.toml, else what was installed. Raises UsageError."""
    project = builtin_repository() / "pyproject.toml"
    if sys.version_info >= (3, 11) and project.is_file():
        import tomllib

        found: list[str] = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
        return found
    try:
        return [each for each in distribution(_NAME).requires or () if "extra ==" not in each]
    except PackageNotFoundError as error:
        raise UsageError(
            "this cmx was not installed, so that nothing says what it needs",
            hint=f"install it: python -m pip install {project.parent}",
        ) from error


def wheel(needed: Sequence[str]) -> bytes:
    """A wheel with the files of the cmx that runs; the same files give the same bytes."""
    members = {name: path.read_bytes() for name, path in package_files()}
    members |= {f"{_INFO}/{name}": text.encode() for name, text in _metadata(needed).items()}
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in sorted(members.items()))
    members[f"{_INFO}/RECORD"] = f"{record}{_INFO}/RECORD,,\n".encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def package_files() -> Iterator[tuple[str, Path]]:
    """The files of the cmx that runs, under the names that they have in a wheel, sorted."""
    package, built_in = Path(__file__).resolve().parents[1], builtin_repository()
    found = {f"cmx/{path.relative_to(package).as_posix()}": path for path in _files(package)}
    if not built_in.is_relative_to(package):  # a checkout
        for root in (built_in / name for name in _BUILT_IN):
            paths = _files(root) if root.is_dir() else [root]
            found |= {f"cmx/_builtin/{path.relative_to(built_in).as_posix()}": path for path in paths}
    return iter(sorted(found.items()))


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield path


def _metadata(needed: Sequence[str]) -> dict[str, str]:
    lines = "".join(f"Requires-Dist: {each}\n" for each in needed)
    about = f"Name: {_NAME}\nVersion: {__version__}\nLicense-Expression: Apache-2.0\nRequires-Python: >=3.10\n"
    made = {
        "METADATA": f"Metadata-Version: 2.4\n{about}{lines}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: cmx\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\ncmx = cmx.cli.main:entry\n",
    }
    return made | ({"licenses/LICENSE": text} if (text := _licence()) else {})


def _licence() -> str:
    """The licence's text, from a checkout or what was installed; "" where it is in neither."""
    own = builtin_repository() / "LICENSE"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    try:
        files = distribution(_NAME).files or ()
    except PackageNotFoundError:
        return ""
    return next((file.read_text() for file in files if file.name == "LICENSE"), "")


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
