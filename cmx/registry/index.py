"""The index of a registry, ``registry.json``: every version of everything in it, by sha256.

It is one file that is replaced whole, so that a web server's ETag says all that there is to say of it. Its checksum is
over everything else in it: an index that was cut off, or changed by hand, is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cmx.errors import ComponentInvalid, ComponentNotFound, UsageError, nearest
from cmx.reference import COMPONENT_KINDS, Reference, admits, version_key
from cmx.schema import validate

FILE = "registry.json"
SCHEMA = 1
SOLUTION = "solution"
KINDS = (SOLUTION, *COMPONENT_KINDS)
MAX_BYTES = 64 << 20
"""The longest index that is read."""

_DAMAGED = "it was cut off or changed on its way: try again; 'cmx registry verify FOLDER' says more where it is kept"


class Release(NamedTuple):
    """One version of a solution or of a component.

    ``sha256`` and ``size`` (bytes) are those of its file; ``digest`` is what a lock knows a component by. ``published``
    is a time (UTC); ``yanked`` says why it should not be used any more, and is empty where it may.
    """

    kind: str
    name: str
    version: str
    sha256: str
    size: int
    published: str
    description: str = ""
    uid: str = ""
    digest: str = ""
    yanked: str = ""

    @property
    def key(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def reference(self) -> str:
        """``kind/name==version``."""
        return f"{self.key}=={self.version}"

    @property
    def path(self) -> str:
        """Where its file lies, relative to the registry."""
        return f"files/{self.sha256[:2]}/{self.sha256}"


class Index(NamedTuple):
    """What a registry is called, what it is for, and its releases.

    ``serial`` is one more with each change; ``signature`` is a DSSE envelope on ``content``, None where nobody signed.
    """

    name: str
    description: str = ""
    releases: tuple[Release, ...] = ()
    serial: int = 0
    signature: Mapping[str, Any] | None = None

    @property
    def content(self) -> str:
        """The sha256 of everything that a signature is for: the index as JSON, keys sorted, no spaces."""
        return _sha256(self._document())

    @classmethod
    def parse(cls, data: bytes, source: str) -> Index:
        """Read an index; ``source`` is named in errors. Raises ComponentInvalid for one that is damaged or newer."""
        if len(data) > MAX_BYTES:
            raise ComponentInvalid(f"{source}: longer than {MAX_BYTES} bytes", hint="this is no registry's index")
        try:
            document = json.loads(data.decode("utf-8"))
            json.dumps(document, ensure_ascii=False).encode()  # half characters could not be written again
        except (ValueError, RecursionError) as error:
            raise ComponentInvalid(f"{source}: not JSON: {error}", hint=_DAMAGED) from None
        if isinstance(document, dict) and isinstance(said := document.get("schema"), int) and said > SCHEMA:
            newer = f"{source}: schema: {said} is newer than the {SCHEMA} that this cmx reads"
            raise ComponentInvalid(newer, hint="install a newer cmx: python -m pip install --upgrade cmx-bench")
        try:
            validate(document, "registry", source=source)
        except ComponentInvalid as error:
            raise ComponentInvalid(error.message, hint=_DAMAGED) from None
        if document["checksum"] != _checksum(document):
            raise ComponentInvalid(f"{source}: its checksum is not that of what it holds", hint=_DAMAGED)
        found = [
            Release(key.partition("/")[0], key.partition("/")[2], version, **said)
            for key, versions in document["releases"].items()
            for version, said in versions.items()
        ]
        serial, signature = document.get("serial", 0), document.get("signature")
        return cls(document["name"], document["description"], tuple(found), serial, signature)

    def encoded(self) -> bytes:
        """The file: the same index gives the same bytes."""
        document = self._document() | ({"signature": self.signature} if self.signature is not None else {})
        text = json.dumps({**document, "checksum": _checksum(document)}, indent=1, ensure_ascii=False)
        return text.encode() + b"\n"

    def _document(self) -> dict[str, Any]:
        """Without signature and checksum."""
        releases: dict[str, dict[str, Any]] = {}
        for each in sorted(self.releases, key=lambda each: (each.key, version_key(each.version))):
            said = {name: value for name, value in each._asdict().items() if value != ""}
            releases.setdefault(each.key, {})[each.version] = {
                name: value for name, value in said.items() if name not in ("kind", "name", "version")
            }
        head = {"schema": SCHEMA, "document": "registry", "name": self.name, "description": self.description}
        return {**head, "serial": self.serial, "releases": releases}

    def versions(self, key: str) -> list[Release]:
        """Every version of ``kind/name``, newest first, those that were yanked too."""
        found = [each for each in self.releases if each.key == key]
        return sorted(found, key=lambda each: version_key(each.version), reverse=True)

    def find(self, key: str, version: str) -> Release | None:
        """One version of ``kind/name``."""
        return next((each for each in self.versions(key) if each.version == version), None)

    def replaced(self, releases: Iterable[Release]) -> Index:
        """The index with these releases instead of those of the same name and version."""
        new = {each.reference: each for each in releases}
        return self._replace(releases=tuple({**{each.reference: each for each in self.releases}, **new}.values()))

    def exact(self, text: str) -> Release:
        """The release that ``[kind/]name==version`` names. Raises UsageError or ComponentNotFound."""
        wanted = Wanted.parse(text)
        keys = {each.key for each in self.releases if each.name == wanted.name and wanted.kind in ("", each.kind)}
        if not keys:
            known = sorted({each.name for each in self.releases})
            raise ComponentNotFound(f"{self.name} holds no {text!r}", hint=nearest(wanted.name, known))
        if len(keys) > 1:
            several = " or ".join(f"{key}=={wanted.exact or 'VERSION'}" for key in sorted(keys))
            raise UsageError(f"{text!r} may be several", hint=several)
        found = [each for each in self.versions(keys.pop()) if wanted.exact and wanted.admits(each.version)]
        if len(found) != 1:
            there = ", ".join(each.version for each in self.releases if each.name == wanted.name)
            raise UsageError(f"{text!r} does not name one version", hint=f"{wanted.name}==VERSION; there is {there}")
        return found[0]


class Wanted(NamedTuple):
    """``[kind/]name`` with an optional range of versions, as a user asks for it."""

    kind: str
    name: str
    specifier: str

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read one. Raises UsageError."""
        kind, slash, rest = text.partition("/")
        if slash and kind not in KINDS:
            raise UsageError(f"{text!r}: unknown kind {kind!r}", hint=nearest(kind, KINDS))
        # A solution's name and range are written as a component's are.
        reference = Reference.parse(rest if slash else text, kind="workflow")
        if reference.variant:
            raise UsageError(f"{text!r}: a registry knows no variants", hint="leave the [...] out")
        return cls(kind if slash else "", reference.name, reference.specifier)

    @property
    def exact(self) -> str:
        """The version, where the range is exactly one."""
        alone = self.specifier.startswith("==") and "," not in self.specifier and not self.specifier.endswith("*")
        return self.specifier.removeprefix("==").strip("=") if alone else ""

    def admits(self, version: str) -> bool:
        """Whether the range holds a version."""
        return admits(self.specifier, version)

    def __str__(self) -> str:
        return f"{self.kind}{'/' if self.kind else ''}{self.name}{self.specifier}"


def _checksum(document: Mapping[str, Any]) -> str:
    return _sha256({key: value for key, value in document.items() if key != "checksum"})


def _sha256(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
