"""Installing software that is no Python package: into the store, without root, found by detecting like any other.

An install rule's ``with`` names the installer, and each installer is one module of this package with ``check``,
``identity``, ``install`` and ``describe``. A new one is one new file. An installed tool is a folder of the store whose
``bin`` has the programs; nothing outside the store is written, and nothing of a tool runs while a plan is made.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from cmx.component import InstallRule, SoftwareDetect
from cmx.errors import UsageError
from cmx.install.tools.installing import Installing
from cmx.install.tools.layout import BIN, require_programs
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Store, key_of
from cmx.store.files import mark_used

__all__ = [
    "Installing",
    "describe_install",
    "install_tool",
    "installers",
    "mark_tool_used",
    "offered_version",
    "tool_folders",
    "tool_held",
]

_NOT_INSTALLERS = frozenset({"installing", "layout", "relocation"})


class _Installer(Protocol):
    def check(self, rule: InstallRule, installing: Installing) -> None: ...
    def identity(self, rule: InstallRule) -> Mapping[str, Any]: ...
    def install(self, rule: InstallRule, installing: Installing, folder: Path) -> Mapping[str, Any]: ...
    def describe(self, rule: InstallRule) -> str: ...


def install_tool(
    component: SoftwareDetect,
    rule: InstallRule,
    *,
    store: Store,
    target: str = "",
    offline: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """The folder of a tool in the store, installed by ``rule`` if it is not there; its ``bin`` has the programs.

    Several processes at once install it once; a killed one leaves nothing. A git rule builds: only here does code of
    a stranger run. Raises UsageError for a rule that no installer here follows or that is for another target,
    ComponentInvalid, HashMismatch, Unavailable, StoreError.
    """
    if rule.target and target and rule.target != target:
        raise UsageError(f"{component.name}: the rule is for {rule.target}, not for {target}")
    installing = Installing(store, component, offline, reporter or Reporter())
    installer = _installer(rule)
    installer.check(rule, installing)

    def build(folder: Path) -> dict[str, Any]:
        made_from = dict(installer.install(rule, installing, folder))
        require_programs(folder, component.name)
        return {"name": describe_install(component, rule), "component": component.reference, **made_from}

    artefact = store.tools.derive(
        _key(rule), build, what=f"installing {component.name}", on_wait=installing.reporter.note
    )
    return artefact.folder


def offered_version(
    component: SoftwareDetect, rule: InstallRule, *, store: Store, reporter: Reporter | None = None
) -> str:
    """The version that a rule installs: the rule's own, or the one its installer offers now; "" where nothing says.

    Raises Unavailable when the installer cannot be asked.
    """
    if written := str(rule.recipe.get("version", "")):
        return written
    ask = getattr(_installer(rule), "offered", None)
    return str(ask(rule, Installing(store, component, False, reporter or Reporter()))) if ask else ""


def tool_held(rule: InstallRule, *, store: Store) -> bool:
    """Whether the store seems to have what a rule installs; nothing is hashed."""
    return rule.with_ in installers() and store.tools.read(_key(rule)) is not None


def tool_folders(settings: Settings) -> list[Path]:
    """The folders of programs of all installed tools, for the detector to search after PATH. Costs a listing."""
    return sorted((settings.store / "tools").glob(f"*/files/{BIN}"))


def mark_tool_used(settings: Settings, program: Path) -> None:
    """Give the installed tool that a program belongs to the present time, which ``gc`` takes for its last use."""
    folder = settings.store / "tools"
    if program.is_relative_to(folder):
        mark_used(folder / program.relative_to(folder).parts[0] / "manifest.json")


def describe_install(component: SoftwareDetect, rule: InstallRule) -> str:
    """What installing by a rule does, in one line, for a plan: ``cmake: build … at 0123abcd with cmake``."""
    return f"{component.name}: {_installer(rule).describe(rule)}"


@cache
def installers() -> tuple[str, ...]:
    """The installers that there are."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name not in _NOT_INSTALLERS))


def _installer(rule: InstallRule) -> _Installer:
    if rule.with_ not in installers():
        by = f"{rule.with_!r} is no installer of tools" if rule.with_ else "the rule is only a hint"
        raise UsageError(f"{rule.package or 'this tool'} cannot be installed by cmx: {by}", hint=rule.hint)
    return cast(_Installer, importlib.import_module(f"{__name__}.{rule.with_}"))


def _key(rule: InstallRule) -> str:
    """The same rule on another system makes another folder: a home may be shared between machines."""
    import platform

    system = {"os": sys.platform, "machine": platform.machine()}
    return key_of({"installer": rule.with_, **system, **_installer(rule).identity(rule)})
