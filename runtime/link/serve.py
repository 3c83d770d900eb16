"""A simulated device behind a pseudo-terminal or a TCP port, for whoever can open one.

The device is anything with an ``exchange``: bytes for it in, bytes from it out. It is given time
while bytes move and a while after; then it stands still until the next byte comes, which a waiting
host sends by and by, since it polls.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...errors import DeviceError, UnsupportedError

_CHUNK = 1 << 16


class Server(ABC):
    """Serves one device from a thread of its own; a context manager.

    Args:
        exchange: the device.
        patience: how many empty exchanges in a row are given to a silent device.
    """

    address: str
    """What a host opens."""

    def __init__(self, exchange: Callable[[bytes], bytes], patience: int = 20):
        self._exchange = exchange
        self._patience = patience
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="device", daemon=True)
        self.failure: BaseException | None = None

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

    def _loop(self) -> None:
        silent = self._patience
        while True:
            peer = self._accept()
            files = [self._wake.fileno(), *([peer] if peer is not None else self._listening())]
            pause = 0.0 if silent < self._patience and peer is not None else None
            ready, _, _ = select.select(files, [], [], pause)
            if self._wake.fileno() in ready:
                return
            if peer is None:
                continue
            data = b""
            if peer in ready:
                data = self._receive(peer)
                if not data:
                    self._hung_up()
                    continue
            answer = self._exchange(data)
            silent = 0 if data or answer else silent + 1
            if answer and not self._send(peer, answer):
                self._hung_up()

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
    """A device behind a pseudo-terminal; ``address`` is a path that any serial program opens."""

    def __init__(self, exchange: Callable[[bytes], bytes], patience: int = 20):
        if not hasattr(os, "openpty"):
            raise UnsupportedError("this system has no pseudo-terminals", remedy="serve by TCP")
        super().__init__(exchange, patience)
        import tty

        # Our own copy of the host's end stays open: without it reading fails between two hosts.
        self._device, self._host = os.openpty()
        tty.setraw(self._host)
        self.address = os.ttyname(self._host)

    def _accept(self) -> int | None:
        return self._device

    def _listening(self) -> list[int]:
        return []

    def _hung_up(self) -> None:
        raise OSError("the pseudo-terminal was closed")

    def _release(self) -> None:
        os.close(self._device)
        os.close(self._host)


class TcpServer(Server):
    """A device behind a TCP port; one host at a time.

    Args:
        exchange: the device.
        host: address to listen at; only this machine's own unless told otherwise.
        port: 0 takes a free one; ``address`` tells which.
        patience: see :class:`Server`.
    """

    def __init__(
        self,
        exchange: Callable[[bytes], bytes],
        host: str = "127.0.0.1",
        port: int = 0,
        patience: int = 20,
    ):
        super().__init__(exchange, patience)
        self._listener = socket.create_server((host, port), backlog=1)
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
