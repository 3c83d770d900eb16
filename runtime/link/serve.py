"""A simulated device behind a pseudo-terminal or a TCP port, for whoever can open one.

The device is anything with an ``exchange``: bytes for it in, bytes from it out. It is given time
while bytes move and a while after; then it stands still until the next byte comes, which a waiting
host sends by and by, since it polls.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...errors import DeviceError, UnsupportedError

_CHUNK = 4096
"""Most bytes that are taken from a host at a time: what an operating system's own buffer holds."""


def _nothing() -> int:
    return 0


class Server(ABC):
    """Serves one device from a thread of its own; a context manager.

    Args:
        exchange: the device; called with ``b""`` to let it go on.
        linger: seconds for which a device that is silent is given time. 0 for one that has said
            all when ``exchange`` returns.
        waiting: how many bytes the device has not looked at yet; beyond a few thousand the host
            has to wait.
        once: whether serving ends when the first host has hung up.
    """

    address: str
    """What a host opens."""

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        linger: float = 0.0,
        waiting: Callable[[], int] = _nothing,
        *,
        once: bool = False,
    ):
        self._exchange = exchange
        self._linger = linger
        self._waiting = waiting
        self._once = once
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="device", daemon=True)
        self.failure: BaseException | None = None
        self.received = self.sent = 0
        self.ended = threading.Event()
        """Set when serving has ended by itself."""

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving and give the address up."""
        self._waker.send(b"x")
        self._thread.join()
        self._release()
        self._wake.close()
        self._waker.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
        if self.failure is not None:
            raise DeviceError("the served device failed", where=self.address) from self.failure

    @abstractmethod
    def _accept(self) -> int | None:
        """The file to talk to, or None to wait for one."""

    @abstractmethod
    def _listening(self) -> list[int]:
        """Files to wait for while there is nobody to talk to."""

    @abstractmethod
    def _hung_up(self) -> None:
        """Nobody is there any more."""

    @abstractmethod
    def _release(self) -> None:
        """Close everything."""

    def _serve(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self.failure = error
        self.ended.set()

    def _loop(self) -> None:
        moved = -self._linger
        while True:
            peer = self._accept()
            going = peer is not None and (
                self._waiting() > 0 or time.monotonic() - moved < self._linger
            )
            files = [self._wake.fileno()]
            if peer is None:
                files += self._listening()
            elif self._waiting() < _CHUNK:
                files.append(peer)
            ready, _, _ = select.select(files, [], [], 0.0 if going else None)
            if self._wake.fileno() in ready:
                return
            if peer is None:
                continue
            data = b""
            if peer in ready:
                data = self._receive(peer)
                if not data:
                    self._hung_up()
                    if self._once:
                        return
                    continue
            answer = self._exchange(data)
            self.received, self.sent = self.received + len(data), self.sent + len(answer)
            if data or answer:
                moved = time.monotonic()
            if answer and not self._send(peer, answer):
                self._hung_up()
                if self._once:
                    return

    def _receive(self, peer: int) -> bytes:
        try:
            return os.read(peer, _CHUNK)
        except OSError:
            return b""

    def _send(self, peer: int, data: bytes) -> bool:
        """Send all; False when nobody takes it any more."""
        view = memoryview(data)
        while view:
            ready, writable, _ = select.select([self._wake.fileno()], [peer], [])
            if ready and not writable:
                return False
            try:
                view = view[os.write(peer, view[:4096]) :]
            except OSError:
                return False
        return True


class PtyServer(Server):
    """A device behind a pseudo-terminal; ``address`` is a path that any serial program opens.

    Args:
        exchange, linger, waiting, once: see :class:`Server`.
        set_baud: told the rate that a host has set, before the first byte that comes at it. A
            pseudo-terminal itself is as fast as it can be.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        linger: float = 0.0,
        waiting: Callable[[], int] = _nothing,
        *,
        once: bool = False,
        set_baud: Callable[[int], None] | None = None,
    ):
        if not hasattr(os, "openpty"):
            raise UnsupportedError("this system has no pseudo-terminals", remedy="serve by TCP")
        super().__init__(exchange, linger, waiting, once=once)
        self._set_baud, self._baud = set_baud, 0
        import tty

        # Our own copy of the host's end stays open: without it reading fails between two hosts.
        self._device, self._host = os.openpty()
        tty.setraw(self._host)
        self.address = os.ttyname(self._host)

    def _accept(self) -> int | None:
        return self._device

    def _listening(self) -> list[int]:
        return []

    def _receive(self, peer: int) -> bytes:
        if self._set_baud is not None and (baud := baud_of(peer)) != self._baud:
            self._baud = baud
            self._set_baud(baud)
        data = super()._receive(peer)
        if self._once and self._host >= 0:
            # The first host is there, and the last: when it closes its end, reading shall fail.
            os.close(self._host)
            self._host = -1
        return data

    def _hung_up(self) -> None:
        if not self._once:
            raise OSError("the pseudo-terminal was closed")

    def _release(self) -> None:
        os.close(self._device)
        if self._host >= 0:
            os.close(self._host)


def baud_of(terminal: int) -> int:
    """The rate that has been set at a pseudo-terminal, at either of its ends; 0 for none."""
    import fcntl
    import termios

    if sys.platform == "linux":
        # Only the newer of Linux' two structures tells any rate as a number: four words of flags,
        # a byte, 19 characters, and both rates.
        found = fcntl.ioctl(terminal, _TCGETS2, bytes(_TERMIOS2.size))
        return _TERMIOS2.unpack(found)[-1]
    return termios.tcgetattr(terminal)[5]


_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("4I20s2I")


class TcpServer(Server):
    """A device behind a TCP port; one host at a time.

    Args:
        exchange, linger, waiting, once: see :class:`Server`.
        host: address to listen at; only this machine's own unless told otherwise.
        port: 0 takes a free one; ``address`` tells which.

    Raises:
        DeviceError: the port cannot be listened at.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        linger: float = 0.0,
        waiting: Callable[[], int] = _nothing,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        once: bool = False,
    ):
        try:
            self._listener = socket.create_server((host, port), backlog=1)
        except (OSError, OverflowError) as error:
            raise DeviceError(
                "this TCP port cannot be listened at",
                found=str(error),
                where=f"{host}:{port}",
                remedy="choose another port; 0 takes a free one",
            ) from None
        super().__init__(exchange, linger, waiting, once=once)
        self._peer: socket.socket | None = None
        self.host, self.port = self._listener.getsockname()[:2]
        self.address = f"tcp://{self.host}:{self.port}"

    def _accept(self) -> int | None:
        if self._peer is None and select.select([self._listener], [], [], 0)[0]:
            self._peer, _ = self._listener.accept()
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return None if self._peer is None else self._peer.fileno()

    def _listening(self) -> list[int]:
        return [self._listener.fileno()]

    def _hung_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer = None

    def _release(self) -> None:
        self._hung_up()
        self._listener.close()
