"""Who vouches for a registry's index: signed when it is written, and held against the key that it was added with.

What is signed is everything in the index but checksum and signature, by its sha256, so also its number: whoever saw
number 5 takes no number 4.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cmx.errors import StoreError, UsageError
from cmx.registry.index import FILE, Index, Release
from cmx.reporter import Reporter
from cmx.repository.added import Added, added, change
from cmx.repository.yanked import REGISTRY
from cmx.settings import Settings
from cmx.signing.envelope import signed, statement
from cmx.signing.keys import SHORT, Keyring
from cmx.signing.trust import BAD, REVOKED, UNSIGNED, Verdict, verdict

if TYPE_CHECKING:
    from cmx.registry.source import Source

PREDICATE = "urn:cmx:registry:v1"
"""What a signature states of an index: that this is the index of this name and number."""

_ASK = "ask whoever keeps it, by a way that you trust"


def judged(index: Index, settings: Settings) -> Verdict:
    """What an index's signature is worth, by the keys in this home. Raises StoreError where those cannot be read."""
    if index.signature is None:
        return Verdict(UNSIGNED, "unsigned: nobody vouches for it", "cmx registry publish FOLDER … --sign KEY signs it")
    envelope = json.dumps(index.signature).encode()
    return verdict(envelope, {FILE: index.content}, PREDICATE, settings, source=f"registry {index.name}: signature")


class Signer(NamedTuple):
    """Signs what is written into a registry: with the key of this name, or else with the one that signed before."""

    settings: Settings
    key: str = ""

    def following(self, before: Index, changed: Index) -> Index:
        """What comes after ``before``: the next number, signed anew where a key was given or it was signed before.

        Raises UsageError or StoreError for a key that cannot sign, or where the one of before is not here.
        """
        index = changed._replace(serial=before.serial + 1, signature=None)
        name = self.key or self._before(before)
        if not name:
            return index
        key, private = Keyring(self.settings).private(name)
        payload = statement({FILE: index.content}, PREDICATE, {"name": index.name, "serial": index.serial})
        return index._replace(signature=json.loads(signed(payload, key, private)))

    def _before(self, index: Index) -> str:
        """The user's key that signed an index; "" where nobody did."""
        if index.signature is None:
            return ""
        found = judged(index, self.settings)
        own = {each.id: each.name for each in Keyring(self.settings).all() if each.own}
        if found.key not in own:
            who = f"key {found.key[:SHORT]}, which is none of yours" if found.key else "something that is no signature"
            raise UsageError(
                f"the index of {index.name} is signed by {who}",
                hint="sign it with one of yours: --sign KEY; whoever added the registry has to trust that key then",
            )
        return own[found.key]


class TrustedSource:
    """A registry whose index is not believed where its signature is wrong, or not that of the key it was added with."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self.where = source.where
        self._source = source
        self._settings = settings

    def index(self) -> Index:
        """See Source. Raises StoreError for a signature that is wrong or revoked; of a registry that was added with a
        key also for one that is missing or another's, and for an index that is older than one that was seen.
        """
        index = self._source.index()
        found = judged(index, self._settings)
        entries = [each for each in added(self._settings) if each.kind == REGISTRY and each.source == self.where]
        keyed = next((each for each in entries if each.key), None)
        if keyed:
            _check(index, found, keyed, self.where)
            if index.serial > keyed.serial:
                change(self._settings, keyed.name, serial=index.serial)
        elif found.word in (BAD, REVOKED):
            raise StoreError(f"{self.where}: its index: {found.text}", hint=_ASK)
        return index

    def file(self, release: Release, reporter: Reporter) -> AbstractContextManager[Path]:
        """See Source."""
        return self._source.file(release, reporter)


def _check(index: Index, found: Verdict, entry: Added, where: str) -> None:
    """Raise StoreError where an index is not what may follow in a registry that was added with a key."""
    again = f"if it has another key now: cmx repo remove {entry.name}, cmx repo add {where} --key KEY"
    if not found.trusted or found.key != entry.key:
        raise StoreError(
            f"{where}: its index: {found.text}; the registry was added with key {entry.key[:SHORT]}",
            hint=f"{_ASK}; {again}",
        )
    if index.name != entry.ref:
        raise StoreError(f"{where}: its index is that of {index.name!r}, and {entry.ref!r} was added", hint=_ASK)
    if index.serial < entry.serial:
        raise StoreError(
            f"{where}: its index is number {index.serial}, and number {entry.serial} was seen before: it is an old one",
            hint=f"a copy of it may lag behind: try again later, or {_ASK}",
        )


def required(index: Index, key: str, settings: Settings) -> Verdict:
    """What the signature of an index is worth that has to be by the key of this name ("": by any, or none).

    Raises UsageError for an unknown key, StoreError where another or none signed.
    """
    found = judged(index, settings)
    try:
        wanted = Keyring(settings).find(key).id if key else found.key
    except UsageError as error:
        error.hint = f"{error.hint}; cmx key trust FILE --name WHO makes one known"
        raise
    if key and not (found.trusted and found.key == wanted):
        raise StoreError(f"the index of {index.name}: {found.text}; it has to be signed by {key}", hint=_ASK)
    return found
