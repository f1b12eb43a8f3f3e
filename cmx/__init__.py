"""cmx: run an ML benchmark written elsewhere on the machine in front of you, and trust the number.

Names are imported when they are used: ``import cmx`` costs next to nothing and writes nothing.
"""

from __future__ import annotations

from cmx.lazy import exports

__version__ = "0.1.0"

__all__ = ["Catalog", "Host", "Plan", "Request", "Result", "Solution", "access", "resolve", "run"]

__getattr__ = exports(
    __name__,
    {
        "api": ("Solution", "access", "resolve", "run"),
        "host": ("Host",),
        "repository": ("Catalog",),
        "resolver.plan": ("Plan", "Request"),
        "results": ("Result",),
    },
)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
