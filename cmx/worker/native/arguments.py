"""Arguments of a program, with the places of files that only the plan knows."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from cmx.worker.context import Context, Role
from cmx.worker.outcome import ActionError

_PLACE = re.compile(r"\{([^{}]*)\}")


def expand(text: str, context: Context) -> list[str]:
    """The arguments in ``text``, split as a shell splits them, no shell being asked.

    ``{model}`` is the file of a role, ``{samples.samples}`` a product of a step, and ``{framework:libfoo.*}`` the one
    file of that name in the package that fills a role. Raises ActionError for what is not there.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ActionError(f"arguments: {error}: {text!r}", "close the quotation") from error
    return [_PLACE.sub(lambda found: str(_place(found[1], context)), word) for word in words]


def _place(name: str, context: Context) -> Path:
    role, colon, pattern = name.partition(":")
    step, dot, product = name.partition(".")
    if colon and role in context.roles:
        return _member(context.roles[role], pattern)
    if not colon and dot and (path := context.product(step, product)) is not None:
        return path
    if not colon and not dot and name in context.roles:
        return context.roles[name].file
    known = [*context.roles, *(f"{step}.{each}" for step, made in context.products.items() for each in made)]
    raise ActionError(
        f"arguments: nothing is called {{{name}}} in this step", f"there is: {', '.join(sorted(known)) or 'nothing'}"
    )


def _member(role: Role, pattern: str) -> Path:
    """The one file of a package whose name matches. The package is not imported."""
    folder = package_folder(role)
    if folder is None:
        raise ActionError(f"{role.reference} is neither installed in this environment nor given as a folder")
    found = sorted(path for path in folder.rglob(pattern) if path.is_file()) if pattern else []
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ActionError(f"arguments: {len(found)} files of {role.reference} match {pattern!r} ({names}), expected 1")
    return found[0]


def package_folder(role: Role) -> Optional[Path]:
    """Where the package lies that fills a role: the role's own folder, or the one that an import would find."""
    if role.path is not None:
        return role.path
    spec = importlib.util.find_spec(role.name.replace("-", "_"))
    places: Sequence[str] = list(spec.submodule_search_locations or ()) if spec else ()
    return Path(places[0]) if places else None
