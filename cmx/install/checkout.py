"""The files of one git commit, and nothing that a repository could start: no hooks, no filters, no submodules.

Nothing is checked out by git. The commit is fetched into a bare repository and its blobs are written as they are, so
line endings, smudge filters and attributes have no say; the commit's own hash vouches for every byte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmx.errors import CmxError, StoreError, Unavailable
from cmx.files import disk_full
from cmx.install.archives import Wanted, make_links
from cmx.install.download import objection as web_objection
from cmx.reporter import Reporter

if TYPE_CHECKING:
    from git import Git, Repo

COMMIT = re.compile(r"[0-9a-f]{40}")
_LINK = 0o120000
_EXECUTABLE = 0o111
# git may start nothing and ask nobody; whatever else the user has set (proxies, mirrors, credentials) stays. An address
# of ours is never ssh, but a user's own setting may put one in its place.
_OPTIONS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "fetch.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
# No template of the user's, which could bring hooks.
_SILENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_TEMPLATE_DIR": "", "LC_ALL": "C"}
_NETWORK = re.compile(r"could not resolve|failed to connect|connection (refused|reset)|timed out", re.IGNORECASE)
_NOT_ALONE = re.compile(r"not our ref|unadvertised object|does not support shallow|dumb http", re.IGNORECASE)


def objection(url: str) -> str:
    """Why a repository's URL is not taken, or "": only https and file are, and http from this machine itself."""
    if url.startswith("file://"):
        return "" if urlsplit(url).path.startswith("/") else f"{url!r} names no folder"
    return web_objection(url)


@contextmanager
def fetched(url: str, commit: str, folder: Path, *, offline: bool, reporter: Reporter) -> Iterator[Repo]:
    """A bare repository in ``folder`` that holds the commit, for as long as the block runs.

    Raises Unavailable (offline, no git, no answer, no such commit) or StoreError.
    """
    if offline:
        raise Unavailable(
            f"cannot be had: {url}: without the network", missing=(url,), hint="run it once without --offline"
        )
    repo = _repository(folder, url)
    try:
        reporter.progress(f"fetching {url}", 0)
        _fetch(repo, url, commit, folder)
        yield repo
    finally:
        repo.close()


def export(repo: Repo, commit: str, target: Path, *, name: str, wanted: Wanted, links: bool = False) -> tuple[str, ...]:
    """Write the wanted files of a commit below ``target``; the names of all its files.

    Links are left out, unless ``links``: then those inside the tree are made.
    """
    names: list[str] = []
    pending: list[tuple[str, str]] = []
    for blob in repo.commit(commit).tree.traverse(visit_once=False):
        if blob.type != "blob":  # type: ignore[union-attr]
            continue  # a folder, or a submodule, which is not ours to fetch
        path = str(blob.path)  # type: ignore[union-attr]
        if ".." in Path(path).parts or ".git" in Path(path).parts or "\\" in path:
            raise StoreError(f"{name}: {path!r} leads out of the repository; nothing of it was kept")
        if blob.mode == _LINK:  # type: ignore[union-attr]
            if links and wanted(path):
                pending.append((path, blob.data_stream.read().decode("utf-8", "replace")))  # type: ignore[union-attr]
            continue
        names.append(path)
        if wanted(path):
            _write(blob, target / path)
    make_links(target, pending)
    return tuple(sorted(names))


def _write(blob: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as writer:
        blob.stream_data(writer)  # type: ignore[attr-defined]
    if blob.mode & _EXECUTABLE:  # type: ignore[attr-defined]
        path.chmod(0o755)


def _repository(folder: Path, url: str) -> Repo:
    try:
        import git
    except ImportError as error:  # GitPython looks for git when it is imported
        hint = "install git, and see that it is on PATH"
        raise Unavailable(f"fetching from a repository: {error}", missing=("git",), hint=hint) from error
    folder.mkdir(parents=True)
    _prepared(git.Git(folder), url).init("--quiet", "--bare", "repository.git")
    repo = git.Repo(folder / "repository.git")
    _prepared(repo.git, url)
    return repo


def _prepared(command: Git, url: str) -> Git:
    http = "always" if url.startswith("http:") else "never"  # so that https is never redirected to http
    command.update_environment(**_SILENT)
    command.set_persistent_git_options(c=[*_OPTIONS, f"protocol.http.allow={http}"])
    return command


def _fetch(repo: Repo, url: str, commit: str, folder: Path) -> None:
    from git import GitCommandError

    try:
        repo.git.fetch("--no-tags", "--no-recurse-submodules", "--depth=1", "--", url, commit)
        return
    except GitCommandError as error:
        if not _NOT_ALONE.search(str(error.stderr)):
            raise _explain(str(error.stderr), url, commit, folder) from error
    try:  # a server that gives no single commits: all branches and tags, and then look
        wanted: Sequence[str] = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        repo.git.fetch("--no-recurse-submodules", "--", url, *wanted)
        repo.git.cat_file("-e", f"{commit}^{{commit}}")
    except GitCommandError as error:
        raise _explain(str(error.stderr), url, commit, folder) from error


def _explain(said: str, url: str, commit: str, folder: Path) -> CmxError:
    lines = [line.strip() for line in said.replace("stderr: '", "").splitlines() if line.strip(" '")]
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no answer")
    if "No space left" in said:
        return disk_full(folder, f"fetching {url}")
    hint = "check the network" if _NETWORK.search(said) else "check the address and the commit"
    return Unavailable(f"cannot be had: {url} at {commit[:12]}: {why.rstrip(chr(39))}", missing=(url,), hint=hint)
