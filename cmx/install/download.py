"""Downloading by URL: https, a sha256 that is known before, and an interrupted download that goes on.

What has come so far lies in ``cache/downloads`` under the expected sha256, beside what the server said of it (ETag,
size). The next attempt asks for the rest, on condition that the file is still the same (Range and If-Range).
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from cmx.errors import HashMismatch, StoreError, Unavailable
from cmx.files import disk_failures, disk_full, readable, write_atomically
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Store, sha256_of
from cmx.store.workspace import remove

if TYPE_CHECKING:
    from requests import Response, Session

MAX_BYTES = 64 << 30
"""The longest file that is taken from a server if the recipe gives no ``size``."""

ATTEMPTS = 3
MAX_REDIRECTS = 10
_TIMEOUT = (10, 60)
_CHUNK = 1 << 20
_FORGOTTEN = 14 * 86400.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

_SYSTEM_WORDS = re.compile(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^'\")]+)")


class _Interrupted(Exception):
    """A download that stopped on its way; what came so far is kept."""


class LedAway(Exception):
    """A server's redirection that is not followed; the message says why."""


def objection(url: str) -> str:
    """Why a URL is not taken, or "": only https is, and http from this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        return f"{url!r} is no URL: {error}"
    if parts.username or parts.password:
        return f"the URL of {host} holds a password; leave it to ~/.netrc"
    if host and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        return ""
    return f"{url!r} is not https"


@contextmanager
def downloaded(
    url: str, sha256: str, *, store: Store, offline: bool, reporter: Reporter, size: int | None = None, name: str = ""
) -> Iterator[Path]:
    """A file with this sha256, downloaded if it is not here yet, for as long as the block runs.

    ``size`` is its length in bytes, where the recipe gives it: longer ones are refused at once. Only one process
    downloads; after the block the file is removed, but an interrupted or unused one stays. Raises HashMismatch,
    Unavailable (offline, no answer, gone) or StoreError (too long, disk full).
    """
    wanted = _Wanted(url, sha256, name or name_of(url), size, _Partial(store.settings.cache / "downloads", sha256))
    with store.lock(f"download-{sha256}", what=f"downloading {wanted.name}", on_wait=reporter.note):
        _forget_old(wanted.partial.path.parent)
        with disk_failures(store.settings.cache, f"downloading {wanted.name}"):
            _obtain(wanted, offline, reporter)
        yield wanted.partial.path
        wanted.partial.discard()


def forget_downloads(settings: Settings) -> None:
    """Remove what came of unfinished downloads, and what npm and apt keep for cmx. It is fetched again when needed."""
    for name in ("downloads", "npm", "apt"):
        remove(settings.cache / name)


def name_of(url: str) -> str:
    """The last part of a URL's path, or its host."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").rpartition("/")[2] or str(parts.hostname)


@dataclass(frozen=True)
class _Partial:
    """What has come so far of a file, and what the server said of the file."""

    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        return self.folder / f"{self.sha256}.part"

    @property
    def length(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def said(self) -> dict[str, Any]:
        """``validator`` (for If-Range) and ``total`` of the file that the bytes here belong to; {} if unknown."""
        try:
            found: dict[str, Any] = json.loads(self._note.read_text(encoding="utf-8"))
            return found if found["schema"] == 1 else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def begin(self, url: str, validator: str, total: int | None) -> None:
        """Nothing has come yet of a file that the server describes so."""
        self.discard()
        write_atomically(
            self._note, json.dumps({"schema": 1, "url": url, "validator": validator, "total": total}, indent=1)
        )

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.sha256}.json"


@dataclass(frozen=True)
class _Wanted:
    url: str
    sha256: str
    name: str
    size: int | None
    partial: _Partial

    @property
    def limit(self) -> int:
        return MAX_BYTES if self.size is None else self.size

    def too_long(self) -> StoreError:
        hint = "the recipe's 'size' says how long it may be" if self.size is None else "the file has changed"
        return StoreError(f"{self.name}: longer than {readable(self.limit)}; nothing was kept", hint=hint)


def _obtain(wanted: _Wanted, offline: bool, reporter: Reporter) -> None:
    """Fill the partial file, until it has the sha256."""
    partial = wanted.partial
    before = partial.length
    if not before or partial.said().get("total") != before:
        _receive_all(wanted, offline, reporter)
    found = sha256_of(partial.path)
    if found == wanted.sha256:
        return
    partial.discard()
    if not before:
        raise HashMismatch(wanted.name, expected=wanted.sha256, found=found)
    # The pieces do not fit together (a crash may have damaged the first one): once more from the beginning.
    reporter.note(f"{wanted.name}: what had come before is damaged; downloading all of it")
    _obtain(wanted, offline, reporter)


