"""The page's server: this machine only, one secret path, a fixed set of files, bounded requests."""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..errors import DeviceError, InputError, SpikeloomError

HOST = "127.0.0.1"
HEARTBEAT = 10.0
"""Seconds after which a request for news is answered even if there are none."""
GONE = 70.0
"""Seconds without a request after which a page that said no farewell counts as closed. Browsers
let hidden pages do something once a minute."""
LOOK = 0.5
"""Seconds between two looks whether a page that waits for news still listens."""
MOST_PAGES, MOST_REQUESTS, MOST_BODY = 8, 40, 4096
MOST_LEFT = 64
"""Pages remembered after their farewell, which may overtake their last question."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Pages:
    """Which pages are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._waiting: dict[str, int] = {}
        self._left: deque[str] = deque(maxlen=MOST_LEFT)
        self._left_at: float | None = None

    def enter(self, page: str) -> str:
        """A request for news begins; empty, or why it may not."""
        with self._lock:
            self._forget()
            if page in self._left:
                return "this page has closed"
            if page not in self._seen and len(self._seen) >= MOST_PAGES:
                return f"more than {MOST_PAGES} pages look at this view"
            self._seen[page] = time.monotonic()
            self._waiting[page] = self._waiting.get(page, 0) + 1
            self._left_at = None
            return ""

    def answered(self, page: str) -> None:
        """It has been answered."""
        with self._lock:
            self._waiting[page] -= 1
            if page in self._seen:
                self._seen[page] = time.monotonic()
            elif not self._waiting[page]:
                del self._waiting[page]

    def leave(self, page: str) -> None:
        """The page says that it closes; it does not come back under this name."""
        with self._lock:
            self._left.append(page)
            self._drop(page)

    def lose(self, page: str) -> None:
        """The page does not listen any more, and may come back."""
        with self._lock:
            self._drop(page)

    def deserted_for(self) -> float:
        """Seconds since the last page went; 0 while there is one, or none has come yet."""
        with self._lock:
            self._forget()
            return 0.0 if self._left_at is None else time.monotonic() - self._left_at

    def _forget(self) -> None:
        old = time.monotonic() - GONE
        for page in [p for p, at in self._seen.items() if at < old and not self._waiting.get(p)]:
            self._drop(page)

    def _drop(self, page: str) -> None:
        if self._seen.pop(page, None) is not None and not self._seen:
            self._left_at = time.monotonic()
        if not self._waiting.get(page):
            self._waiting.pop(page, None)


