"""``{with: download, url: …, sha256: …}``: an archive with programs, or one program, from an https address.

A single folder around everything is taken away. ``bin`` names the folders of programs if they are not ``bin``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import is_archive, unpack
from cmx.component import InstallRule
from cmx.install import download
from cmx.install.tools.installing import Installing
from cmx.install.tools.layout import BIN, lift_single_folder, link_programs, programs


def check(rule: InstallRule, installing: Installing) -> None:
    """Raise ComponentInvalid for an address that is not taken, or a folder that is not inside."""
    if why := download.objection(str(rule.recipe["url"])):
        raise installing.invalid("url", why)
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in rule.recipe.get("bin", ())):
        raise installing.invalid("bin", "leads out of the archive")


def identity(rule: InstallRule) -> Mapping[str, Any]:
    """The archive's hash fixes everything."""
    return {"sha256": rule.recipe["sha256"], "bin": list(rule.recipe.get("bin", ()))}


def describe(rule: InstallRule) -> str:
    """The address."""
    return f"download {rule.recipe['url']}"


def install(rule: InstallRule, installing: Installing, folder: Path) -> Mapping[str, Any]:
    """Download, verify, unpack. Raises HashMismatch, Unavailable, StoreError."""
    url = str(rule.recipe["url"])
    with download.downloaded(
        url,
        str(rule.recipe["sha256"]),
        store=installing.store,
        offline=installing.offline,
        reporter=installing.reporter,
    ) as path:
        if is_archive(path):
            unpack(path, folder, name=download.name_of(url), links=True)
            lift_single_folder(folder)
            _gather(folder, rule)
        else:
            _place(path, folder, installing.component.name)
    return {"url": url, "sha256": rule.recipe["sha256"]}


def _gather(folder: Path, rule: InstallRule) -> None:
    if places := rule.recipe.get("bin"):
        link_programs(folder, [folder / place for place in places])
    elif not any(programs(folder / BIN)):
        link_programs(folder, [folder])


def _place(path: Path, folder: Path, name: str) -> None:
    """One file that is no archive is the program itself."""
    (folder / BIN).mkdir()
    shutil.copyfile(path, folder / BIN / name)
    (folder / BIN / name).chmod(0o755)
