"""A device behind a TCP connection."""

from __future__ import annotations

import select
import socket

from ...errors import DeviceError
from .transport import Transport

_CHUNK = 1 << 16


class TcpConnection(Transport):
    """A device behind ``host:port``.

    Args:
        host: name or address.
        port: number.
        timeout: seconds to wait for the connection, and for the network to take what is written.

    Raises:
        DeviceError: nobody listens there.
    """

    def __init__(self, host: str, port: int, timeout: float = 10.0):
        self.name = f"tcp://{host}:{port}"
        self.latency = 0.05
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise DeviceError(
                "the device cannot be reached",
                found=str(error),
                where=self.name,
                remedy="check that the server runs and that the address is right",
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self.closed(error) from None

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits at most ``timeout`` seconds for the first byte."""
        try:
            ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout))
            if not ready:
                return b""
            data = self._socket.recv(_CHUNK)
        except (OSError, ValueError) as error:
            raise self.closed(error) from None
        if not data:
            raise self.closed("the other end has gone")
        return data

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
