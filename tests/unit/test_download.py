"""Downloads from a server on loopback: what goes on, what is refused, and what is never kept."""

from __future__ import annotations

import errno
import hashlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_server import FileServer, Page, serving
from processes import answer, start

from cmx.errors import ComponentInvalid, HashMismatch, StoreError, Unavailable
from cmx.install import fetch, held, stored
from cmx.install.download import forget_downloads, objection
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Store

CONTENT = random.Random(7).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

ONE_FETCH = """
import sys
from pathlib import Path
from cmx.install import fetch
from cmx.settings import Settings
from cmx.store import Store
home, url, sha256 = sys.argv[1:]
print(fetch({"url": url, "sha256": sha256}, store=Store(Settings(Path(home))), folder=Path(home)).digest)
"""


class Listener(Reporter):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[str, float, float | None]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        self.steps.append((what, done, total))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        running.pages["/data.bin"] = Page(CONTENT)
        yield running


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings)


@pytest.fixture
def source(server: FileServer) -> dict[str, object]:
    return {"url": f"{server.url}/data.bin", "sha256": SHA256}


def partials(store: Store) -> list[int]:
    """The lengths of what is left of downloads."""
    return [path.stat().st_size for path in (store.settings.cache / "downloads").glob("*.part")]


def test_a_file_is_downloaded_once_and_then_served_offline(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    assert not held(source, store=store)
    listener = Listener()
    fetched = fetch(source, store=store, folder=tmp_path, reporter=listener)
    assert fetched.path.read_bytes() == CONTENT
    assert (fetched.digest, fetched.size) == (SHA256, len(CONTENT))
    assert listener.steps[-1] == ("downloading data.bin", len(CONTENT), len(CONTENT))
    assert fetch(source, store=store, folder=tmp_path, offline=True) == fetched
    assert stored(source, store=store, folder=tmp_path) == fetched
    assert held(source, store=store)
    assert len(server.requests) == 1
    assert partials(store) == []


def test_an_interrupted_download_goes_on_where_it_stopped(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"].break_after = [100_000, 50_000]
    assert fetch(source, store=store, folder=tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [headers["If-Range"] for headers in server.requests[1:]] == ['"one"', '"one"']


def test_the_next_command_goes_on_with_what_the_last_one_left(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"].break_after = [120_000, 0, 0, 0]
    with pytest.raises(
        Unavailable, match=r"\(120\.0 kB of it are here\): the connection broke off at 120\.0 kB"
    ) as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.hint == "run it again: the download goes on"
    assert partials(store) == [120_000]
    server.pages["/data.bin"].break_after = []
    server.requests.clear()
    assert fetch(source, store=store, folder=tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=120000-"]
    assert partials(store) == []


def test_a_file_that_changed_meanwhile_is_downloaded_from_the_beginning(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"] = Page(b"x" * 200_000, etag='"old"', break_after=[90_000, 0, 0, 0])
    with pytest.raises(Unavailable):
        fetch(source, store=store, folder=tmp_path)
    server.pages["/data.bin"] = Page(CONTENT, etag='"new"')
    assert fetch(source, store=store, folder=tmp_path).path.read_bytes() == CONTENT
    assert server.requests[-1]["If-Range"] == '"old"'


def test_a_server_without_etags_is_asked_by_the_time_of_change(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    changed = "Wed, 01 Jan 2025 00:00:00 GMT"
    server.pages["/data.bin"] = Page(CONTENT, etag='W/"weak"', modified=changed, break_after=[10])
    fetch(source, store=store, folder=tmp_path)
    assert server.requests[-1]["If-Range"] == changed


def test_a_server_that_knows_no_ranges_sends_everything_again(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"] = Page(CONTENT, ranges=False, break_after=[1000])
    assert fetch(source, store=store, folder=tmp_path).size == len(CONTENT)


def test_a_beginning_that_was_damaged_on_disk_is_downloaded_again(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"].break_after = [120_000, 0, 0, 0]
    with pytest.raises(Unavailable):
        fetch(source, store=store, folder=tmp_path)
    part = next((store.settings.cache / "downloads").glob("*.part"))
    part.write_bytes(bytes(120_000))
    server.pages["/data.bin"].break_after = []
    listener = Listener()
    assert fetch(source, store=store, folder=tmp_path, reporter=listener).path.read_bytes() == CONTENT
    assert listener.notes == ["data.bin: what had come before is damaged; downloading all of it"]


def test_a_wrong_sha256_names_file_expected_and_found_and_keeps_nothing(
    source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    wrong = "0" * 64
    with pytest.raises(HashMismatch) as caught:
        fetch({**source, "sha256": wrong}, store=store, folder=tmp_path)
    assert (caught.value.name, caught.value.expected, caught.value.found) == ("data.bin", wrong, SHA256)
    assert (store.list(), partials(store)) == ((), [])


@pytest.mark.parametrize("says_length", [True, False])
def test_more_than_the_recipe_says_is_refused(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path, says_length: bool
) -> None:
    server.pages["/data.bin"].says_length = says_length
    with pytest.raises(StoreError, match=r"data\.bin: longer than 1\.0 kB"):
        fetch({**source, "size": 1000}, store=store, folder=tmp_path)
    assert (store.list(), partials(store)) == ((), [])


def test_what_is_not_there_is_said_with_the_server_s_words(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"/other\.bin: the server answered 404 Not Found") as caught:
        fetch({**source, "url": f"{server.url}/other.bin"}, store=store, folder=tmp_path)
    assert caught.value.missing == (f"{server.url}/other.bin",)
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"].statuses = [503, 429]
    assert fetch(source, store=store, folder=tmp_path).size == len(CONTENT)
    assert len(server.requests) == 3


def test_offline_says_how_to_get_it(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="without the network") as caught:
        fetch(source, store=store, folder=tmp_path, offline=True)
    assert caught.value.hint == "run it once without --offline"
    assert server.requests == []


def test_a_server_that_does_not_answer_is_said(store: Store, tmp_path: Path) -> None:
    source = {"url": "http://127.0.0.1:9/data.bin", "sha256": SHA256}
    with pytest.raises(Unavailable, match=r"had: http://127\.0\.0\.1:9/data\.bin: Connection refused") as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.exit_code == 4


def test_redirections_within_the_machine_are_followed(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/old"] = Page(redirect="/data.bin")
    assert fetch({**source, "url": f"{server.url}/old"}, store=store, folder=tmp_path).digest == SHA256


def test_a_redirection_to_http_elsewhere_is_refused(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/old"] = Page(redirect="http://example.org/data.bin")
    with pytest.raises(Unavailable, match=r"'http://example\.org/data\.bin' is not https"):
        fetch({**source, "url": f"{server.url}/old"}, store=store, folder=tmp_path)
    assert len(server.requests) == 1


def test_redirections_in_a_circle_end(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/old"] = Page(redirect="/old")
    with pytest.raises(Unavailable, match="more than 10 redirections"):
        fetch({**source, "url": f"{server.url}/old"}, store=store, folder=tmp_path)


def test_https_never_leads_to_http_not_even_of_this_machine(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with serving(certificate) as safe:
        safe.pages |= {"/old": Page(redirect=f"{server.url}/data.bin"), "/data.bin": Page(CONTENT)}
        with pytest.raises(Unavailable, match="it leads elsewhere, and 'http://127"):
            fetch({**source, "url": f"{safe.url}/old"}, store=store, folder=tmp_path)
        assert server.requests == []
        assert fetch({**source, "url": f"{safe.url}/data.bin"}, store=store, folder=tmp_path).digest == SHA256


def test_a_certificate_that_nobody_vouches_for_is_refused(
    source: dict[str, object], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with serving(_certificate(tmp_path)) as safe:
        safe.pages["/data.bin"] = Page(CONTENT)
        with pytest.raises(Unavailable, match="certificate verify failed"):
            fetch({**source, "url": f"{safe.url}/data.bin"}, store=store, folder=tmp_path)
        assert safe.requests == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://example.org/a", ""),
        ("http://localhost:8000/a", ""),
        ("http://[::1]/a", ""),
        ("http://example.org/a", "is not https"),
        ("http://127.0.0.1.example.org/a", "is not https"),
        ("file:///etc/passwd", "is not https"),
        ("ftp://example.org/a", "is not https"),
        ("https:///a", "is not https"),
        ("https://user:secret@example.org/a", "the URL of example.org holds a password; leave it to ~/.netrc"),
        ("https://[example.org/a", "is no URL"),
    ],
)
def test_only_https_is_taken_and_http_of_this_machine(url: str, why: str) -> None:
    assert why in objection(url)
    assert bool(objection(url)) == bool(why)


def test_a_bad_url_names_file_and_field(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ComponentInvalid, match=r"component\.yaml: source\.url: 'http://example\.org/a' is not https"):
        fetch({"url": "http://example.org/a", "sha256": SHA256}, store=store, folder=tmp_path)


def test_a_full_disk_names_the_folder_and_the_bytes_and_the_download_can_go_on(
    source: dict[str, object], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=0))
        with pytest.raises(
            StoreError, match=r"disk full: downloading data\.bin in .*\(300\.0 kB needed, 0 bytes free\)"
        ):
            fetch(source, store=store, folder=tmp_path)
    assert store.list() == ()
    assert fetch(source, store=store, folder=tmp_path).size == len(CONTENT)


def test_a_disk_that_becomes_full_is_said_and_nothing_is_trusted(
    source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from cmx.errors import StoreError
from cmx.install import fetch
from cmx.settings import Settings
from cmx.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
home, url, sha256 = sys.argv[1:]
try:
    fetch({"url": url, "sha256": sha256}, store=Store(Settings(Path(home))), folder=Path(home))
except StoreError as error:
    print(error.message)
"""
    said = answer(start(program, store.settings.home, source["url"], SHA256))
    assert said.startswith("disk full: downloading data.bin")
    assert store.list() == ()
    assert fetch(source, store=store, folder=tmp_path).path.read_bytes() == CONTENT


def test_a_download_that_was_killed_goes_on(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    page = server.pages["/data.bin"]
    page.content, page.hold_at = CONTENT * 20, 4_000_000
    source = {**source, "sha256": hashlib.sha256(page.content).hexdigest()}
    killed = start(ONE_FETCH, store.settings.home, source["url"], source["sha256"])
    deadline = time.monotonic() + 30
    while sum(partials(store)) < 2_000_000 and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    page.hold_at = 0
    page.release.set()
    kept = sum(partials(store))
    assert fetch(source, store=store, folder=tmp_path).path.read_bytes() == page.content
    assert kept >= 2_000_000
    assert server.ranges == [None, f"bytes={kept}-"]


def test_of_several_processes_one_downloads(server: FileServer, source: dict[str, object], store: Store) -> None:
    running = [start(ONE_FETCH, store.settings.home, source["url"], SHA256) for _ in range(4)]
    assert [answer(process) for process in running] == [SHA256] * 4
    assert len(server.requests) == 1


def test_what_is_left_of_downloads_can_be_forgotten(
    server: FileServer, source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    server.pages["/data.bin"].break_after = [10, 0, 0, 0]
    with pytest.raises(Unavailable):
        fetch(source, store=store, folder=tmp_path)
    forget_downloads(store.settings)
    assert partials(store) == []


def test_an_error_of_the_disk_that_is_no_full_disk_is_not_hidden(
    source: dict[str, object], store: Store, tmp_path: Path
) -> None:
    store.settings.cache.mkdir(parents=True)
    (store.settings.cache / "downloads").write_text("a file where a folder should be")
    with pytest.raises(OSError) as caught:
        fetch(source, store=store, folder=tmp_path)
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)


def _certificate(folder: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine, so there is no certificate to try https with")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    places = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command, *places], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return certificate, key