class PageServer(ThreadingHTTPServer):
    """Serves one view at ``http://127.0.0.1:PORT/TOKEN/``.

    Args:
        port: 0 takes a free one.
        facts: of the network, plain JSON data.
        news: ``(epoch, after, patience)`` to plain JSON data.
        picture: the newest picture.
        command: carries a page's command out; raises SpikeloomError.

    Raises:
        DeviceError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(
        self,
        port: int,
        facts: dict[str, Any],
        news: Callable[[int, int, float], dict[str, Any]],
        picture: Callable[[], dict[str, Any]],
        command: Callable[[dict[str, Any]], None],
    ) -> None:
        if not 0 <= port < 1 << 16:
            raise InputError("this is no port", found=port, expected="0 to 65535; 0: a free one")
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise DeviceError(
                "the port is taken by another program" if taken else "the port cannot be used",
                found=None if taken else error.strerror,
                where=f"{HOST}:{port}",
                remedy="choose another one; 0 takes a free one",
            ) from None
        self.token = secrets.token_urlsafe(16)
        self.url = f"http://{HOST}:{self.server_port}/{self.token}/"
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.pages = Pages()
        self.news, self.picture, self.command = news, picture, command
        self.requests = threading.BoundedSemaphore(MOST_REQUESTS)
        self.assets = _assets()
        self.assets["network"] = ("application/json", json.dumps(facts).encode())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that went away in the middle of an answer is no error; the rest is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _assets() -> dict[str, tuple[str, bytes]]:
    """Path below the token -> type and content; all that there is."""
    folder = files("spikeloom.viewer") / "page"
    found = {
        item.name: (_TYPES[item.name.rpartition(".")[2]], item.read_bytes())
        for item in folder.iterdir()
        if item.name.rpartition(".")[2] in _TYPES
    }
    return {"" if name == "index.html" else name: asset for name, asset in found.items()}


class _Handler(BaseHTTPRequestHandler):
    server: PageServer  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "spikeloom", ""
    timeout = 2 * HEARTBEAT

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """Answer a page's question."""
        path = self._path()
        if path is None:
            return
        name, query = path
        if name in self.server.assets:
            self._answer(200, *self.server.assets[name])
        elif name == "news":
            self._news(query)
        elif name == "picture":
            self._json(200, self.server.picture())
        else:
            self._refuse(404, "there is nothing here")

    def do_POST(self) -> None:
        """Carry out a page's command."""
        path = self._path()
        if path is None:
            return
        name, query = path
        body = self._body()
        if body is None:
            return
        if name == "leave":
            self.server.pages.leave(query.get("page", ""))
            self._json(200, {})
        elif name == "command":
            self._command(body)
        else:
            self._refuse(404, "there is nothing here")

    def _path(self) -> tuple[str, dict[str, str]] | None:
        """What is asked for below the token, and the query; None if it was refused."""
        if self.headers.get("Host", "") not in self.server.hosts:
            # A name of somebody's that leads here: DNS rebinding.
            self._refuse(403, "this page is of 127.0.0.1 only")
            return None
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            self._refuse(403, "another page may not ask this one")
            return None
        try:
            parts = urlsplit(self.path)
            fields = parse_qs(parts.query, max_num_fields=8)
        except ValueError:
            self._refuse(400, "malformed address")
            return None
        token, slash, name = parts.path.removeprefix("/").partition("/")
        right = hmac.compare_digest(token.encode(), self.server.token.encode())
        if not right or not slash:
            self._refuse(404, "the address is not complete: it has a secret part")
            return None
        return name, {key: values[0] for key, values in fields.items()}

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        fits = length.isascii() and length.isdigit() and len(length) <= len(str(MOST_BODY))
        if not fits or int(length) > MOST_BODY:
            self._refuse(413, f"a command has at most {MOST_BODY} bytes")
            return None
        return self.rfile.read(int(length))

    def _news(self, query: dict[str, str]) -> None:
        try:
            epoch, after = int(query.get("epoch", "-1")), int(query.get("after", "-1"))
            page = query["page"]
        except (KeyError, ValueError):
            self._refuse(400, "malformed question")
            return
        refusal = "malformed name of a page" if len(page) > 40 else self.server.pages.enter(page)
        if refusal:
            self._refuse(429, refusal)
            return
        try:
            self._json(200, self._wait(epoch, after))
        except OSError:
            self.server.pages.lose(page)
            raise
        finally:
            self.server.pages.answered(page)

    def _wait(self, epoch: int, after: int) -> dict[str, Any]:
        """News, or after some time that there are none.

        Raises:
            OSError: nobody waits for them any more.
        """
        end = time.monotonic() + HEARTBEAT
        while True:
            left = end - time.monotonic()
            told = self.server.news(epoch, after, max(0.0, min(left, LOOK)))
            if told["number"] > after or told["epoch"] != epoch or left <= LOOK:
                return told
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(
                1, socket.MSG_PEEK
            ):
                raise ConnectionAbortedError

    def _command(self, body: bytes) -> None:
        if self.headers.get("Content-Type", "") != "application/json":
            self._refuse(415, "a command is JSON")
            return
        try:
            command = json.loads(body)
            if not isinstance(command, dict):
                raise ValueError
        except (ValueError, RecursionError):
            self._refuse(400, "a command is one JSON object")
            return
        try:
            self.server.command(command)
        except SpikeloomError as error:
            self._refuse(409, str(error))
        else:
            self._json(200, {})

    def _refuse(self, status: int, why: str) -> None:
        # A body that nobody has read would be taken for the next question.
        self.close_connection = True
        self._json(status, {"error": why})

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(data).encode())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """One connection; refused where there are too many."""
        if not self.server.requests.acquire(blocking=False):
            return
        try:
            super().handle()
        finally:
            self.server.requests.release()
