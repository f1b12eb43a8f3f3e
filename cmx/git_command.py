"""git as cmx uses it: it starts nothing that a repository could bring along, and asks nobody."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.errors import CmxError, Unavailable
from cmx.files import disk_full

if TYPE_CHECKING:
    from git import Git

COMMIT = re.compile(r"[0-9a-f]{40}")
# No hooks, no monitors, no submodules, and no protocols but these; whatever else the user has set (proxies, mirrors,
# credentials) stays.
_OPTIONS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "fetch.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
# No template of the user's, which could bring hooks.
_SILENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_TEMPLATE_DIR": "",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
_NETWORK = re.compile(r"could not resolve|failed to connect|connection (refused|reset)|timed out", re.IGNORECASE)
_NOT_ALONE = re.compile(r"not our ref|unadvertised object|does not support shallow|dumb http", re.IGNORECASE)


def git_in(folder: Path, url: str) -> Git:
    """The command line of git in a folder, for talking to ``url``. Raises Unavailable where there is no git."""
    try:
        import git
    except ImportError as error:  # GitPython looks for git when it is imported
        hint = "install git, and see that it is on PATH"
        raise Unavailable(f"fetching from a repository: {error}", missing=("git",), hint=hint) from error
    return prepared(git.Git(folder), url)


def prepared(command: Git, url: str) -> Git:
    """The same for a command line that is there already."""
    http = "always" if url.startswith("http:") else "never"  # so that https is never redirected to http
    command.update_environment(**_SILENT)
    command.set_persistent_git_options(c=[*_OPTIONS, f"protocol.http.allow={http}"])
    return command


def gives_no_single_commits(said: str) -> bool:
    """Whether a server refused because it gives whole branches only."""
    return bool(_NOT_ALONE.search(said))


def explain(said: str, url: str, what: str, folder: Path) -> CmxError:
    """What git said on stderr, as an error of ours; ``what`` is the commit, branch or tag that was asked for."""
    lines = [line.strip() for line in said.replace("stderr: '", "").splitlines() if line.strip(" '")]
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no answer")
    if "No space left" in said:
        return disk_full(folder, f"fetching {url}")
    hint = "check the network" if _NETWORK.search(said) else "check the address and the commit"
    at = f" at {what}" if what else ""
    return Unavailable(f"cannot be had: {url}{at}: {why.rstrip(chr(39))}", missing=(url,), hint=hint)
