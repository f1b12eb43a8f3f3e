"""Whether a model or a dataset may be given to others, by what its component says of its licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from cmx.component import Component, Dataset, Model

# Licences (SPDX) that let anybody pass the thing on as it is, if its licence and makers stay named.
_FREE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
        *("CC-PDDC", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "ISC", "MIT"),
        *("MIT-0", "MIT-CMU", "MPL-2.0", "ODC-By-1.0", "ODbL-1.0", "OFL-1.1", "PDDL-1.0", "Unlicense", "Zlib"),
    }
)
REMEDY = "write there what others may do with it, by SPDX's name, as in license: Apache-2.0"
_UNSTATED = ("", "unstated")  # "unstated" is what 'cmx new' writes
_WORD = re.compile(r"[A-Za-z0-9.+-]+")


def objection(component: Component) -> str:
    """Why its bytes are not to be passed on; "" where its licence is one that is known to allow it.

    A licence is one of SPDX's identifiers, or several joined by AND, or by OR (one of them will do). Anything else is
    for a lawyer to read, and so refused.
    """
    licence = component.license.strip()
    if not is_stated(component):
        return "its component names no licence"
    chosen = [part for part in licence.split(" OR ") if _allows(part)]
    return "" if chosen else f"its licence is not known to allow passing it on: {licence!r}"


def _allows(part: str) -> bool:
    return all(_WORD.fullmatch(name) and name in _FREE for name in part.strip(" ()").split(" AND "))


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
