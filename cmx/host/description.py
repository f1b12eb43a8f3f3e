"""Everything about a machine that may explain a number, each fact with its source."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cmx.host import elsewhere, limits, microarchitecture, processor, software, virtualisation
from cmx.host.accelerators import accelerators
from cmx.host.machine import Host
from cmx.host.tree import Missing, Tree

SCHEMA = 1
Probe = Callable[[Tree], tuple[Any, str]]


@dataclass(frozen=True)
class Field:
    """A fact that was read: the value (JSON) and where it was read. Sizes are bytes, clocks Hz."""

    value: Any
    source: str

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Unavailable:
    """A fact that this machine does not tell."""

    why: str

    def __str__(self) -> str:
        return f"unavailable: {self.why}"


@dataclass(frozen=True)
class Description:
    """Facts by name, in a fixed order; ``hostname`` is among them unless it was left out."""

    fields: Mapping[str, Field | Unavailable]

    def __getitem__(self, name: str) -> Field | Unavailable:
        return self.fields[name]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Description:
        """The description that ``document`` made. Raises KeyError for anything else; results are checked by schema."""
        return cls({name: _field(value) for name, value in document["fields"].items()})

    def document(self) -> dict[str, Any]:
        """As JSON: each fact is {value, source} or {unavailable}."""
        fields: dict[str, Any] = {}
        for name, field in self.fields.items():
            if isinstance(field, Field):
                fields[name] = {"value": field.value, "source": field.source}
            else:
                fields[name] = {"unavailable": field.why}
        return {"schema": SCHEMA, "document": "description", "fields": fields}

    def anonymous(self) -> Description:
        """The same without the machine's name."""
        return Description({name: field for name, field in self.fields.items() if name != "hostname"})


_LINUX: dict[str, Probe] = {
    "hostname": software.hostname,
    "board": virtualisation.board,
    "distribution": software.distribution,
    "kernel": software.kernel,
    "libc": software.libc,
    "python": software.python,
    "architecture": processor.architecture,
    "hypervisor": virtualisation.hypervisor,
    "container": virtualisation.container,
    "cpu_model": processor.model,
    "cpu_vendor": processor.vendor,
    "microarchitecture": microarchitecture.microarchitecture,
    "isa_level": microarchitecture.isa_level,
    "cpu_flags": processor.flags,
    "sockets": processor.sockets,
    "cores": processor.cores,
    "threads": processor.threads,
    "smt": processor.smt,
    "caches": processor.caches,
    "numa": processor.numa,
    "frequency": processor.frequency,
    "frequency_max": processor.frequency_max,
    "governor": processor.governor,
    "turbo": processor.turbo,
    "affinity": limits.affinity,
    "cpu_limit": limits.cpu_limit,
    "memory": limits.memory,
    "memory_available": limits.memory_available,
    "memory_limit": limits.memory_limit,
}


def describe(host: Host, root: Path = Path("/"), *, anonymous: bool = False) -> Description:
    """Every fact of the machine below ``root``, read or "unavailable: why"; nothing is guessed and nothing raises.

    ``host`` says which operating system's facts to ask for. ``anonymous`` leaves the machine's name out.
    """
    tree = Tree(root)
    probes = _LINUX if host.os == "linux" else _elsewhere(host.os)
    fields = {name: _ask(probe, tree) for name, probe in probes.items()}
    fields["accelerators"] = _ask(_accelerators, tree)
    description = Description(fields)
    return description.anonymous() if anonymous else description


def _ask(probe: Probe, tree: Tree) -> Field | Unavailable:
    try:
        return Field(*probe(tree))
    except Missing as reason:
        return Unavailable(str(reason))
    except (ValueError, LookupError, OSError) as error:
        # A kernel that writes what no other does must cost a fact, never the benchmark.
        return Unavailable(f"not understood: {error}")


def _accelerators(tree: Tree) -> tuple[list[dict[str, str]], str]:
    found, source = accelerators(tree)
    return [each.document() for each in found], source


def _elsewhere(system: str) -> dict[str, Probe]:
    """The same names on macOS and Windows (untested there): what has no reader yet says so."""
    known: dict[str, Probe] = {
        "hostname": software.hostname,
        "distribution": lambda _: (f"{system} {platform.mac_ver()[0] or platform.version()}", "platform"),
        "kernel": software.kernel,
        "python": software.python,
        "architecture": lambda _: (platform.machine(), "platform"),
        "cpu_model": lambda _: elsewhere.cpu_model(system),
        "cores": lambda _: elsewhere.cores(system),
        "threads": lambda _: elsewhere.threads(system),
        "memory": lambda _: elsewhere.memory(system),
    }
    return {name: known.get(name, partial(_not_read, system)) for name in _LINUX}


def _not_read(system: str, _: Tree) -> tuple[Any, str]:
    raise Missing(f"not read on {system}")


def _field(document: Mapping[str, Any]) -> Field | Unavailable:
    if "unavailable" in document:
        return Unavailable(document["unavailable"])
    return Field(document["value"], document["source"])
