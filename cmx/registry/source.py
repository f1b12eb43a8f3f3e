"""Where a registry is read from: a folder, or a web site over https. Reading changes nothing there.

Of a web site the index is kept in cmx's cache, with what the server said of it (ETag, or the time of its last change):
the next reading asks whether it is still the same. Files go on where they broke off, and have their sha256 before
anybody sees them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cmx.errors import CmxError, ComponentNotFound, HashMismatch, StoreError, Unavailable, UsageError
from cmx.files import write_atomically
from cmx.install.download import ATTEMPTS, LedAway, ask, downloaded, objection, reason
from cmx.registry.folder import RegistryFolder
from cmx.registry.index import FILE, MAX_BYTES, Index, Release
from cmx.registry.signature import TrustedSource
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Store, sha256_of

if TYPE_CHECKING:
    from requests import Response, Session

_ADDRESS = "a registry's address is that of the folder in which its registry.json lies"
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class NotARegistry(ComponentNotFound):
    """There is something else at this address, or nothing."""


class Source(Protocol):
    """A registry to read from; ``where`` is its folder or address."""

    where: str

    def index(self) -> Index:
        """What is in it now.

        Raises ComponentNotFound where there is no registry, ComponentInvalid for a damaged index, Unavailable.
        """

    def file(self, release: Release, reporter: Reporter) -> AbstractContextManager[Path]:
        """The file of a release, its sha256 verified, while the block runs.

        Raises HashMismatch, StoreError or Unavailable.
        """


def open_source(where: str, settings: Settings) -> Source:
    """The registry at an address or in a folder, its signature looked at; nothing is read yet.

    Raises UsageError for another address.
    """
    if "://" in where:
        if why := objection(where):
            raise UsageError(f"{why}", hint="the address of a registry is https://…, without a password")
        return TrustedSource(WebSource(where, settings), settings)
    return TrustedSource(FolderSource(Path(where).expanduser().resolve()), settings)


class FolderSource:
    """A registry in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root.parent if root.name == FILE else root
        self.where = str(self.root)

    def index(self) -> Index:
        """See Source."""
        return RegistryFolder(self.root).index()

    @contextmanager
    def file(self, release: Release, reporter: Reporter) -> Iterator[Path]:
        """See Source."""
        path = self.root / release.path
        try:
            found = sha256_of(path)
        except OSError as error:
            hint = f"cmx registry verify {self.root}"
            raise StoreError(f"{release.reference}: {path}: {error.strerror}", hint=hint) from error
        if found != release.sha256:
            raise HashMismatch(release.reference, expected=release.sha256, found=found)
        yield path


class WebSource:
    """A registry on a web site."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.where = url.removesuffix(FILE).rstrip("/")
        self._settings = settings
        key = hashlib.sha256(self.where.encode()).hexdigest()[:24]
        self._kept = settings.cache / "registries" / f"{key}.json"

    @property
    def _url(self) -> str:
        return f"{self.where}/{FILE}"

    def index(self) -> Index:
        """See Source."""
        import requests

        with requests.Session() as session:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return self._read(session)
                except LedAway as error:
                    raise self._unavailable(str(error)) from error
                except (requests.RequestException, ConnectionError) as error:
                    if attempt == ATTEMPTS or isinstance(error, requests.exceptions.SSLError):
                        raise self._unavailable(reason(error)) from error
                    time.sleep(0.2 * attempt)
        raise AssertionError("not reached")

    def file(self, release: Release, reporter: Reporter) -> AbstractContextManager[Path]:
        """See Source."""
        return downloaded(
            f"{self.where}/{release.path}",
            release.sha256,
            store=Store(self._settings),
            offline=False,
            reporter=reporter,
            size=release.size,
            name=release.reference,
        )

    def _read(self, session: Session) -> Index:
        before, kept = self._before()
        headers = {"Accept-Encoding": "identity"}
        with ask(session, self._url, {**headers, **(before if kept else {})}) as response:
            if response.status_code == 304 and kept:
                return kept
            said = f"the server answered {response.status_code} {response.reason}"
            if response.status_code in _TRY_AGAIN:
                raise ConnectionError(said)
            if response.status_code != 200:
                raise NotARegistry(f"{self.where}: is no registry: for {FILE} {said}", hint=_ADDRESS)
            data = self._body(response)
            if not data.startswith(b"{"):
                raise NotARegistry(f"{self.where}: is no registry: its {FILE} is something else", hint=_ADDRESS)
            index = Index.parse(data, self._url)
            self._keep(data, response)
            return index

    def _body(self, response: Response) -> bytes:
        import urllib3

        parts, length = [], 0
        try:
            for chunk in response.raw.stream(1 << 16, decode_content=False):
                parts.append(chunk)
                length += len(chunk)
                if length > MAX_BYTES:
                    raise self._unavailable(f"it is longer than {MAX_BYTES} bytes")
        except (urllib3.exceptions.HTTPError, TimeoutError) as error:
            raise ConnectionError(f"the connection broke off after {length} bytes") from error
        return b"".join(parts)

    def _before(self) -> tuple[dict[str, str], Index | None]:
        """What was read last, and the headers that ask whether it still holds; ({}, None) where that is not known."""
        try:
            document = json.loads(self._kept.read_text(encoding="utf-8"))
            if document["schema"] != 1 or document["url"] != self._url:
                return {}, None
            headers = {str(name): str(value) for name, value in document["headers"].items()}
            return headers, Index.parse(document["index"].encode(), str(self._kept))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, CmxError):
            return {}, None

    def _keep(self, data: bytes, response: Response) -> None:
        headers = _validators(response.headers)
        if headers:
            document = {"schema": 1, "url": self._url, "headers": headers, "index": data.decode()}
            write_atomically(self._kept, json.dumps(document, ensure_ascii=False))
        else:
            self._kept.unlink(missing_ok=True)

    def _unavailable(self, why: str) -> Unavailable:
        hint = "check the address and the network"
        return Unavailable(f"cannot be had: {self._url}: {why}", missing=(self._url,), hint=hint)


def _validators(headers: Mapping[str, Any]) -> dict[str, str]:
    """What asks a server whether a file is still the one that it sent with these headers; {} if nothing can.

    The time of a change tells only where it lies over a second back: the file may have changed again within it.
    """
    if etag := headers.get("ETag"):
        return {"If-None-Match": str(etag)}
    try:
        changed = parsedate_to_datetime(str(headers.get("Last-Modified")))
        settled = (parsedate_to_datetime(str(headers.get("Date"))) - changed).total_seconds() > 1
    except (TypeError, ValueError):
        return {}
    return {"If-Modified-Since": str(headers["Last-Modified"])} if settled else {}
