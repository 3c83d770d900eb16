"""Serial ports and pseudo-terminals, by pyserial."""

from __future__ import annotations

import contextlib
import errno
import os
import select
from typing import Any

import serial

from ...errors import DeviceError
from .transport import Transport

USB_LATENCY = 0.016
"""Seconds that FTDI adapters keep received bytes back unless told otherwise."""

LOW_LATENCY = 0.002
"""The same once they have been told."""

_CHUNK = 1 << 16

if os.name == "posix":
    import termios

    # What pyserial lets through of a port that has gone is no OSError.
    _FAILURES: tuple[type[Exception], ...] = (serial.SerialException, OSError, termios.error)
else:
    _FAILURES = (serial.SerialException, OSError)


class SerialPort(Transport):
    """A device at a serial port.

    The port is opened for us alone, adapters are asked not to keep bytes back, and DTR is left
    alone: on many boards it resets something.

    Args:
        path: for example ``/dev/ttyUSB1``.
        baud: bits per second.
        fastest: bits per second up to which a session may take the line; 0: it stays as it is.

    Raises:
        DeviceError: it cannot be opened; with the reason, and the command that mends it.
    """

    def __init__(self, path: str, baud: int, fastest: int = 0):
        self._path = path
        self.baud, self.fastest = baud, fastest
        # dsrdtr keeps pyserial from setting DTR; it does nothing else on these systems.
        options: dict[str, Any] = {"dsrdtr": True, "exclusive": True} if os.name == "posix" else {}
        try:
            self._port = serial.Serial(
                path, baud, timeout=0, write_timeout=5.0 + 10 * _CHUNK / baud, **options
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise _cannot_open(path, baud, error) from None
        self._keep_dtr()
        self.low_latency = self._ask_for_low_latency()
        self.latency = LOW_LATENCY if self.low_latency else USB_LATENCY
        self._port.reset_input_buffer()

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The port, and the rate that it has now."""
        return f"serial port {self._path} at {self.baud} baud"

    def set_baud(self, baud: int) -> bool:
        """From now on the port has this rate; False if it refuses, and nothing has changed.

        Raises:
            DeviceError: the port has gone.
        """
        try:
            self._port.flush()
            try:
                self._port.baudrate = baud
            except (*_FAILURES, ValueError):
                self._port.baudrate = self.baud
                return False
        except _FAILURES as error:
            raise self.closed(error) from None
        self.baud = baud
        return True

    def _keep_dtr(self) -> None:
        """Closing the port must not drop DTR either."""
        if os.name != "posix":
            return
        with contextlib.suppress(termios.error):
            settings = termios.tcgetattr(self._port.fileno())
            settings[2] &= ~termios.HUPCL
            termios.tcsetattr(self._port.fileno(), termios.TCSANOW, settings)

    def _ask_for_low_latency(self) -> bool:
        """Not every driver knows it: then we wait longer, and say so in ``low_latency``."""
        try:
            self._port.set_low_latency_mode(True)
        except (AttributeError, NotImplementedError, ValueError, OSError):
            return False
        return True

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise DeviceError(
                "the serial port takes no more bytes",
                found=f"{len(data)} bytes could not be sent in {self._port.write_timeout:.1f} s",
                where=self.name,
                remedy="switch flow control off, check the adapter",
            ) from None
        except (serial.SerialException, OSError) as error:
            raise self.closed(error) from None

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits at most ``timeout`` seconds for the first byte."""
        try:
            if os.name != "posix":
                self._port.timeout = timeout
                return self._port.read(max(1, self._port.in_waiting))
            ready, _, _ = select.select([self._port.fileno()], [], [], max(0.0, timeout))
            if not ready:
                return b""
            data = os.read(self._port.fileno(), _CHUNK)
        except (serial.SerialException, OSError) as error:
            raise self.closed(error) from None
        if not data:
            raise self.closed("the other end has gone")
        return data

    def send_break(self) -> None:
        """Hold the line low for a quarter of a second: the device resets itself."""
        try:
            self._port.send_break(0.25)
        except _FAILURES as error:
            raise self.closed(error) from None

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def _cannot_open(path: str, baud: int, error: Exception) -> DeviceError:
    """The operating system's reason, and what to do about it."""
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.EACCES or "Permission denied" in text:
        remedy = (
            "the device belongs to another group, usually dialout: "
            "`sudo usermod -aG dialout $USER`, then log in again"
        )
    elif number == errno.ENOENT or "No such file" in text:
        remedy = "plug the board in; `python -m serial.tools.list_ports` lists what is there"
    elif number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        remedy = "another program uses it; close that one first"
    elif isinstance(error, ValueError):
        remedy = "choose a baud rate that the adapter knows"
    else:
        remedy = "check that it is a serial port"
    return DeviceError(
        "the serial port cannot be opened",
        found=text,
        where=f"{path} at {baud} baud",
        remedy=remedy,
    )
