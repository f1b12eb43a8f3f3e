"""What an archive says of itself: ``manifest.json``, by the schema "solution"."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cmx.errors import ComponentInvalid, StoreError
from cmx.solution.container import AGAIN
from cmx.store import key_of

SCHEMA = 1
MANIFEST = "manifest.json"
SIGNATURE = "signature.dsse.json"
MAX_BYTES = 16 << 20
"""The longest manifest, or other document of an archive, that is read."""

_MAX_DEPTH = 64


@dataclass(frozen=True)
class File:
    """A member of the archive: its name, size in bytes, and sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Packed:
    """A component in the archive: ``kind/name==version``, and the folder that it is.

    ``private`` is why its own files are not for others; "" where anybody may have them.
    """

    reference: str
    uid: str
    folder: str
    private: str = ""


@dataclass(frozen=True)
class Datum:
    """The files of one source of a model or dataset. ``single`` says that it is a file, not a folder of files.

    ``files`` maps a name in it to the sha256 of a member ``data/SHA256``. ``private`` is why it is not for others; ""
    where anybody may have it.
    """

    component: str
    license: str
    private: str
    source: Mapping[str, Any]
    single: bool
    files: Mapping[str, str]

    @property
    def key(self) -> str:
        """What its files are found by."""
        return key_of(dict(self.source))


@dataclass(frozen=True)
class Manifest:
    """What is in an archive and what it is for. ``inputs`` is the request that its plan was made for.

    ``size`` is recipes, with-data or complete. ``locks`` maps a target (os-arch) to its plan's member. ``expected`` is
    {result, metrics, host}: the record it came from, {name: {value, tolerance}} (a tolerance of None is compared as a
    ratio), and a few facts of its machine; None where nothing is expected. ``files`` are all members but the manifest
    and the signature, by name, and ``limits`` how many they are and how many bytes. ``network`` says why the solution
    asks for the network after it was installed, or False. ``data`` says what the members in ``data/`` are. ``worker``
    is the interface (cmx.worker_interface) that its components' Python was written for.
    """

    name: str
    version: str
    description: str
    license: str
    citation: str
    size: str
    workflow: str
    inputs: Mapping[str, Any]
    components: tuple[Packed, ...]
    locks: Mapping[str, str]
    expected: Mapping[str, Any] | None = None
    network: str | bool = False
    worker: int = 1
    data: tuple[Datum, ...] = ()
    files: tuple[File, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """What its archive is called."""
        return f"{self.name}-{self.version}.cmx.zip"

    @property
    def private(self) -> tuple[str, ...]:
        """What in it is not for others, and why: such an archive is for machines of its packer's own."""
        own = [(each.reference, each.private) for each in self.components]
        fetched = [(datum.component, datum.private) for datum in self.data]
        return tuple(dict.fromkeys(f"{reference}: {why}" for reference, why in (*own, *fetched) if why))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"schema": SCHEMA, "document": "solution", **json.loads(json.dumps(asdict(self)))}

    def encoded(self) -> bytes:
        """The one form in which it is written."""
        return canonical(self.document())

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Manifest:
        """What ``document`` made; for one from outside use ``read``."""
        values = {key: document[key] for key in document if key not in ("schema", "document")}
        values["components"] = tuple(Packed(**each) for each in document["components"])
        values["data"] = tuple(Datum(**each) for each in document["data"])
        values["files"] = tuple(File(**each) for each in document["files"])
        return cls(**values)

    @classmethod
    def read(cls, raw: bytes, source: str) -> Manifest:
        """The manifest in these bytes; ``source`` names it in errors.

        Raises StoreError for what is not JSON as cmx writes it, ComponentInvalid for what breaks the schema.
        """
        from cmx.schema import validate

        document = parse(raw, source)
        version = document.get("schema")
        if isinstance(version, int) and version > SCHEMA:
            raise ComponentInvalid(
                f"{source}: schema: {version} is newer than the {SCHEMA} that this cmx reads",
                hint="install a newer cmx: python -m pip install --upgrade cmx-bench",
            )
        check_visible(document, source)
        validate(document, "solution", source=source)
        if canonical(document) != raw:
            raise StoreError(f"{source}: is not written as cmx writes it", hint=AGAIN)
        return cls.from_document(document)


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one form in which a document lies in an archive. Raises ValueError for what is no JSON (NaN)."""
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def parse(raw: bytes, source: str) -> dict[str, Any]:
    """The JSON object in these bytes. Raises StoreError for what is none, or means two things (repeated keys, NaN)."""
    try:
        document = json.loads(raw.decode(), object_pairs_hook=_unique)
        if _deeper(document, _MAX_DEPTH):
            raise ValueError(f"more than {_MAX_DEPTH} levels deep")
        canonical(document)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{source}: is not JSON: {_short(error)}", hint=AGAIN) from None
    if not isinstance(document, dict):
        raise StoreError(f"{source}: is not a JSON object", hint=AGAIN)
    return document


def check_visible(document: Mapping[str, Any], source: str) -> None:
    """Raise ComponentInvalid for a text that would do something to a terminal when it is shown, or hide in it."""
    for place, text in _texts(document, ""):
        if any(unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs") and letter not in "\n\t" for letter in text):
            raise ComponentInvalid(
                f"{source}: {place}: {json.dumps(text)[:80]} holds characters that cannot be seen",
                hint="leave control characters and marks of direction out",
            )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text of a document, keys among them, and where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield f"a key of {place}" if place else "a key", key
            yield from _texts(each, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, f"{place}.{index}")


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner if isinstance(each, dict | list))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 120 else text[:119] + "…"
