"""The files of one git commit, and nothing that a repository could start: no hooks, no filters, no submodules.

Nothing is checked out by git. The commit is fetched into a bare repository and its blobs are written as they are, so
line endings, smudge filters and attributes have no say; the commit's own hash vouches for every byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmx.archives import Wanted, make_links
from cmx.errors import StoreError, Unavailable
from cmx.git_command import explain, git_in, gives_no_single_commits, prepared
from cmx.install.download import objection as web_objection
from cmx.reporter import Reporter

if TYPE_CHECKING:
    from git import Repo

_LINK = 0o120000
_EXECUTABLE = 0o111


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
    folder.mkdir(parents=True)
    git_in(folder, url).init("--quiet", "--bare", "repository.git")
    from git import Repo

    repo = Repo(folder / "repository.git")
    prepared(repo.git, url)
    return repo


def _fetch(repo: Repo, url: str, commit: str, folder: Path) -> None:
    from git import GitCommandError

    try:
        repo.git.fetch("--no-tags", "--no-recurse-submodules", "--depth=1", "--", url, commit)
        return
    except GitCommandError as error:
        if not gives_no_single_commits(str(error.stderr)):
            raise explain(str(error.stderr), url, commit[:12], folder) from error
    try:  # a server that gives no single commits: all branches and tags, and then look
        wanted: Sequence[str] = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        repo.git.fetch("--no-recurse-submodules", "--", url, *wanted)
        repo.git.cat_file("-e", f"{commit}^{{commit}}")
    except GitCommandError as error:
        raise explain(str(error.stderr), url, commit[:12], folder) from error
