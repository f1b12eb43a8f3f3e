"""Whether a model or a dataset may be given to others, by what its component says of its licence."""

from __future__ import annotations

import re

from cmx.component import Component

# Licences (SPDX) that let anybody pass the thing on as it is, if its licence and makers stay named.
_FREE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
        *("CC-PDDC", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "ISC", "MIT"),
        *("MIT-0", "MIT-CMU", "MPL-2.0", "ODC-By-1.0", "ODbL-1.0", "OFL-1.1", "PDDL-1.0", "Unlicense", "Zlib"),
    }
)
_WORD = re.compile(r"[A-Za-z0-9.+-]+")


def objection(component: Component) -> str:
    """Why its bytes are not to be passed on; "" where its licence is one that is known to allow it.

    A licence is one of SPDX's identifiers, or several joined by AND, or by OR (one of them will do). Anything else is
    for a lawyer to read, and so refused.
    """
    licence = component.license.strip()
    if not licence:
        return "its component names no licence"
    chosen = [part for part in licence.split(" OR ") if _allows(part)]
    return "" if chosen else f"its licence is not known to allow passing it on: {licence!r}"


def _allows(part: str) -> bool:
    return all(_WORD.fullmatch(name) and name in _FREE for name in part.strip(" ()").split(" AND "))
