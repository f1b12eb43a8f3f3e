"""A DSSE envelope around an in-toto statement: which files, by their sha256, and what is claimed of them.

The signature is over the payload's type and bytes (DSSE's pre-authentication encoding), so nothing has to be written
in a canonical form before it is verified. Nothing in it is a time: the same key and files give the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import ComponentInvalid
from cmx.schema import validate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmx.signing.keys import Key

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_BYTES = 1 << 20
"""The longest envelope that is read."""


class Signature(NamedTuple):
    """Whose it claims to be, and its bytes."""

    key: str
    value: bytes


class Envelope(NamedTuple):
    """What was signed, and the signatures."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def message(self) -> bytes:
        """The bytes that the signatures are over."""
        return _message(self.payload)

    @classmethod
    def parse(cls, data: bytes, source: str) -> Envelope:
        """Read an envelope; ``source`` is named in errors. Raises ComponentInvalid for anything else."""
        document = _json(data, source)
        validate(document, "envelope", source=source)
        signatures = (Signature(each["keyid"], _decoded(each["sig"], source)) for each in document["signatures"])
        return cls(_decoded(document["payload"], source), tuple(signatures))

    def statement(self, source: str) -> dict[str, Any]:
        """The in-toto statement that was signed. Raises ComponentInvalid where it is none."""
        document: dict[str, Any] = _json(self.payload, f"{source}: payload")
        validate(document, "statement", source=f"{source}: payload")
        return document


def statement(subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """An in-toto statement v1 on files, by name and sha256; ``predicate`` is what is claimed of them."""
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(payload: bytes, key: Key, private: Ed25519PrivateKey, others: Envelope | None = None) -> bytes:
    """The envelope around a statement, signed by one key (both halves as ``Keyring.private`` gives them).

    The signatures in ``others``, an envelope around the same statement, stay.
    """
    kept = {each.key: each.value for each in others.signatures} if others else {}
    signatures = {**kept, key.id: private.sign(_message(payload))}
    document = {
        "payload": _encoded(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": name, "sig": _encoded(signatures[name])} for name in sorted(signatures)],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _message(payload: bytes) -> bytes:
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _json(data: bytes, source: str) -> Any:
    hint = "the file is damaged, or no signature: ask for it again"
    if len(data) > MAX_BYTES:
        raise ComponentInvalid(f"{source}: longer than {MAX_BYTES} bytes", hint=hint)
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ComponentInvalid(f"{source}: not JSON: {error}", hint=hint) from None


def _decoded(text: str, source: str) -> bytes:
    """Base64, either of its alphabets, as DSSE allows."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ComponentInvalid(f"{source}: not base64", hint="the file is damaged: ask for it again") from None
