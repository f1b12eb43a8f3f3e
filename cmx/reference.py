"""References such as ``model/resnet50[onnx]>=1.5,<2``, and the versions they range over."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from cmx.errors import UsageError

COMPONENT_FILE = "component.yaml"
COMPONENT_KINDS = ("action", "dataset", "model", "software-detect", "workflow")
KINDS = (*COMPONENT_KINDS, "software")

_PATTERN = re.compile(
    r"(?:(?P<kind>[a-z][a-z0-9-]*)/)?"
    r"(?P<name>[a-z0-9][a-z0-9._-]*?)"
    r"(?:\[(?P<variant>[a-z0-9][a-z0-9._-]*)\])?"
    r"\s*(?P<specifier>(?:[<>=!~].*)?)"
)


class Reference(NamedTuple):  # not a dataclass: see Settings
    """``kind/name``, with an optional variant and an optional range of versions (PEP 440 specifiers).

    In ``model/…``, ``dataset/…``, ``action/…``, ``workflow/…`` and ``software-detect/…`` the version is the
    component's; in ``software/…`` it is that of the software itself, however it is had.
    """

    kind: str
    name: str
    specifier: str = ""
    variant: str = ""

    @classmethod
    def parse(cls, text: str, *, kind: str = "") -> Reference:
        """Read a reference; ``kind`` is what it means when it names none.

        Raises UsageError for anything that is not a reference, an unknown kind, or a bad specifier.
        """
        match = _PATTERN.fullmatch(text.strip())
        if not match:
            raise UsageError(f"{text!r} is not a reference", hint="write kind/name, as in model/resnet50>=1.5,<2")
        found = match["kind"] or kind
        if not found:
            raise UsageError(f"{text!r} does not say of which kind it is", hint=f"write {'|'.join(KINDS)}/{text}")
        if found not in KINDS:
            from cmx.errors import nearest

            raise UsageError(f"{text!r}: unknown kind {found!r}", hint=nearest(found, KINDS))
        return cls(found, match["name"], _normalise(match["specifier"], text), match["variant"] or "")

    @property
    def key(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    def admits(self, version: str) -> bool:
        """Whether the range holds ``version``; pre-releases only where the range names one."""
        return admits(self.specifier, version)

    def __str__(self) -> str:
        variant = f"[{self.variant}]" if self.variant else ""
        return f"{self.key}{variant}{self.specifier}"


def _normalise(specifier: str, text: str) -> str:
    parts = [part.strip() for part in specifier.split(",") if part.strip()]
    plain = ",".join(part.replace(" ", "") for part in parts)
    if all(_PLAIN.fullmatch(part) for part in parts):
        return plain
    from packaging.specifiers import InvalidSpecifier

    try:
        _specifier_set(specifier)
    except InvalidSpecifier as error:
        raise UsageError(f"{text!r}: {error}", hint="ranges are written as in >=1.5,<2 or ==1.4.*") from error
    return plain


# Valid without asking packaging, whose import takes longer than reading a hundred components.
_PLAIN = re.compile(r"(?:[<>]=?|[=!]=) *\d+(?:\.\d+)*", re.ASCII)


@lru_cache(maxsize=4096)
def _specifier_set(specifier: str):  # type: ignore[no-untyped-def]
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier)


@lru_cache(maxsize=65536)
def admits(specifier: str, version: str) -> bool:
    """Whether a range (PEP 440 specifiers, "" for any) holds a version.

    A version that is not PEP 440 (of a tool) is compared by its leading numbers: "14.0.6-debian" as 14.0.6.
    A pre-release is held only by a range that names one, or by a range of exactly it.
    """
    parts = clauses(specifier)
    if _RELEASE.fullmatch(version) and all(map(_PLAIN.fullmatch, parts)):
        return all(_holds(part, version) for part in parts)  # and packaging needs not be imported to say so
    comparable = version_key(version)
    if comparable.is_prerelease and not _names_prerelease(specifier):
        return False
    return not specifier or bool(_specifier_set(specifier).contains(comparable, prereleases=True))


_OPERATIONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _holds(part: str, version: str) -> bool:
    """Whether a plain part of a range (``>=1.17``) holds a release: PEP 440 compares these as numbers."""
    sign = part[:2] if part[1] == "=" else part[0]
    return bool(_OPERATIONS[sign](_numbers(version), _numbers(part[len(sign) :])))


@lru_cache(maxsize=65536)
def _numbers(release: str) -> tuple[int, ...]:
    """A release's numbers, without the zeros at its end: 1.0 is 1."""
    numbers = [int(number) for number in release.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


@lru_cache(maxsize=4096)
def _names_prerelease(specifier: str) -> bool:
    """Whether a part of the range, but for what it excludes, is a pre-release."""
    parts = _specifier_set(specifier) if specifier else ()
    return any(version_key(p.version.removesuffix(".*")).is_prerelease for p in parts if p.operator != "!=")


_RELEASE = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_LEADING_NUMBERS = re.compile(r"\D*(\d+(?:\.\d+)*)")


@lru_cache(maxsize=65536)
def version_key(version: str):  # type: ignore[no-untyped-def]
    """What versions are ordered by: PEP 440 where it can be read so, else the leading numbers, else 0."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version)
    except InvalidVersion:
        match = _LEADING_NUMBERS.match(version)
        return Version(match[1]) if match else Version("0")


def newest(versions: Iterable[str]) -> list[str]:
    """The versions, newest first."""
    return sorted(versions, key=version_key, reverse=True)


def clauses(specifier: str) -> list[str]:
    """The comma-separated parts of a range, each once."""
    return list(dict.fromkeys(part.strip() for part in specifier.split(",") if part.strip()))


@lru_cache(maxsize=4096)
def contradiction(specifier: str) -> tuple[str, str] | None:
    """Two parts of a range that no version can meet together, or None.

    Sound, not complete: what it names is empty by PEP 440, but it does not look for gaps that only
    pre-releases and exclusions make.
    """
    parts = clauses(specifier)
    for low in parts:
        for high in parts:
            if _apart(low, high):
                return low, high
    return None


_OPERATORS = ("~=", "==", "<=", ">=", "<", ">")


def _apart(low: str, high: str) -> bool:
    """Whether every version that meets ``low`` lies above every version that meets ``high``."""
    lower, upper = _lower(low), _upper(high)
    if lower is None or upper is None:
        return False
    (floor, reaches), (ceiling, included) = lower, upper
    above, below = version_key(floor), version_key(ceiling)
    return bool(above > below) or bool(above == below and not (reaches and included))


def _split(part: str) -> tuple[str, str]:
    """Operator and public version; an operator that says nothing of an order comes back as ""."""
    operator = next((o for o in _OPERATORS if part.startswith(o)), "")
    if part.startswith("==="):
        operator = ""
    return operator, part[len(operator) :].strip().split("+")[0]


def _lower(part: str) -> tuple[str, bool] | None:
    """The least version of one part, and whether it is itself held."""
    operator, version = _split(part)
    if operator == "==" and version.endswith(".*"):
        return version[:-2] + ".dev0", True
    if operator in ("==", ">=", "~="):
        return version, True
    return (version, False) if operator == ">" else None


def _upper(part: str) -> tuple[str, bool] | None:
    """The greatest version of one part, and whether it is itself held."""
    operator, version = _split(part)
    if operator == "~=":
        key = version_key(version)
        return (_next(key.epoch, key.release[:-1]), False) if len(key.release) > 1 else None
    if operator == "==" and version.endswith(".*"):
        key = version_key(version[:-2])
        # A prefix such as ==1.5rc1.* is nobody's; say nothing about it.
        return None if key.is_prerelease or key.is_postrelease else (_next(key.epoch, key.release), False)
    if operator in ("==", "<="):
        return version, True
    return (version, False) if operator == "<" else None


def _next(epoch: int, release: tuple[int, ...]) -> str:
    """The first release above all that begin with ``release``: 1.4 -> 1.5."""
    return f"{epoch}!" + ".".join(str(number) for number in (*release[:-1], release[-1] + 1))
