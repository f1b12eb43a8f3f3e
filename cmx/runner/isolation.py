"""What keeps a stranger's code to itself: the walls around a worker, and how high they are on this machine.

bubblewrap gives a read-only system, a home and a temporary folder of its own, no other processes, and no network;
where it is not there, util-linux's unshare still cuts the network off. Both work without root, by Linux's user
namespaces, which some systems forbid: what is to be had is found out by trying it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cmx.errors import Unavailable

BUBBLEWRAP, UNSHARE, NOTHING = "bubblewrap", "unshare", "nothing"
_HINT = "apt-get install bubblewrap"
_WALLS = ("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--die-with-parent")
_OFFLINE = ("--user", "--map-root-user", "--net")
# Where users, other programs and their sockets keep what is none of a stranger's business.
_PRIVATE = ("/tmp", "/var/tmp", "/run", "/home", "/root")  # noqa: S108 - they are hidden, not written to
_DEVICES = ("nvidia*", "dri", "kfd")


class Isolation(NamedTuple):
    """How a worker is walled in. ``how`` is bubblewrap, unshare (no network, but all files) or nothing.

    ``why`` says why not more; ``readable`` are folders and files below the private places that it may read.
    """

    how: str
    network: bool = False
    why: str = ""
    home: Path = Path()
    readable: tuple[Path, ...] = ()

    def __str__(self) -> str:
        network = "the network as the solution asks" if self.network else "no network"
        walls = {
            BUBBLEWRAP: f"bubblewrap: a read-only system, a private home, {network}",
            UNSHARE: f"unshare: {network}, but your files can be read and written ({self.why})",
            NOTHING: f"none ({self.why})",
        }
        return walls[self.how]

    def showing(self, *paths: Path) -> Isolation:
        """The same, with more that may be read."""
        return self._replace(readable=(*self.readable, *paths))

    def command(self, command: Sequence[str], writable: Path) -> list[str]:
        """The command inside the walls; ``writable`` is the one folder that it may write into."""
        if self.how == BUBBLEWRAP:
            return [*_bubblewrap(self.network), *self._files(Path(command[0]), writable), "--", *command]
        if self.how == UNSHARE and not self.network:
            return [_program("unshare"), *_OFFLINE, "--", *command]
        return list(command)

    def status(self, status: int) -> int:
        """A worker's exit status as Popen gives it: bubblewrap tells of a signal as a shell does."""
        return 128 - status if self.how == BUBBLEWRAP and 128 < status < 193 else status

    def _files(self, python: Path, writable: Path) -> list[str]:
        """First everything private is hidden, then what the worker needs of it is shown again."""
        private = (*(Path(place) for place in _PRIVATE), Path.home(), self.home)
        hidden = sorted({place.resolve() for place in private if place.is_dir()} - {Path("/")})
        shown: list[Path] = []
        for path in sorted({path.resolve() for path in (*self.readable, *_interpreter(python))}):
            if not (shown and path.is_relative_to(shown[-1])):
                shown.append(path)
        words = [word for place in hidden for word in ("--tmpfs", str(place))]
        for path in shown:
            if any(path.is_relative_to(place) for place in hidden):
                words += ["--ro-bind-try", str(path), str(path)]
        return [*words, "--bind", str(writable.resolve()), str(writable.resolve())]


def isolation(settings_home: Path, *, network: bool = False, readable: Iterable[Path] = ()) -> Isolation:
    """The best that this machine has. Costs two short processes the first time."""
    how, why = _best(os.environ.get("PATH", ""))
    return Isolation(how, network, why, settings_home, tuple(readable))


def require_walls(found: Isolation) -> Isolation:
    """Itself. Raises Unavailable where nothing here keeps a stranger's code off the network, though it must be."""
    if found.how == NOTHING and not found.network:
        raise Unavailable(
            f"nothing here keeps the solution's code off the network: {found.why}",
            missing=("bubblewrap",),
            hint=f"{_HINT}; or --no-isolation runs it with all that you may do",
        )
    return found


@lru_cache(maxsize=4)
def _best(_path: str) -> tuple[str, str]:
    """What works here, and why nothing better does."""
    if not shutil.which("bwrap"):
        why = f"bubblewrap is not installed: {_HINT}"
    elif not (said := _trial(_bubblewrap(network=False))):
        return BUBBLEWRAP, ""
    else:
        why = f"bubblewrap does not work here: {said}"
    if not shutil.which("unshare"):
        return NOTHING, why
    said = _trial([_program("unshare"), *_OFFLINE])
    return (NOTHING, f"{why}; nor does unshare: {said}") if said else (UNSHARE, why)


def _trial(walls: Sequence[str]) -> str:
    """What a program says that cannot put up these walls; "" where it can."""
    command = [*walls, "--", sys.executable, "-I", "-c", ""]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else " ".join(ended.stderr.split()) or f"exit status {ended.returncode}"


def _bubblewrap(network: bool) -> list[str]:
    devices = [str(path) for pattern in _DEVICES for path in sorted(Path("/dev").glob(pattern))]
    return [
        *(_program("bwrap"), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *_WALLS),
        *(word for device in devices for word in ("--dev-bind", device, device)),
        *(["--share-net"] if network else []),
    ]


def _interpreter(python: Path) -> Iterable[Path]:
    """The folders of an interpreter: its environment's, and that of the Python that it was made from."""
    yield python.parent.parent
    yield python.resolve().parent.parent
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder)


def _program(name: str) -> str:
    return shutil.which(name) or name
