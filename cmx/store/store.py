"""The store of one cmx home: the one object through which the rest of cmx keeps and finds things."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from cmx.settings import Settings
from cmx.store import inspection
from cmx.store.derived import Artefact, Build, Derived
from cmx.store.device import device_folder
from cmx.store.environments import EnvironmentStore
from cmx.store.files import Files, StoredFile
from cmx.store.locks import lock
from cmx.store.workspace import workspace


class Store:
    """Content-addressed files, derived folders, tools and environments. Making one costs and writes nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.store
        self.files = Files(settings.store, settings.locks)
        self.derived = Derived(settings.store, settings.locks)
        self.tools = Derived(settings.store, settings.locks, "tools", links=True)
        self.environments = EnvironmentStore(settings)

    def add(self, source: Path, sha256: str | None = None, name: str = "") -> StoredFile:
        """Copy a file in, verified on the way; see ``Files.add``. Raises HashMismatch, StoreError."""
        return self.files.add(source, sha256, name)

    def path(self, sha256: str) -> Path | None:
        """The file with this sha256, verified now, or None: then fetch it (again)."""
        return self.files.path(sha256)

    def derive(
        self, key: str, build: Build, *, what: str = "", on_wait: Callable[[str], None] | None = None
    ) -> Artefact:
        """The folder of this key, verified, built once by ``build`` where needed; see ``Derived.derive``."""
        return self.derived.derive(key, build, what=what, on_wait=on_wait)

    def artefact(self, key: str) -> Artefact | None:
        """The derived folder of this key, verified now, or None."""
        return self.derived.find(key)

    def lock(
        self, name: str, *, what: str, timeout: float | None = None, on_wait: Callable[[str], None] | None = None
    ) -> AbstractContextManager[None]:
        """A lock of this home by name; see ``cmx.store.locks.lock``."""
        return lock(self.settings.locks / f"{name}.lock", what=what, timeout=timeout, on_wait=on_wait)

    def device_lock(
        self, name: str, *, what: str, timeout: float | None = None, on_wait: Callable[[str], None] | None = None
    ) -> AbstractContextManager[None]:
        """The lock of whoever measures on a device of this machine: one for all cmx homes of this user.

        Where the temporary folder has no place to trust it is the home's own.
        """
        folder = device_folder() or self.settings.locks
        return lock(folder / f"{name}.lock", what=what, timeout=timeout, on_wait=on_wait)

    def workspace(self, label: str) -> AbstractContextManager[Path]:
        """A temporary folder on the store's own filesystem; see ``cmx.store.workspace``."""
        return workspace(self.folder, label)

    def list(self) -> tuple[inspection.Entry, ...]:
        """Everything here, environments included."""
        return tuple(inspection.entries(self))

    def verify(self, *, repair: bool = False) -> inspection.Verification:
        """Hash everything, environments included; remove nothing unless ``repair``."""
        return inspection.verify(self, repair=repair)

    def gc(self, keep: set[str], *, older_than: float = 0.0, dry_run: bool = False) -> inspection.Removed:
        """Remove what is not in ``keep`` and was not used for ``older_than`` seconds."""
        return inspection.collect(self, keep, older_than=older_than, dry_run=dry_run)

    def size(self) -> int:
        """Bytes of everything here."""
        return sum(entry.size for entry in self.list())
