"""``{with: npm, package: NAME, version: …, sha256: …}``: the programs of one package of npm's registry.

No script of the package runs and none of its dependencies is fetched: for packages that bring everything along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import unpack
from cmx.component import InstallRule
from cmx.errors import StoreError
from cmx.install import npm
from cmx.install.tools.installing import Installing
from cmx.install.tools.layout import BIN, lift_single_folder


def check(rule: InstallRule, installing: Installing) -> None:
    """Raise ComponentInvalid for what is no name and exact version."""
    if not npm.PACKAGE.fullmatch(_package(rule)):
        raise installing.invalid("package", f"{_package(rule)!r} is not NAME@VERSION")


def identity(rule: InstallRule) -> Mapping[str, Any]:
    """The package's hash fixes everything."""
    return {"sha256": rule.recipe["sha256"]}


def describe(rule: InstallRule) -> str:
    """The package."""
    return f"npm package {_package(rule)}"


def install(rule: InstallRule, installing: Installing, folder: Path) -> Mapping[str, Any]:
    """Fetch, verify, unpack. Raises HashMismatch, Unavailable, StoreError."""
    package, sha256 = _package(rule), str(rule.recipe["sha256"])
    store = installing.store
    installing.reporter.progress(f"fetching {package}", 0)
    with store.workspace("npm") as workspace:
        archive = npm.pack(package, sha256, workspace / "packed", settings=store.settings, offline=installing.offline)
        unpack(archive, folder, name=package)
    lift_single_folder(folder)
    for name, path in _programs(folder, package).items():
        path.chmod(0o755)
        link = folder / BIN / name
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(Path("..") / path.relative_to(folder))
    return {"package": package, "sha256": sha256}


def _package(rule: InstallRule) -> str:
    return f"{rule.package}@{rule.recipe['version']}"


def _programs(folder: Path, package: str) -> dict[str, Path]:
    """What package.json's ``bin`` names: program → file inside the package."""
    try:
        document = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        named = document.get("bin", {})
        if isinstance(named, str):
            named = {str(document["name"]).rpartition("/")[2]: named}
        found = {str(name): folder / str(path) for name, path in named.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(f"{package}: its package.json cannot be read: {error}") from error
    for name, path in found.items():
        if "/" in name or name in ("", "..") or not path.resolve().is_relative_to(folder.resolve()):
            raise StoreError(f"{package}: {name!r} leads out of the package; nothing of it was kept")
    return {name: path for name, path in found.items() if path.is_file()}