def _receive_all(wanted: _Wanted, offline: bool, reporter: Reporter) -> None:
    if offline:
        raise Unavailable(
            f"cannot be had: {wanted.url}: without the network",
            missing=(wanted.url,),
            hint="run it once without --offline",
        )
    import requests

    wanted.partial.folder.mkdir(parents=True, exist_ok=True)
    failures = 0
    with requests.Session() as session:
        while True:
            before = wanted.partial.length
            try:
                return _receive(wanted, session, reporter)
            except (requests.RequestException, _Interrupted) as error:
                failures = 1 if wanted.partial.length > before else failures + 1
                if failures >= ATTEMPTS or isinstance(error, requests.exceptions.SSLError):
                    raise _unavailable(wanted, reason(error)) from error
                time.sleep(0.2 * failures)


def _unavailable(wanted: _Wanted, why: str) -> Unavailable:
    have = wanted.partial.length
    so_far = f" ({readable(have)} of it are here)" if have else ""
    hint = "run it again: the download goes on" if have else "check the address and the network"
    return Unavailable(f"cannot be had: {wanted.url}{so_far}: {why}", missing=(wanted.url,), hint=hint)


def reason(error: Exception) -> str:
    """The system's or TLS's own words, deep inside what requests says."""
    match = _SYSTEM_WORDS.search(str(error))
    return match[1].strip() if match else str(error)


def _receive(wanted: _Wanted, session: Session, reporter: Reporter) -> None:
    """Ask for what is still missing, and write it. Raises _Interrupted or a RequestException to try again."""
    partial = wanted.partial
    have, validator = partial.length, str(partial.said().get("validator") or "")
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _ask(wanted, session, headers) as response:
        total = _total(response)
        if total is not None and total > wanted.limit:
            partial.discard()
            raise wanted.too_long()
        if response.status_code == 200:
            partial.begin(wanted.url, _validator(response), total)
        _write(wanted, response, total, reporter)
    if total is not None and partial.length < total:
        raise _Interrupted(f"it ended after {partial.length} of {total} bytes")


def _ask(wanted: _Wanted, session: Session, headers: dict[str, str]) -> Response:
    """The answer with the file's bytes, all of them (200) or from where we are (206)."""
    try:
        return _accepted(wanted, ask(session, wanted.url, headers))
    except LedAway as error:
        raise _unavailable(wanted, str(error)) from error


def ask(session: Session, url: str, headers: dict[str, str]) -> Response:
    """What a server answers in the end, its content still to be read. Raises LedAway, or a RequestException."""
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=_TIMEOUT)
        if response.status_code not in _REDIRECTS:
            return response
        url = _redirected(url, response)
    raise LedAway(f"more than {MAX_REDIRECTS} redirections")


def _redirected(url: str, response: Response) -> str:
    with response:
        target = urljoin(url, response.headers.get("Location", ""))
    # A page on the network has no business with this machine's own servers, and none may leave https.
    if (why := objection(target)) or (url.startswith("https:") and not target.startswith("https:")):
        raise LedAway(f"it leads elsewhere, and {why or f'{target!r} is not https'}")
    return target


def _accepted(wanted: _Wanted, response: Response) -> Response:
    status = response.status_code
    if status == 200 or (status == 206 and _begins_at(response) == wanted.partial.length):
        return response
    response.close()
    if status in (206, 416):
        wanted.partial.discard()
        raise _Interrupted(f"the server has another file now ({status})")
    if status in _TRY_AGAIN:
        raise _Interrupted(f"the server answered {status} {response.reason}")
    raise _unavailable(wanted, f"the server answered {status} {response.reason}")


def _begins_at(response: Response) -> int:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _total(response: Response) -> int | None:
    if response.status_code == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers["Content-Range"])
        return int(match[2]) if match and match[2] != "*" else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(response: Response) -> str:
    """What tells whether the file is still the same: a strong ETag, or the time of its last change."""
    etag = str(response.headers.get("ETag", ""))
    return etag if etag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def _write(wanted: _Wanted, response: Response, total: int | None, reporter: Reporter) -> None:
    import urllib3

    partial = wanted.partial
    done = partial.length
    needed = None if total is None else total - done
    if needed is not None and needed > shutil.disk_usage(partial.folder).free:
        raise disk_full(partial.folder, f"downloading {wanted.name}", needed=needed)
    try:
        with partial.path.open("ab") as writer:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                done += writer.write(chunk)
                if done > wanted.limit:
                    break
                reporter.progress(f"downloading {wanted.name}", done, total)
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise _Interrupted(f"the connection broke off at {readable(partial.length)}") from error
    if done > wanted.limit:
        partial.discard()
        raise wanted.too_long()


def _forget_old(folder: Path) -> None:
    """Remove what nobody went on with for two weeks."""
    before = time.time() - _FORGOTTEN
    for path in folder.glob("*"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()
