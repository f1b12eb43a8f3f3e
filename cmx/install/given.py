"""What a solution's archive brings along: it is taken before anything is fetched, and verified just the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.install.sources.fetched import Fetched
from cmx.store import key_of
from cmx.store.derived import Derived


class Given(NamedTuple):
    """``data`` has the files of sources, each under ``key_of`` the source; ``wheels`` is a folder of wheels.

    The data lies apart from the store: that an archive says so does not make it what a package of that name holds, and
    nobody but the solution itself is to get it. For the same reason what a solution's own packages convert and compile
    is kept in ``made``.
    """

    data: Derived | None = None
    wheels: Path | None = None
    made: Derived | None = None

    def has(self, source: Mapping[str, Any]) -> bool:
        """Whether a source's files seem to be among it; nothing is hashed."""
        return self.data is not None and self.data.read(key_of(dict(source))) is not None

    def fetched(self, source: Mapping[str, Any]) -> Fetched | None:
        """The files of a source, every byte hashed now; None where they were not brought along."""
        artefact = self.data.find(key_of(dict(source))) if self.data else None
        if artefact is None:
            return None
        if artefact.made_from.get("single"):
            file = artefact.files[0]
            return Fetched(artefact.path(file.name), file.sha256, file.size)
        return Fetched(artefact.folder, key_of({file.name: file.sha256 for file in artefact.files}), artefact.size)
