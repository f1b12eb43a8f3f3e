"""The host: the facts about a machine that decisions depend on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from cmx.host import elsewhere, limits, processor, software
from cmx.host.accelerators import Accelerator, accelerators
from cmx.host.tree import Missing, Tree

T = TypeVar("T")
SCHEMA = 1


@dataclass(frozen=True)
class Host:
    """A machine, as the resolver sees it: a plain value, so that any machine can be resolved for.

    ``os`` is linux, macos or windows; ``architecture`` x86_64, aarch64 …; ``libc`` "glibc 2.36" or "musl 1.2.4";
    ``cores`` are physical and ``threads`` logical; ``memory`` is in bytes. What is unknown is "", 0 or ().
    """

    os: str
    architecture: str
    distribution: str = ""
    libc: str = ""
    cpu: str = ""
    cores: int = 0
    threads: int = 0
    memory: int = 0
    accelerators: tuple[Accelerator, ...] = ()
    python: str = ""

    @classmethod
    def detect(cls, root: Path = Path("/")) -> Host:
        """The machine whose /proc, /sys and /etc lie below ``root``: this one, by default.

        Reads a few dozen small files, runs no program on Linux, and never raises: what cannot be had is left unknown.
        """
        tree = Tree(root)
        system = software.operating_system(tree)
        host = cls(
            os=system,
            architecture=_or(lambda: normal_architecture(processor.architecture(tree)[0]), ""),
            python=sys.version.split()[0],
        )
        return _linux(host, tree) if system == "linux" else _elsewhere(host)

    @property
    def platform(self) -> str:
        """Operating system and architecture, as in "linux-x86_64"."""
        return f"{self.os}-{self.architecture}"

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Host:
        """The host that ``document`` made. Raises ComponentInvalid for anything else."""
        from cmx.schema import validate

        validate(document, "host", source="host document")
        values = {key: value for key, value in document.items() if key not in ("schema", "document")}
        devices = tuple(Accelerator.from_document(each) for each in values.pop("accelerators"))
        return cls(accelerators=devices, **values)

    def document(self) -> dict[str, Any]:
        """As JSON, by the schema "host"."""
        return {
            "schema": SCHEMA,
            "document": "host",
            "os": self.os,
            "architecture": self.architecture,
            "distribution": self.distribution,
            "libc": self.libc,
            "cpu": self.cpu,
            "cores": self.cores,
            "threads": self.threads,
            "memory": self.memory,
            "accelerators": [each.document() for each in self.accelerators],
            "python": self.python,
        }


def normal_architecture(machine: str) -> str:
    """One name for one architecture: Windows says AMD64 and macOS arm64 for what Linux calls x86_64 and aarch64."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())


def _linux(host: Host, tree: Tree) -> Host:
    return replace(
        host,
        distribution=_or(lambda: software.distribution(tree)[0], ""),
        libc=_or(lambda: software.libc(tree)[0], ""),
        cpu=_or(lambda: processor.model(tree)[0], ""),
        cores=_or(lambda: processor.cores(tree)[0], 0),
        threads=_or(lambda: processor.threads(tree)[0], 0),
        memory=_or(lambda: limits.memory(tree)[0], 0),
        accelerators=_or(lambda: accelerators(tree)[0], ()),
    )


def _elsewhere(host: Host) -> Host:
    import platform

    return replace(
        host,
        distribution=f"{host.os} {platform.mac_ver()[0] or platform.version()}",
        cpu=_or(lambda: elsewhere.cpu_model(host.os)[0], ""),
        cores=_or(lambda: elsewhere.cores(host.os)[0], 0),
        threads=os.cpu_count() or 0,
        memory=_or(lambda: elsewhere.memory(host.os)[0], 0),
    )


def _or(read: Callable[[], T], unknown: T) -> T:
    """What ``read`` returns, or ``unknown`` where the machine does not tell or writes something unheard of."""
    try:
        return read()
    except (Missing, ValueError, LookupError, OSError):
        return unknown
