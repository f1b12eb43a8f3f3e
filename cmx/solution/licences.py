"""Whether a model or a dataset may be given to others, by what its component says of its licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from cmx.component import Component, Dataset, Model

# Licences that let anybody pass the thing on as it is, its licence and makers named (and, where asked, its source):
# patterns of SPDX's identifiers. None is for some people or some uses only, as CC-BY-NC is.
_FREE = re.compile(
    "|".join(
        (
            *(
                "0BSD",
                r"AFL-\d\.\d",
                r"Apache-\d\.\d",
                r"Artistic-[12]\.0",
                r"BSD-[1234]-Clause",
                "BlueOak-1.0.0",
                "BSL-1.0",
            ),
            *(
                r"CC-BY(-SA|-ND)?-[1234]\.\d",
                "CC-PDDC",
                "CC0-1.0",
                r"CDDL-1\.[01]",
                r"CDLA-(Permissive|Sharing)-\d\.\d",
            ),
            *(r"CECILL-(2\.[01]|B|C)", r"ECL-[12]\.0", r"EPL-[12]\.0", "etalab-2.0", r"EUPL-1\.[12]", "HPND", "ISC"),
            *(r"[AL]?GPL-[123]\.\d(-only|-or-later)?", r"GFDL-1\.[123](-only|-or-later)?", "LPPL-1.3c"),
            *("MIT", "MIT-0", "MIT-CMU", r"MPL-[12]\.\d", "MS-PL", "MS-RL", r"MulanPSL-[12]\.0", "NCSA"),
            *("ODC-By-1.0", "ODbL-1.0", r"OFL-1\.[01]", r"OSL-[123]\.\d", "PDDL-1.0", "PostgreSQL"),
            *("PSF-2.0", r"Python-2\.0(\.1)?", "Unlicense", "UPL-1.0", "W3C", "WTFPL", "X11", "Zlib"),
        )
    ),
    re.IGNORECASE,
)
_TAKEN = "Apache-2.0, MIT, BSD, GPL, MPL, EPL, CC0 and CC-BY (also -SA, -ND), and others of docs/solutions.md"
PRIVATE = "--private packs it for machines of your own"
_UNSTATED = ("", "unstated")  # "unstated" is what 'cmx new' writes
_MOST = 100  # words of a licence
_WORD = re.compile(r"[()]|[^\s()]+")


def objection(component: Component) -> str:
    """Why its bytes are not to be passed on; "" where its licence is one that is known to allow it.

    A licence is one of SPDX's identifiers, or several joined by AND, or by OR (one of them will do); case does not
    matter. Anything else is for a lawyer to read, and so refused.
    """
    licence = component.license.strip()
    if not is_stated(component):
        return "its component names no licence"
    return "" if _allows(_WORD.findall(licence)) else f"its licence is not known to allow passing it on: {licence!r}"


def remedy(component: Component) -> str:
    """What to do about an objection; it asks nobody to name another licence than the thing has."""
    if not is_stated(component):
        return "write there the licence that it has, by SPDX's name, as in license: Apache-2.0"
    return f"cmx passes on what is under one that lets anybody do so: {_TAKEN}"


def _allows(words: list[str]) -> bool:
    try:
        return len(words) <= _MOST and _any(words) and not words
    except ValueError:
        return False


def _any(words: list[str]) -> bool:
    """Whether what the words begin with allows it: alternatives, of which one does. They are taken off the list.

    Raises ValueError for what is no expression.
    """
    found = _all(words)
    while _taken(words, "OR"):
        found = _all(words) or found
    return found


def _all(words: list[str]) -> bool:
    found = _one(words)
    while _taken(words, "AND"):
        found = _one(words) and found
    return found


def _one(words: list[str]) -> bool:
    """A licence, or an expression in brackets; an exception (WITH) allows more, and never less."""
    if _taken(words, "("):
        found = _any(words)
        _word(words, ")")
        return found
    name = _word(words)
    if _taken(words, "WITH"):
        _word(words)
    return _FREE.fullmatch(name.removesuffix("+")) is not None


def _word(words: list[str], expected: str = "") -> str:
    if not words or expected not in ("", words[0]):
        raise ValueError("a licence ends too early")
    return words.pop(0)


def _taken(words: list[str], word: str) -> bool:
    """Whether the first word is this one, which then is taken off the list."""
    if not words or words[0].upper() != word:
        return False
    words.pop(0)
    return True


def own_objection(component: Component) -> str:
    """Why a component's own files are not to be passed on, as they are with its recipe; "" where they may be.

    Only what a model or a dataset is counts, where it lies beside component.yaml. Where that is one part among others
    the licence speaks of those, too, so that it has to be stated, and no more.
    """
    wholes, parts = _own_data(component)
    return objection(component) if wholes or (parts and not is_stated(component)) else ""


def refusal(component: Component) -> str:
    """``own_objection`` as a message that names file, field and what would be given away; "" where there is none."""
    why = own_objection(component)
    if not why:
        return ""
    given = why.removeprefix("its licence ") if is_stated(component) else "is not stated"
    data = ", ".join(dict.fromkeys(chain(*_own_data(component))))
    return f"{component.file}: license: {given}, and {data} lies beside it, so that it would be passed on"


def is_stated(component: Component) -> bool:
    """Whether a component names a licence at all."""
    return component.license.strip() not in _UNSTATED


def _own_data(component: Component) -> tuple[list[str], list[str]]:
    """The files of a model's or a dataset's own folder that it is, and those that are one part of it among others."""
    sources: list[Mapping[str, Any]] = []
    if isinstance(component, Model):
        sources = [variant.source for variant in component.variants.values() if variant.source]
    elif isinstance(component, Dataset):
        sources = [component.source]
    parts = [part for source in sources for part in source.get("parts", ())]
    return [str(each["file"]) for each in sources if "file" in each], [str(e["file"]) for e in parts if "file" in e]
