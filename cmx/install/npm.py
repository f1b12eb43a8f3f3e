"""Packages of npm's registry through npm itself, so that a user's settings apply. No script of a package runs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from cmx.errors import CmxError, HashMismatch, Unavailable
from cmx.files import disk_full
from cmx.install.command import Ended, failed, program, run
from cmx.settings import Settings
from cmx.store import sha256_of

PACKAGE = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*@\d+\.\d+\.\d+[A-Za-z0-9.+-]*")
"""NAME@VERSION or @SCOPE/NAME@VERSION, with an exact version."""

_NETWORK = re.compile(r"code (ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET_TIMEOUT|EPROTO|E5\d\d)")
_QUIET = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false"}


def pack(package: str, sha256: str, folder: Path, *, settings: Settings, offline: bool) -> Path:
    """The package's archive in ``folder``, verified. ``package`` is NAME@VERSION.

    Raises HashMismatch, or Unavailable (npm is not here, no network, offline and not in npm's cache, no such version).
    """
    npm = program(
        "npm", needed_for=f"fetching {package}", hint="install Node.js, which has npm, or name another source"
    )
    # In an empty folder, so that no package.json or .npmrc of the user's project has a say.
    folder.mkdir(parents=True)
    arguments = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", *(["--offline"] if offline else [])]
    ended = run(arguments, folder=folder, environ=_environment(settings))
    archives = list(folder.glob("*.tgz"))
    if ended.status != 0 or len(archives) != 1:
        raise _explain(ended, package, settings)
    found = sha256_of(archives[0])
    if found != sha256:
        raise HashMismatch(package, expected=sha256, found=found)
    return archives[0]


def _environment(settings: Settings) -> Mapping[str, str]:
    environ = dict(os.environ)
    if not any(name.lower() == "npm_config_cache" for name in environ):
        environ["npm_config_cache"] = str(settings.cache / "npm")
    return environ | _QUIET


def _explain(ended: Ended, package: str, settings: Settings) -> CmxError:
    said = ended.complaints
    doing = f"fetching {package} with npm"
    if "code ENOTCACHED" in said:
        return _unavailable(package, "without the network", "run it once without --offline")
    if "code ENOSPC" in said:
        return disk_full(settings.cache, doing)
    if "code ETARGET" in said or "code E404" in said:
        name = package.rpartition("@")[0]
        return _unavailable(package, "npm's registry has no such version", f"npm view {name} versions")
    if match := _NETWORK.search(said):
        return _unavailable(package, f"npm's registry did not answer ({match[1]})", "check the network")
    return failed(ended, doing, hint="npm config list shows npm's settings")


def _unavailable(package: str, why: str, hint: str) -> Unavailable:
    return Unavailable(f"cannot be had: {package}: {why}", missing=(package,), hint=hint)
