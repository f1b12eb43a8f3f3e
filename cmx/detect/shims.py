"""Executables that only start another one, chosen elsewhere: what they are, and where they lead.

A shim's own file stays the same while what it starts changes, so its version may never be kept under its name.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from cmx.detect.rustup import NotUsable, follow_rustup

__all__ = ["NotUsable", "changes_unseen", "follow", "pyenv_root", "refuse"]

# A script that does nothing but start another program with the same arguments.
_FORWARDS = re.compile(rb'#! ?/(?:usr/)?bin/\w+\n+(?:#[^\n]*\n+)*exec (/[\w./+-]+) "\$@"\s*')
_SHELLS = (b"sh", b"bash", b"dash", b"zsh", b"ksh", b"fish")
_HEAD = 512
# Programs that act on the machine whatever they are asked; no component's pattern may lead to one.
_NEVER = frozenset({"halt", "init", "killall", "killall5", "poweroff", "reboot", "shutdown", "systemctl", "telinit"})
# Apple's stand-ins: without the developer tools, starting one opens a window that offers to install them.
_XCRUN = frozenset({"cc", "clang", "gcc", "git", "make", "python3", "pip3"})
_DEVELOPER = ("/Library/Developer/CommandLineTools", "/Applications/Xcode.app")


def pyenv_root(path: Path) -> Path | None:
    """The pyenv that an executable is a shim of, or None."""
    if os.path.basename(os.path.dirname(path)) != "shims":  # noqa: PTH119, PTH120 (asked of every executable)
        return None
    root = path.parent.parent
    return root if (root / "versions").is_dir() and b"pyenv" in _head(path) else None


def follow(path: Path, environ: Mapping[str, str], folder: Path) -> Path:
    """The executable that a shim of pyenv or rustup starts in ``folder``, or a script that is one ``exec`` line.

    Any other path as it is. Starts nothing.

    The choice is pyenv's: ``PYENV_VERSION``, else ``.python-version`` here or above, else ``version`` of pyenv.
    Raises NotUsable where no chosen version has it.
    """
    root = pyenv_root(path)
    if root is None:
        forwards = _FORWARDS.fullmatch(_head(path))
        return Path(forwards[1].decode()) if forwards else follow_rustup(path, environ, folder)
    chosen = _chosen(root, environ, folder)
    for name in chosen:
        real = _version_folder(root, name) / "bin" / path.name
        if real.is_file():
            return real
    having = sorted(found.parent.parent.name for found in root.glob(f"versions/*/bin/{path.name}"))
    where = f"; {', '.join(having)} has it" if having else ""
    raise NotUsable(f"broken shim: not in {', '.join(chosen)}, the version chosen in pyenv{where}")


def changes_unseen(path: Path) -> bool:
    """Whether what an executable starts can change while its own file does not: a shell script, Apple's stand-in."""
    if _apples(path):
        return True
    first = _head(path).split(b"\n", 1)[0]
    if not first.startswith(b"#!"):
        return False
    words = first[2:].replace(b"/", b" ").split()
    return any(word in _SHELLS for word in words)


def refuse(path: Path, real: Path) -> None:
    """Raises NotUsable for an executable (``real`` without links) that must not be started even to ask its version."""
    if real.stem in _NEVER:
        raise NotUsable("never started: it acts on the machine itself")
    if _apples(path) and not any(Path(folder).is_dir() for folder in _DEVELOPER):  # untested
        raise NotUsable("needs Apple's command line tools: xcode-select --install")
    if sys.platform == "win32" and path.parent.name == "WindowsApps" and not path.stat().st_size:  # untested
        raise NotUsable("opens the Microsoft Store")


def _apples(path: Path) -> bool:
    return sys.platform == "darwin" and path.parent == Path("/usr/bin") and path.name in _XCRUN


def _head(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, _HEAD)
    except OSError:
        return b""
    finally:
        os.close(file)


def _chosen(root: Path, environ: Mapping[str, str], folder: Path) -> list[str]:
    if environ.get("PYENV_VERSION"):
        return environ["PYENV_VERSION"].split(":")
    for file in (*(above / ".python-version" for above in (folder, *folder.parents)), root / "version"):
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if names:
            return names
    return ["system"]


def _version_folder(root: Path, name: str) -> Path:
    """The folder of a version; "3.11" means the newest 3.11.x there is."""
    exact = root / "versions" / name
    if exact.is_dir():
        return exact
    series = sorted(root.glob(f"versions/{_literal(name)}.*"), key=_numbers)
    return series[-1] if series else exact


def _literal(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter in "._-")


def _numbers(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".") if part.isdigit()]
