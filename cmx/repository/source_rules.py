"""What a source must say for its files to be fetched, beyond its schema: what ``cmx.install.sources`` would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PACKAGES = ("pypi", "sdist", "npm", "apt", "git")
_HINT = "give either member (one file of the {kind}) or members (a pattern, or a list of them)"


def source_faults(source: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The key (a dot before it), what is wrong and the remedy, of each thing that keeps a source from being had."""
    for number, part in enumerate(source.get("parts", ())):
        yield from ((f".parts.{number}{key}", wrong, hint) for key, wrong, hint in source_faults(part))
        if "as" in part and "members" in part:
            yield f".parts.{number}.as", "names a single file, and members are several", "give member, or leave out as"
    named = [key for key in ("member", "members") if key in source]
    kind = next((each for each in _PACKAGES if each in source), "")
    if kind and not named:
        yield "", f"{source[kind]} holds many files, and nothing says which", _HINT.format(kind="package")
    if len(named) > 1:
        yield "", "both member and members", _HINT.format(kind=kind or "archive")
    if "member-sha256" in source and named != ["member"]:
        yield ".member-sha256", "is of a single file, and there is no member", "name it: member"
