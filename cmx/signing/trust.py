"""What a signature is worth to this user: the verdict on an envelope, by the keys that the user decided about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cmx.errors import ComponentInvalid
from cmx.settings import Settings
from cmx.signing.envelope import Envelope
from cmx.signing.keys import SHORT, Key, Keyring

UNSIGNED, BAD, UNKNOWN, REVOKED, TRUSTED = "unsigned", "bad", "unknown", "revoked", "trusted"


class Verdict(NamedTuple):
    """What an envelope is worth.

    ``word`` is unsigned, bad (it does not fit what it is said to sign), unknown (by a key that nobody here decided
    about, so that nothing can be said of it), revoked or trusted; ``signer`` is the key's name here, ``key`` its id.
    ``text`` says all of it to people, and ``hint`` what to do.
    """

    word: str
    text: str
    hint: str = ""
    signer: str = ""
    key: str = ""

    @property
    def trusted(self) -> bool:
        """Whether somebody whom the user trusts signed exactly this."""
        return self.word == TRUSTED

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"word": self.word, "text": self.text, "signer": self.signer, "key": self.key}


def verdict(
    envelope: bytes | None, subjects: Mapping[str, str], predicate_type: str, settings: Settings, *, source: str
) -> Verdict:
    """The verdict on an envelope (None where there is none) that should sign files, by name and sha256.

    One good signature by a trusted key is enough, unless another by a key known here is wrong. A statement on other
    files, or of another type, is bad whoever signed it. Raises StoreError where the list of keys cannot be read, and
    nothing for whatever the envelope holds; ``source`` names it.
    """
    if envelope is None:
        return Verdict(UNSIGNED, "unsigned: nobody vouches for it", "ask whoever made it to sign it: cmx solution sign")
    try:
        read = Envelope.parse(envelope, source)
        about = read.statement(source)
    except ComponentInvalid as error:
        return Verdict(BAD, f"bad signature: {error.message}", _AGAIN)
    known = {key.id: key for key in Keyring(settings).all()}
    by = [(known[each.key], each.value) for each in read.signatures if each.key in known]
    for key, signature in by:
        if not key.verifies(signature, read.message):
            return _bad(f"it is not {key.name}'s", key)
    keys = [key for key, _ in by]
    if fault := _other(about, subjects, predicate_type):
        return _bad(fault, keys[0] if keys else None)
    return _worth(read, keys)


def _bad(why: str, key: Key | None) -> Verdict:
    return Verdict(BAD, f"bad signature: {why}", _AGAIN, key.name if key else "", key.id if key else "")


_AGAIN = "what was signed was changed since, or the signature was taken from something else: ask for it again"


def _other(about: Mapping[str, object], subjects: Mapping[str, str], predicate_type: str) -> str:
    """How a statement differs from one on these files; "" where it is on them."""
    if about["predicateType"] != predicate_type:
        return f"it states {about['predicateType']!r}, not {predicate_type!r}"
    found = {each["name"]: each["digest"].get("sha256") for each in about["subject"]}  # type: ignore[attr-defined]
    other = next((name for name in subjects if found.get(name) != subjects[name]), "")
    return f"it is on another {other}" if other else ""


def _worth(envelope: Envelope, by: list[Key]) -> Verdict:
    for state in (TRUSTED, REVOKED):
        key = next((key for key in by if key.state == state), None)
        if key and state == TRUSTED:
            who = "a key of your own" if key.own else "whom you trust"
            return Verdict(TRUSTED, f"signed by {key.name} (key {key.id[:SHORT]}), {who}", "", key.name, key.id)
        if key:
            why = f": {key.reason}" if key.reason else ""
            text = f"signed by {key.name} (key {key.id[:SHORT]}), whose key was revoked on {key.since[:10]}{why}"
            return Verdict(REVOKED, text, "ask for one that is signed by another key", key.name, key.id)
    one = envelope.signatures[0].key
    return Verdict(
        UNKNOWN,
        f"signed by a key that is unknown here ({one[:SHORT]})",
        "get the signer's public key by a way that you trust, then: cmx key trust FILE --name WHO",
        "",
        one,
    )
