"""What tells that a managed repository changed, read without git and without looking at its files."""

from __future__ import annotations

from pathlib import Path

from cmx.repository.added import Added
from cmx.repository.heads import Heads
from cmx.repository.listing import stamp_of
from cmx.repository.repository import Repository


def opened(entry: Added, heads: Heads | None = None) -> Repository:
    """An added repository, with its revision where cmx keeps it. Raises ComponentInvalid for a broken repo.yaml."""
    now = revision(entry.root) if entry.kind == "git" else entry.digest
    return Repository.open(entry.root, name=entry.name, heads=heads, revision=now, kind=entry.kind, source=entry.source)


def revision(root: Path) -> str:
    """Changes with every commit, pull, checkout and reset in a clone; "" where it is no clone any more."""
    commit = head(root)
    return f"{commit}:{stamp_of(root / '.git' / 'index')}" if commit else ""


def head(root: Path) -> str:
    """The commit that a working tree is at, read without git; "" where it cannot be told."""
    folder = root / ".git"
    try:
        said = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not said.startswith("ref: "):
            return said
        name = said.removeprefix("ref: ")
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8").strip()
        packed = (folder / "packed-refs").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.split(" ")[0] for line in packed if line.endswith(f" {name}")), "")
