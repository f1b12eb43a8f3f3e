"""Small git repositories on disk, made with git itself, for tests of what is fetched from one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Tester"), ("EMAIL", "tester@example.org"), ("DATE", "2025-01-01T00:00:00Z"))
    },
}


@dataclass(frozen=True)
class GitRepository:
    """A repository in a folder."""

    folder: Path

    @property
    def url(self) -> str:
        """Its address as a file."""
        return self.folder.as_uri()

    def git(self, *arguments: str) -> str:
        """Run git here; what it printed."""
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        environ = {**os.environ, **_ENVIRONMENT}
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | bytes], *, executable: tuple[str, ...] = ()) -> str:
        """Write files and commit everything; the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o755 if name in executable else 0o644)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")


def make_repository(folder: Path) -> GitRepository:
    """An empty repository."""
    folder.mkdir(parents=True)
    repository = GitRepository(folder)
    repository.git("init", "--quiet")
    return repository
