"""Parameters of a request: matched to the steps that take them, or to the frameworks whose settings they are.

They are read as their schema says, and checked.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.component import Action, SoftwareDetect, Step
from cmx.errors import UsageError, nearest
from cmx.schema import validate_value

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-zµ]+)")
_PATHS = ("/", "./", "../", "~/")
_KEYWORDS = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
Steps = Sequence[tuple[Step, Action]]
Software = Mapping[str, SoftwareDetect]


def settle(
    software: Software, steps: Steps, given: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The settings of the software in each role that has any, defaults filled in; and the other parameters.

    A key is a setting where it is ``role.setting`` or ``software.setting``, or ``setting`` and no step takes a
    parameter of this name. Raises UsageError for a key that is neither a parameter nor a setting, with the nearest of
    both, and for a value that its schema refuses.
    """
    chosen = {role: _defaults(component.settings) for role, component in software.items() if component.settings}
    others: dict[str, Any] = {}
    for key, value in sorted(given.items(), key=lambda item: "." in item[0]):
        roles = _setting_of(software, steps, key)
        if roles is None:
            others[key] = value
        for role in roles or ():
            chosen[role][_plain(key)] = read(_plain(key), value, software[role].settings[_plain(key)])
    return chosen, {key: others[key] for key in given if key in others}


def _setting_of(software: Software, steps: Steps, key: str) -> list[str] | None:
    """The roles whose setting a key is; None for a parameter, known or not, of a step that there is."""
    scope, name = key.rpartition(".")[0], _plain(key)
    if any(name in action.parameters for step, action in steps if scope in ("", step.id, action.name)):
        return None
    roles = [role for role, each in software.items() if scope in ("", role, each.name, *each.aliases)]
    takers = [role for role in roles if name in software[role].settings]
    if takers:
        return takers
    settings = {each for role in roles for each in software[role].settings}
    if scope and roles:
        raise UsageError(
            f"--set {key}: software/{software[roles[0]].name} has no such setting", hint=nearest(name, settings)
        )
    if not scope:
        raise UsageError(f"--set {key}: no such parameter or setting", hint=nearest(name, {*_names(steps), *settings}))
    if any(scope in (step.id, action.name) for step, action in steps):
        _refuse_scope(software, key, name)
        return None
    known = {word for step, action in steps for word in (step.id, action.name)} | set(software)
    raise UsageError(f"--set {key}: there is no step or role {scope!r}", hint=nearest(scope, known))


def _refuse_scope(software: Software, key: str, name: str) -> None:
    """Raise UsageError for a setting that was given for a step alone."""
    owner = next((role for role, each in software.items() if name in each.settings), "")
    if owner:
        what = f"{name} is a setting of software/{software[owner].name}, the same in every step"
        raise UsageError(f"--set {key}: {what}", hint=f"give --set {owner}.{name}=VALUE")


def assign(steps: Steps, given: Mapping[str, Any], *, complete: bool) -> dict[str, dict[str, Any]]:
    """The parameters of each step: the action's defaults, under the step's ``with``, under what the user gave.

    A key is ``parameter`` (for every step that takes it), or ``step.parameter`` or ``action.parameter``, which wins. A
    parameter with no default must be given if ``complete``.
    Raises UsageError for an unknown key, with the nearest known one, for a value that its schema refuses, and for a
    parameter that must be given.
    """
    chosen = {step.id: {**_defaults(action.parameters), **_checked(action, step.parameters)} for step, action in steps}
    for key, value in sorted(given.items(), key=lambda item: "." in item[0]):
        for step, action in _takers(steps, key):
            name = _plain(key)
            chosen[step.id][name] = read(name, value, action.parameters[name])
    for step, action in steps:
        _refuse_clashes(action, chosen[step.id])
        if complete:
            require_all(action, chosen[step.id])
    return chosen


def _refuse_clashes(action: Action, chosen: Mapping[str, Any]) -> None:
    """Raise UsageError for a parameter, or a value, that goes only with some values of another, which has none."""
    for name, fragment in action.parameters.items():
        partners = fragment.get("values-go-with", {}).get(str(chosen.get(name)), {})
        if chosen.get(name) != fragment.get("default"):
            partners = {**fragment.get("goes-with", {}), **partners}
        for other, values in partners.items():
            if chosen.get(other) not in values:
                wanted = " or ".join(map(str, values))
                what = f"{name} {chosen[name]} goes with {other} {wanted}, and {other} is {chosen.get(other)}"
                raise UsageError(f"{action.key}: {what}", hint=f"give --{other} {values[0]}, or leave out --{name}")


def require_all(action: Action, chosen: Mapping[str, Any]) -> None:
    """Raise UsageError for a parameter that has no default and was not given, and for a file that is not there.

    Files are looked for again since those of a saved plan may be gone.
    """
    for name, fragment in action.parameters.items():
        if name not in chosen:
            raise UsageError(f"{action.key} needs {name}: {fragment['description']}", hint=f"give --{name} VALUE")
        if isinstance(chosen[name], str):
            _look_again(name, chosen[name], fragment.get("format", ""))


