"""Getting what is missing: Python packages, environments, tools, and the files of models and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmx.lazy import exports

if TYPE_CHECKING:
    from cmx.install.debian import OnSystem
    from cmx.install.environment import build_environment, find_interpreter
    from cmx.install.given import Given
    from cmx.install.lock import lock_packages
    from cmx.install.rules import install_hint, install_rule, rules_for
    from cmx.install.sources import Fetched, describe_source, fetch, held, stored
    from cmx.install.target import fetch_packages
    from cmx.install.tools import (
        describe_install,
        install_tool,
        mark_tool_used,
        offered_version,
        tool_folders,
        tool_held,
    )
    from cmx.install.uv import Refused
    from cmx.install.versions import Availability, available_versions, versions_of
    from cmx.install.wheels import download_wheels

__all__ = [
    "Availability",
    "Fetched",
    "Given",
    "OnSystem",
    "Refused",
    "available_versions",
    "build_environment",
    "describe_install",
    "describe_source",
    "download_wheels",
    "fetch",
    "fetch_packages",
    "find_interpreter",
    "held",
    "install_hint",
    "install_rule",
    "install_tool",
    "lock_packages",
    "mark_tool_used",
    "offered_version",
    "rules_for",
    "stored",
    "tool_folders",
    "tool_held",
    "versions_of",
]

__getattr__ = exports(
    __name__,
    {
        "debian": ("OnSystem",),
        "environment": ("build_environment", "find_interpreter"),
        "given": ("Given",),
        "lock": ("lock_packages",),
        "rules": ("install_hint", "install_rule", "rules_for"),
        "sources": ("Fetched", "describe_source", "fetch", "held", "stored"),
        "target": ("fetch_packages",),
        "tools": ("describe_install", "install_tool", "mark_tool_used", "offered_version", "tool_folders", "tool_held"),
        "uv": ("Refused",),
        "versions": ("Availability", "available_versions", "versions_of"),
        "wheels": ("download_wheels",),
    },
)
