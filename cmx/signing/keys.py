"""Ed25519 keys: the user's own, which sign, and the public ones of others, which are trusted or revoked.

``keys/NAME.pem`` in cmx's home is a private key (PKCS #8) that nobody but its owner can read; ``keys/known.json`` lists
every public key that the user decided about. A key's id is the sha256 of its 32 public bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import StoreError, UsageError, nearest
from cmx.files import disk_failures, write_atomically
from cmx.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_LONGEST = 1 << 16
_LEAST = 8
SHORT = 16
"""How many digits of a key's id people are shown."""


class Key(NamedTuple):
    """A public key and what the user decided about it.

    ``public`` are its 32 bytes in hex; ``own`` says whether the private half is here; ``state`` is trusted or revoked,
    ``since`` when that was decided (UTC), ``reason`` why it was revoked.
    """

    name: str
    id: str
    public: str
    own: bool
    state: str
    since: str
    reason: str = ""

    @property
    def pem(self) -> str:
        """The public key as text that others can be given (PEM, SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        made = self._key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return made.decode("ascii")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature of the message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def _key(self) -> Ed25519PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public))


def id_of(public: bytes) -> str:
    """The id of a key by its 32 public bytes."""
    return hashlib.sha256(public).hexdigest()


class Keyring:
    """The keys of one cmx home. Making one reads and writes nothing."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "keys"
        self._file = self.folder / "known.json"

    def all(self) -> list[Key]:
        """Every key that was decided about, by name. Raises StoreError where the list cannot be read."""
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            if document["schema"] != 1:
                raise ValueError(f"schema {document['schema']}, and this cmx reads 1")
            return sorted(_checked(Key(**entry)) for entry in document["keys"])
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (ValueError, KeyError, TypeError, OSError) as error:
            hint = f"bring {self._file.name} back from a copy, or move it away and trust the keys again"
            raise StoreError(f"{self._file}: cannot be read: {error}", hint=hint) from error

    def find(self, name: str) -> Key:
        """A key by its name, or by the beginning of its id. Raises UsageError where there is none, or several."""
        keys = self.all()
        alike = [key for key in keys if len(name) >= _LEAST and key.id.startswith(name)]
        found = [key for key in keys if key.name == name] or alike
        if not found:
            raise UsageError(f"there is no key {name!r}", hint=nearest(name, (key.name for key in keys)))
        if len(found) > 1:
            raise UsageError(f"{name!r} begins the ids of several keys", hint="give one of their names")
        return found[0]

    def new(self, name: str) -> Key:
        """Make a key pair of the user's own; it is trusted. Raises UsageError for a name that is taken."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        _check_name(name)
        with self._locked():
            known = self.all()
            _refuse_name(name, known)
            private = Ed25519PrivateKey.generate()
            key = _key(name, private.public_key().public_bytes_raw(), own=True)
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            self._write_private(name, pem)
            self._write([*known, key])
        return key

    def trust(self, pem: bytes, name: str, *, source: str, again: bool = False) -> Key:
        """Trust a public key under a name. One that was revoked is trusted ``again`` only where that is asked.

        ``source`` is named in errors. Raises UsageError for what is no public Ed25519 key, or a name that is taken.
        """
        public = _read_public(pem, source)
        _check_name(name)
        with self._locked():
            known = self.all()
            before = next((key for key in known if key.id == id_of(public)), None)
            if before and before.state == "trusted":
                raise UsageError(f"{source}: this key is trusted already, as {before.name!r}", hint="'cmx key list'")
            if before and not again:
                raise UsageError(
                    f"{source}: this key was revoked on {before.since[:10]}{_because(before)}",
                    hint="if that was a mistake: cmx key trust … --again",
                )
            rest = [key for key in known if key is not before]
            _refuse_name(name, rest)
            key = _key(name, public, own=bool(before and before.own))
            if before and before.own and before.name != name:
                raise UsageError(f"{source}: this is your own key {before.name!r}", hint=f"give --name {before.name}")
            self._write([*rest, key])
        return key

    def revoke(self, name: str, reason: str = "") -> Key:
        """Trust a key no longer, whatever it signed and whenever. Raises UsageError for an unknown one."""
        with self._locked():
            before = self.find(name)
            if before.state == "revoked":
                raise UsageError(f"{before.name!r} was revoked on {before.since[:10]}", hint="'cmx key list'")
            key = before._replace(state="revoked", since=_now(), reason=reason)
            self._write([key if each == before else each for each in self.all()])
        return key

    def private(self, name: str) -> tuple[Key, Ed25519PrivateKey]:
        """One of the user's own keys, to sign with.

        Raises UsageError for a key that is not the user's or was revoked, StoreError for a file that others can read
        or that is not this key.
        """
        key = self.find(name)
        if key.state == "revoked":
            raise UsageError(f"key {key.name!r} was revoked{_because(key)}", hint="'cmx key new NAME' makes another")
        if not key.own:
            own = [each.name for each in self.all() if each.own and each.state == "trusted"]
            hint = f"sign with {' or '.join(own)}" if own else "'cmx key new NAME' makes one of yours"
            raise UsageError(f"key {key.name!r} is somebody else's: only its public half is here", hint=hint)
        return key, _read_private(self.folder / f"{key.name}.pem", key)

    def _write_private(self, name: str, pem: bytes) -> None:
        path = self.folder / f"{name}.pem"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        if path.exists():
            raise StoreError(f"{path} is there already, and in no list", hint="move it away, or choose another name")
        with disk_failures(self.folder, f"writing {path.name}"):
            try:
                # Nobody else may read it at any moment, whatever the umask.
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(pem)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def _write(self, keys: list[Key]) -> None:
        document = {"schema": 1, "keys": [key._asdict() for key in sorted(keys)]}
        write_atomically(self._file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def _locked(self) -> AbstractContextManager[Any]:
        """One process at a time changes the keys."""
        from filelock import FileLock

        with disk_failures(self.folder, "making room for keys"):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock", timeout=30)


def _key(name: str, public: bytes, *, own: bool) -> Key:
    return Key(name, id_of(public), public.hex(), own, "trusted", _now())


def _checked(key: Key) -> Key:
    """A key of the list whose id is that of its bytes. Raises ValueError."""
    if id_of(bytes.fromhex(key.public)) != key.id or len(key.public) != 64:
        raise ValueError(f"the id of {key.name!r} is not that of its public key")
    if key.state not in ("trusted", "revoked"):
        raise ValueError(f"{key.name!r} is neither trusted nor revoked")
    return key


def _because(key: Key) -> str:
    return f" ({key.reason})" if key.reason else ""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a key", hint="use lower-case letters, digits, '.', '_', '-'")


def _refuse_name(name: str, known: list[Key]) -> None:
    if any(key.name == name for key in known):
        raise UsageError(f"there is a key {name!r} already", hint="choose another name: 'cmx key list' shows all")


def _read_public(pem: bytes, source: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    hint = "'cmx key export NAME' writes one, on the machine of whoever signs"
    if b"PRIVATE KEY" in pem:
        raise UsageError(f"{source}: is a private key, which nobody should be given", hint=hint)
    try:
        key = load_pem_public_key(pem[:_LONGEST])
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{source}: is no public key", hint=hint) from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{source}: is a public key, but not an Ed25519 one", hint=hint)
    return key.public_bytes_raw()


def _read_private(path: Path, key: Key) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = f"bring it back from a copy, or: cmx key revoke {key.name}"
    try:
        if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreError(f"{path}: others on this machine can read this private key", hint=f"chmod 600 {path}")
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint=hint) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StoreError(f"{path}: is no private key", hint=hint) from error
    if not isinstance(private, Ed25519PrivateKey) or private.public_key().public_bytes_raw().hex() != key.public:
        raise StoreError(f"{path}: is not the private half of key {key.name!r}", hint=hint)
    return private