def _look_again(name: str, text: str, form: str) -> None:
    try:
        _path(name, text, form)
    except UsageError as error:
        again = f"bring it back, or make the plan again with one that is there: --{name} FILE"
        raise UsageError(error.message, hint=again) from None


def _defaults(fragments: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: fragment["default"] for name, fragment in fragments.items() if "default" in fragment}


def _checked(action: Action, fixed: Mapping[str, Any]) -> dict[str, Any]:
    for name in fixed:
        if name not in action.parameters:
            raise UsageError(f"{action.key} has no parameter {name!r}", hint=nearest(name, action.parameters))
    return {name: read(name, value, action.parameters[name]) for name, value in fixed.items()}


def _plain(key: str) -> str:
    return key.rpartition(".")[2].replace("_", "-")


def _takers(steps: Steps, key: str) -> Steps:
    scope, name = key.rpartition(".")[0], _plain(key)
    scoped = [(step, action) for step, action in steps if scope in ("", step.id, action.name)]
    if not scoped:
        known = {step.id for step, _ in steps} | {action.name for _, action in steps}
        raise UsageError(f"--set {key}: there is no step {scope!r}", hint=nearest(scope, known))
    takers = [(step, action) for step, action in scoped if name in action.parameters]
    if not takers:
        raise UsageError(f"--set {key}: no such parameter", hint=nearest(name, _names(scoped)))
    return takers


def _names(steps: Steps) -> Iterable[str]:
    return {name for _, action in steps for name in action.parameters}


def read(name: str, value: Any, fragment: Mapping[str, Any]) -> Any:
    """A value as its schema fragment has it; text is read as a number, a boolean or a quantity ("200ms") first.

    Raises UsageError for a value that the fragment refuses, and for a file that is not there.
    """
    given = checked(name, value, fragment)
    return _path(name, given, fragment.get("format", "")) if isinstance(given, str) else given


def checked(name: str, value: Any, fragment: Mapping[str, Any]) -> Any:
    """The same, where files need not be there."""
    given = typed(value, fragment) if isinstance(value, str) else value
    rules = {key: fragment[key] for key in _KEYWORDS if key in fragment}
    problem = validate_value(given, rules).removesuffix(" or null")  # which is to leave it out, and nobody types it
    if isinstance(given, float) and not math.isfinite(given):
        problem = f"{given} is not a number to work with"
    if problem:
        raise UsageError(f"{name}: {problem}", hint=_expected(name, given, fragment))
    return given


def _path(name: str, text: str, form: str) -> str:
    """A path from the root on: a worker has a working folder of its own. Text that is no path stays as it is.

    Raises UsageError for a path that is not there.
    """
    # os.path, since Path raises for words that are too long for a file's name.
    is_there = {"path": os.path.exists, "path-or-text": os.path.isfile}.get(form)
    there = is_there is not None and is_there(os.path.expanduser(text))  # noqa: PTH111
    if there or form == "path" or (form == "path-or-text" and _names_a_file(text)):
        path = Path(text).expanduser().absolute()
        if not there:
            raise UsageError(f"{name}: there is no file {path}", hint=f"give one that is there: --{name} FILE")
        return str(path)
    return text


def is_file(text: str) -> bool:
    """Whether there is a file of this name, which may be too long to be one."""
    return os.path.isfile(text)  # noqa: PTH113 - Path.is_file raises for words that are too long


def _names_a_file(text: str) -> bool:
    """Whether text can only mean a file: one word that begins as paths do, or ends as pictures, sounds and films do."""
    import mimetypes

    if " " in text:
        return False
    return (mimetypes.guess_type(text)[0] or "").startswith(("image/", "audio/", "video/")) or text.startswith(_PATHS)


def typed(text: str, fragment: Mapping[str, Any]) -> Any:
    """Text as its schema fragment has it: a number in the fragment's unit, or a boolean; else as it stands."""
    types = fragment.get("type", "string")
    types = [types] if isinstance(types, str) else list(types)
    if "enum" in fragment:
        return next((choice for choice in fragment["enum"] if str(choice) == text), text)
    if "null" in types and text in ("", "none", "null"):
        return None
    if "boolean" in types and text.lower() in ("true", "false", "yes", "no", "on", "off", "1", "0"):
        return text.lower() in ("true", "yes", "on", "1")
    if "integer" in types or "number" in types:
        return _number(text, fragment.get("unit", ""), whole="number" not in types)
    return text


def _number(text: str, unit: str, *, whole: bool) -> Any:
    match = _QUANTITY.fullmatch(text)
    try:
        if match and unit == "s" and match[2] in _SECONDS:
            return float(match[1]) * _SECONDS[match[2]]
        if match and unit and match[2] == unit:
            text = match[1]
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _expected(name: str, value: Any, fragment: Mapping[str, Any]) -> str:
    if "enum" in fragment:
        choices = [str(choice) for choice in fragment["enum"]]
        near = nearest(str(value), choices)
        return near if near.startswith("did you mean") else f"{name} is one of {', '.join(choices)}"
    unit = f" in {fragment['unit']}" if fragment.get("unit", name) != name else ""
    others = f" (or with a unit: {', '.join(_SECONDS)})" if fragment.get("unit") == "s" else ""
    return f"{name}{unit}: {fragment.get('description', '')}{others}"
