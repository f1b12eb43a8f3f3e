"""rustup's stand-ins for rustc, cargo and the like: where they lead, read from rustup's files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_ENTRY = re.compile(r'^\s*"?([^"=\n]+?)"?\s*=\s*"([^"\n]*)"', re.MULTILINE)


class NotUsable(Exception):
    """An executable that must not be started or leads nowhere; the message is the reason, ready to be shown."""


def follow_rustup(path: Path, environ: Mapping[str, str], folder: Path) -> Path:
    """The executable of the toolchain that a stand-in starts in ``folder``; any other path as it is.

    The choice is rustup's: ``RUSTUP_TOOLCHAIN``, else a folder's override, else ``rust-toolchain.toml`` here or above,
    else the default. Raises NotUsable where the chosen toolchain lacks it.
    """
    try:
        stands_in = os.readlink(path).rpartition("/")[2] == "rustup"  # noqa: PTH115 a fifth of the time
    except OSError:
        return path
    if not stands_in:
        return path
    home = Path(environ.get("RUSTUP_HOME") or Path(environ.get("HOME") or Path.home()) / ".rustup")
    chosen = _chosen(home, environ, folder)
    for toolchain in sorted(home.glob(f"toolchains/{_literal(chosen)}*")) if chosen else ():
        if (toolchain / "bin" / path.name).is_file():
            return toolchain / "bin" / path.name
    raise NotUsable(f"broken shim: not in {chosen or 'any toolchain'}, the toolchain chosen in rustup")


def _chosen(home: Path, environ: Mapping[str, str], folder: Path) -> str:
    if environ.get("RUSTUP_TOOLCHAIN"):
        return environ["RUSTUP_TOOLCHAIN"]
    settings: dict[str, str] = dict(_ENTRY.findall(_text(home / "settings.toml")))
    for above in (folder, *folder.parents):
        if str(above) in settings:
            return settings[str(above)]
        for name in ("rust-toolchain", "rust-toolchain.toml"):
            text = _text(above / name)
            if text:
                entries: dict[str, str] = dict(_ENTRY.findall(text))
                return entries.get("channel") or text.strip()
    return settings.get("default_toolchain", "")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _literal(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter in "._-")
