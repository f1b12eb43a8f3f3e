"""pip's configuration in uv's words.

A machine's indexes, mirrors, wheels on disk and certificates are configured for pip; uv reads none of that.
So pip itself is asked what it would use (files and PIP_… variables), and the answer becomes uv's arguments.
What the user configured for uv itself (UV_… variables, uv.toml) is left alone and wins.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

# A later section wins over an earlier one, whole: pip does not join the values of two sections.
_SECTIONS = ("global", "install", ":env:")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


class PipConfiguration(NamedTuple):
    """What pip was told: each option's words, by its long name without dashes in front."""

    options: Mapping[str, tuple[str, ...]] = {}

    def index_arguments(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """uv's arguments for where packages come from. What does not exist on disk is left out: uv would fail."""
        arguments: list[str] = []
        if (index := self._last("index-url")) and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(environ):
            arguments += ["--default-index", index]
        for url in filter(_exists, self.options.get("extra-index-url", ())):
            arguments += ["--extra-index-url", url]
        for place in filter(_exists, self.options.get("find-links", ())):
            arguments += ["--find-links", _absolute(place)]
        for host in self.options.get("trusted-host", ()):
            arguments += ["--allow-insecure-host", host]
        if self._is_on("no-index"):
            arguments.append("--no-index")
        if self._last("keyring-provider") == "subprocess":
            arguments += ["--keyring-provider", "subprocess"]
        # uv takes all versions of a package from the first index that has any; pip compares those of all indexes.
        # An extra index that holds some versions of a package would otherwise hide all the others.
        return (*arguments, "--index-strategy", "unsafe-best-match")

    def resolution_arguments(self) -> tuple[str, ...]:
        """uv's arguments that matter while versions are chosen: constraints and pre-releases."""
        arguments: list[str] = []
        for file in filter(_exists, self.options.get("constraint", ())):
            arguments += ["--constraints", _absolute(file)]
        if self._is_on("pre"):
            arguments += ["--prerelease", "allow"]
        return tuple(arguments)

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables that uv needs besides, without those that ``environ`` already has."""
        timeout = self._last("timeout") or self._last("default-timeout")
        proxy = self._last("proxy")
        wanted = {
            "SSL_CERT_FILE": self._last("cert"),
            "SSL_CLIENT_CERT": self._last("client-cert"),
            "UV_HTTP_TIMEOUT": str(int(float(timeout))) if timeout else "",
            "UV_HTTP_RETRIES": self._last("retries"),
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
        }
        return {name: value for name, value in wanted.items() if value and not _has(environ, name)}

    def _last(self, option: str) -> str:
        words = self.options.get(option, ())
        return words[-1] if words else ""

    def _is_on(self, option: str) -> bool:
        return self._last(option).lower() in _TRUE


def parse(text: str) -> PipConfiguration:
    """Read the output of ``pip config list``: lines such as ``global.index-url='…'``; other lines are ignored."""
    sections: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in _SECTIONS}
    for section, option, value in _entries(text):
        if section in sections:
            sections[section][option] = tuple(value.split())
    merged: dict[str, tuple[str, ...]] = {}
    for name in _SECTIONS:
        merged.update(sections[name])
    return PipConfiguration(merged)


def pip_configuration() -> PipConfiguration:
    """What pip on the controller's interpreter was told; empty if there is no pip.

    Asking pip costs 0.3 s; the answer is kept while the process lives and its PIP_… variables stay the same.
    """
    return _asked(tuple(sorted(item for item in os.environ.items() if item[0].startswith("PIP_"))))


@lru_cache(maxsize=8)
def _asked(_variables: tuple[tuple[str, str], ...]) -> PipConfiguration:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return parse(answer.stdout) if answer.returncode == 0 else PipConfiguration()


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        name, equals, quoted = line.partition("=")
        section, dot, option = name.strip().partition(".")
        if not (equals and dot):
            continue
        try:
            value = ast.literal_eval(quoted.strip())
        except (ValueError, SyntaxError):
            continue
        yield section, option.replace("_", "-"), str(value)


def _exists(place: str) -> bool:
    path = _path(place)
    return path is None or path.exists()


def _absolute(place: str) -> str:
    if "://" in place:
        return place
    return str(Path(place).expanduser().absolute())


def _path(place: str) -> Path | None:
    """The path that a setting names, or None for what lies elsewhere."""
    if place.startswith("file:"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place).expanduser()


def _has(environ: Mapping[str, str], name: str) -> bool:
    # curl's and requests' lower-case names of proxies count too; on Windows case does not matter anyway.
    return name in environ or name.lower() in environ or (os.name == "nt" and name.upper() in environ)
