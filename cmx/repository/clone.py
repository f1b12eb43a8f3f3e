"""A git clone as a repository of components: made shallow, moved only forward, never at the cost of local changes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.errors import StoreError, UsageError
from cmx.git_command import COMMIT, explain, git_in, gives_no_single_commits
from cmx.repository.added import Added
from cmx.repository.revision import head

if TYPE_CHECKING:
    from git import Git

_SCHEMES = ("https://", "ssh://", "file://", "http://")
_SCP = re.compile(r"(?P<url>[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/?\d+/)[^@\s]+)(?:@(?P<ref>\S+))?")
_URL = re.compile(r"(?P<url>[a-z]+://(?:[^/\s]*@)?[^/@\s]*/[^@\s]*)(?:@(?P<ref>\S+))?")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")
_LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/")
# Links in a strangers' repository become small text files: nothing is read through them.
_KEPT = ("core.symlinks=false", f"core.hooksPath={os.devnull}", "core.fsmonitor=false", "submodule.recurse=false")


@dataclass(frozen=True)
class Address:
    """Where a git repository is, and which branch, tag or commit of it is wanted ("" is its default branch)."""

    url: str
    ref: str

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """Read ``URL[@branch|tag|commit]``; None for what is no URL. Raises UsageError for one that is not taken."""
        match = _URL.fullmatch(text) if "://" in text else _SCP.fullmatch(text)
        if not match and "://" not in text:
            return None
        if not match or (not text.startswith(_SCHEMES) and "://" in text):
            raise UsageError(f"{text!r} is no address of a git repository", hint="as in https://HOST/OWNER/NAME@v1.0")
        url, ref = match["url"], match["ref"] or ""
        if url.startswith("http://") and not _LOCAL.match(url):
            raise UsageError(f"{url!r} is not https", hint="write https://…, ssh://… or file:///…")
        if re.match(r"https?://[^/]*@", url):
            raise UsageError(
                f"{url.rpartition('@')[2]}: the address holds a password", hint="leave it to git's own settings"
            )
        if ref and (not _REF.fullmatch(ref) or ".." in ref):
            raise UsageError(f"{ref!r} is no branch, tag or commit", hint="as in https://HOST/OWNER/NAME@v1.0")
        return cls(url, ref)

    @property
    def commit(self) -> str:
        """The commit, where the reference is one."""
        return self.ref if COMMIT.fullmatch(self.ref) else ""

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")


def make(address: Address, folder: Path) -> str:
    """Clone into ``folder``, which is made; the commit that was checked out. Raises Unavailable or StoreError."""
    folder.mkdir()
    git = git_in(folder, address.url)
    git.init("--quiet")
    for setting in _KEPT:
        git.config(*setting.split("=", 1))
    git.remote("add", "origin", address.url)
    commit = _fetch(git, address.url, address.ref, folder)
    if not address.commit and _is_branch(git, address):
        branch = address.ref or _default_branch(git)
        git.update_ref(f"refs/remotes/origin/{branch}", commit)
        git.checkout("--quiet", "-B", branch, commit)
        git.config(f"branch.{branch}.remote", "origin")
        git.config(f"branch.{branch}.merge", f"refs/heads/{branch}")
    else:
        git.checkout("--quiet", "--detach", commit)
    return commit


def _is_branch(git: Git, address: Address) -> bool:
    return not address.ref or bool(git.ls_remote("--heads", "origin", f"refs/heads/{address.ref}"))


def _default_branch(git: Git) -> str:
    match = re.search(r"^ref: refs/heads/(\S+)\s+HEAD$", str(git.ls_remote("--symref", "origin", "HEAD")), re.MULTILINE)
    return match[1] if match else "main"


def _fetch(git: Any, url: str, ref: str, folder: Path) -> str:
    """Fetch one branch, tag or commit, without its history where the server can; the commit."""
    from git import GitCommandError

    options = ("--no-tags", "--no-recurse-submodules", "--quiet")
    try:
        try:
            git.fetch(*options, "--depth=1", "origin", ref or "HEAD")
        except GitCommandError as error:
            if not gives_no_single_commits(str(error.stderr)):
                raise
            git.fetch("--no-recurse-submodules", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*", "--tags")
            found = ref if COMMIT.fullmatch(ref) else f"refs/remotes/origin/{ref or _default_branch(git)}"
            return str(git.rev_parse("--verify", f"{found}^{{commit}}"))
        return str(git.rev_parse("--verify", "FETCH_HEAD^{commit}"))
    except GitCommandError as error:
        raise explain(str(error.stderr), url, ref, folder) from error


def advance(entry: Added, commit: str = "") -> str:
    """Fetch, and move a clone without local changes to what was fetched, or to ``commit``; where it is then.

    Raises StoreError where a file of the user's is in the way, Unavailable where nothing can be fetched.
    """
    from git import GitCommandError

    git = git_in(entry.root, entry.source)
    if commit and _has(git, commit):
        found = str(git.rev_parse("--verify", f"{commit}^{{commit}}"))
    else:
        found = _fetch(git, entry.source, commit or entry.ref, entry.root)
    try:
        if commit:
            git.checkout("--quiet", "--detach", found)
        else:
            _follow(git, entry, found)
    except GitCommandError as error:
        why = str(error.stderr).strip(" \n'").removeprefix("stderr: '")
        raise StoreError(f"repository {entry.name}: {why}", hint=f"look at it: git -C {entry.root} status") from error
    return found


def _has(git: Any, commit: str) -> bool:
    from git import GitCommandError

    try:
        git.cat_file("-e", f"{commit}^{{commit}}")
    except GitCommandError:
        return False
    return True


def _follow(git: Any, entry: Added, commit: str) -> None:
    branch = entry.ref or _default_branch(git)
    if not entry.ref or git.ls_remote("--heads", "origin", f"refs/heads/{entry.ref}"):
        git.update_ref(f"refs/remotes/origin/{branch}", commit)
        if str(git.rev_parse("--abbrev-ref", "HEAD")) != branch:
            git.checkout("--quiet", "-B", branch, commit)
            return
    git.reset("--quiet", "--keep", commit)


def refuse_changes(entry: Added) -> None:
    """Raise StoreError where the user changed files or made commits in a clone."""
    what = changes(entry)
    if what:
        raise StoreError(
            f"repository {entry.name}: {what} in {entry.root}; an update would lose that",
            hint=f"commit and push it from there, or put it aside (git -C {entry.root} stash --include-untracked); "
            f"then: cmx repo update {entry.name}",
        )


def changes(entry: Added) -> str:
    """What the user did in a clone, in words; "" for nothing."""
    git = git_in(entry.root, entry.source)
    lines = [line[3:] for line in str(git.status("--porcelain", "--untracked-files=all")).splitlines() if line]
    if lines:
        shown = ", ".join(lines[:3]) + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
        return f"changes of yours ({shown})"
    here = head(entry.root)
    known = str(git.for_each_ref("--format=%(objectname)", "refs/remotes", "refs/tags")).split()
    return "" if here == entry.commit or here in known else f"commits of yours ({here[:12]})"
