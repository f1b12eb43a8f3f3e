"""Python packages for another platform: unpacked for its programs to use, never imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.install.lock import format_lock, uv_platform
from cmx.install.uv import Uv
from cmx.reporter import Reporter
from cmx.store import Artefact, Package, Store, key_of


def fetch_packages(
    packages: Sequence[Package],
    *,
    platform: str,
    python: str,
    store: Store,
    offline: bool = False,
    reporter: Reporter | None = None,
    wheels: Path | None = None,
) -> Artefact:
    """The site folder of locked packages for ``platform`` (os-arch) and a Python version, from the store or fetched.

    With ``wheels``, a folder, no index is asked: all of them come from there. Every wheel is held against the lock's
    hashes; no code of any package runs. Raises Refused when there is no wheel for the platform, Unavailable,
    HashMismatch or StoreError.
    """
    reporter = reporter or Reporter()
    uv = Uv(store.settings, offline=offline, reporter=reporter, wheels=wheels)
    identity = {"platform": platform, "python": python, "packages": [[str(p), sorted(p.hashes)] for p in packages]}

    def build(folder: Path) -> Mapping[str, Any]:
        uv.run(
            [
                *("pip", "install", "--target", str(folder), "--python-platform", uv_platform(platform)),
                *("--python-version", python, "--require-hashes", "--no-deps", "--no-build", "--link-mode", "copy"),
                *("-r", "-"),
            ],
            doing=f"fetching packages for {platform}",
            wanted=[str(package) for package in packages],
            text=format_lock(packages),
            indexes=True,
        )
        return {"name": f"{', '.join(map(str, packages))} for {platform}", **identity}

    return store.derive(key_of(identity), build, what=f"packages for {platform}", on_wait=reporter.note)
