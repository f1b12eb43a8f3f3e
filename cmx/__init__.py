"""cmx: run an ML benchmark written elsewhere on the machine in front of you, and trust the number.

Names are imported when they are used: ``import cmx`` costs next to nothing and writes nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs a tenth of 'cmx --help'
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Catalog": "cmx.repository",
    "Host": "cmx.host",
    "Plan": "cmx.resolver.plan",
    "Request": "cmx.resolver.plan",
    "Result": "cmx.results",
    "access": "cmx.api",
    "resolve": "cmx.api",
    "run": "cmx.api",
}

__all__ = ["Catalog", "Host", "Plan", "Request", "Result", "access", "resolve", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cmx' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
