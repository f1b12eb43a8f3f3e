"""A server on loopback whose files, faults and redirections a test chooses."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Page:
    """What the server says under one path.

    ``kind`` is its media type. ``break_after`` are numbers of bytes after which one answer each breaks off, in this
    order; ``redirect`` leads elsewhere; ``statuses`` are answers without content that come first; at ``hold_at`` bytes
    it waits for ``release``.
    """

    content: bytes = b""
    kind: str = ""
    etag: str = '"one"'
    modified: str = ""
    break_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect: str = ""
    ranges: bool = True
    says_length: bool = True
    hold_at: int = 0
    release: threading.Event = field(default_factory=threading.Event)


@dataclass
class FileServer:
    """The pages by path, the headers and paths of every request so far, and where to find it."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of every request."""
        return [headers["Range"] for headers in self.requests]


@contextmanager
def serving(certificate: tuple[Path, Path] | None = None) -> Iterator[FileServer]:
    """A server that runs while the block does; with a certificate (and its key) it speaks https."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    scheme = "https" if certificate else "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _running(server, scheme) as files:
        yield files


@contextmanager
def serving_folder(folder: Path) -> Iterator[FileServer]:
    """Python's own http.server on a folder; ``FileServer.requests`` are those so far."""
    handler = type("Handler", (_FolderHandler,), {"folder": str(folder)})
    with _running(ThreadingHTTPServer(("127.0.0.1", 0), handler), "http") as files:
        yield files


@contextmanager
def _running(server: ThreadingHTTPServer, scheme: str) -> Iterator[FileServer]:
    files = FileServer(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    server.files = files  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _FolderHandler(SimpleHTTPRequestHandler):
    folder = ""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=self.folder)

    def do_GET(self) -> None:
        self.server.files.requests.append(self.headers)  # type: ignore[attr-defined]
        self.server.files.paths.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        files: FileServer = self.server.files  # type: ignore[attr-defined]
        files.requests.append(self.headers)
        files.paths.append(self.path)
        page = files.pages.get(self.path)
        if page is None:
            self._say(404, {"Content-Length": "0"})
        elif page.statuses:
            self._say(page.statuses.pop(0), {"Content-Length": "0"})
        elif page.redirect:
            self._say(302, {"Location": page.redirect, "Content-Length": "0"})
        elif page.etag and self.headers["If-None-Match"] == page.etag:
            self._say(304, {"ETag": page.etag})
        else:
            self._send(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _send(self, page: Page) -> None:
        start = self._start(page)
        body = page.content[start:]
        headers = {"ETag": page.etag, "Last-Modified": page.modified, "Connection": "close", "Content-Type": page.kind}
        if page.says_length:
            headers["Content-Length"] = str(len(body))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(page.content) - 1}/{len(page.content)}"
        self._say(206 if start else 200, {name: value for name, value in headers.items() if value})
        if page.hold_at:
            self.wfile.write(body[: page.hold_at])
            page.release.wait(30)
            return
        self.wfile.write(body[: page.break_after.pop(0)] if page.break_after else body)
        self.close_connection = True

    def _start(self, page: Page) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        unchanged = self.headers["If-Range"] in (page.etag, page.modified)
        return int(match[1]) if match and page.ranges and unchanged else 0

    def _say(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
