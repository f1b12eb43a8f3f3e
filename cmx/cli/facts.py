"""What a record says of its machine, with units that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmx.files import readable
from cmx.host import Field, Unavailable

_WIDTH = 90
_HERTZ = ("frequency", "frequency_max", "frequency_before", "frequency_after")
_BYTES = ("memory", "memory_available", "memory_limit", "bytes")


def fact(name: str, field: Field | Unavailable) -> str:
    """A fact of the host, and where it was read."""
    if isinstance(field, Unavailable):
        return str(field)
    text = _value(name, field.value)
    return f"{text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'}   ({field.source})"


def noise(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What went on beside a run, by name."""
    missing = document["unavailable"]
    names = [name for name in document if name not in ("schema", "document", "unavailable", "noisy")]
    return [(name, _noise(name, document[name], missing.get(name, "not known"))) for name in names]


def _noise(name: str, value: Any, why: str) -> str:
    if value is None:
        return f"unavailable: {why}"
    if name.endswith("_ns"):
        return f"{value / 1e9:.1f} s"
    if name in ("pressure", "steal"):
        return f"{value:.1%}"
    return f"{value:.2f}" if isinstance(value, float) else _value(name, value)


def _value(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_part(key, each) for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        between = "; " if any(isinstance(each, Mapping) for each in value) else " "
        return between.join(dict.fromkeys(_value(name, each) for each in value)) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return readable(value) if name in _BYTES else f"{value / 1e9:.2f} GHz" if name in _HERTZ else str(value)
    return str(value)


def _part(key: str, value: Any) -> str:
    """One entry of a fact that has several: a number of bytes needs no name, other numbers do."""
    return _value(key, value) if key in _BYTES or isinstance(value, str) else f"{key} {_value(key, value)}"
