"""Signing an archive, and what its signature is worth to this user.

What is signed is the manifest, by its sha256, and so everything that it lists.
"""

from __future__ import annotations

from pathlib import Path

from cmx.errors import ComponentInvalid
from cmx.settings import Settings
from cmx.signing.envelope import Envelope, signed, statement
from cmx.signing.keys import Key, Keyring
from cmx.signing.trust import Verdict
from cmx.signing.trust import verdict as judge
from cmx.solution.archive import Archive, write_signed
from cmx.solution.contents import check
from cmx.solution.manifest import MANIFEST, SIGNATURE

PREDICATE = "urn:cmx:solution:v1"
"""What a signature states of a manifest: that this is the solution of this name and version."""


def verdict(archive: Archive, settings: Settings | None = None) -> Verdict:
    """What an archive's signature is worth, by the keys in this home; the archive's own hashes are not looked at.

    Raises StoreError where the list of keys cannot be read.
    """
    settings = settings or Settings.from_environment()
    source = f"{archive.path.name}: {SIGNATURE}"
    return judge(archive.signature, {MANIFEST: archive.digest}, PREDICATE, settings, source=source)


def sign(archive: Archive, name: str, settings: Settings, to: Path | None = None) -> tuple[Archive, Key]:
    """Sign an archive with one of the user's own keys, in place or as ``to``, after checking all of it.

    Signatures by others stay. Raises UsageError or StoreError for a key that cannot sign, and what ``check`` raises.
    """
    key, private = Keyring(settings).private(name)
    check(archive)
    manifest = archive.manifest
    payload = statement({MANIFEST: archive.digest}, PREDICATE, {"name": manifest.name, "version": manifest.version})
    envelope = signed(payload, key, private, _others(archive, payload))
    to = to or archive.path
    write_signed(archive, envelope, to)
    return Archive.open(to), key


def _others(archive: Archive, payload: bytes) -> Envelope | None:
    """The envelope that others signed, where it is around the same statement."""
    if archive.signature is None:
        return None
    try:
        envelope = Envelope.parse(archive.signature, SIGNATURE)
    except ComponentInvalid:
        return None
    return envelope if envelope.payload == payload else None
