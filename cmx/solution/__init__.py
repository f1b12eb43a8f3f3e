"""Solutions: archives that reproduce a result on somebody else's machine."""

from __future__ import annotations

from cmx.lazy import exports

__all__ = [
    "About",
    "Archive",
    "Manifest",
    "Subject",
    "check",
    "differences",
    "impostors",
    "pack",
    "retarget",
    "sign",
    "verdict",
    "write",
]

__getattr__ = exports(
    __name__,
    {
        "archive": ("Archive", "write"),
        "contents": ("check",),
        "difference": ("differences",),
        "known": ("impostors",),
        "installing": ("Installed", "install"),
        "manifest": ("Manifest",),
        "packing": ("About", "Subject", "pack"),
        "retargeting": ("retarget",),
        "signature": ("sign", "verdict"),
    },
)
