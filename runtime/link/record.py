"""Sessions as files: one JSON object per line, recorded at a device, replayed without it.

The first line says what was recorded (``session``, ``line``, ``baud``, ``fastest``, ``latency``),
every other one what happened next: ``{"sent": HEX}``, ``{"got": HEX, "time": SECONDS}``,
``{"baud": NUMBER, "set": TRUE OR FALSE}`` or ``{"break": true}``.
A replay demands the very bytes that were sent, and answers what was answered. Time stands still
between two reads, in both, so that time-outs come where they came.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from ...errors import DeviceError, FileError
from ...regular_file import open_regular
from .transport import Transport

_MOST_BYTES = 1 << 28


class Recorder(Transport):
    """A line whose traffic is written to a file.

    Args:
        line: what moves the bytes.
        path: of the file; what is there is replaced.

    Raises:
        FileError: it cannot be written.
    """

    def __init__(self, line: Transport, path: str | Path):
        self._line, self._path = line, Path(path)
        self.name, self.baud, self.latency = line.name, line.baud, line.latency
        self.fastest = line.fastest
        self.nonce = line.nonce or secrets.randbelow((1 << 32) - 1) + 1
        self._began = self._time = line.now()
        try:
            self._file = self._path.open("w", encoding="ascii")
        except OSError as error:
            line.close()
            raise FileError(
                "the recording cannot be written", found=error.strerror, where=str(path)
            ) from None
        self._tell(
            session=self.nonce, line=self.name, baud=self.baud, fastest=self.fastest,
            latency=self.latency,
        )  # fmt: skip

    def _tell(self, **what: Any) -> None:
        self._file.write(json.dumps(what) + "\n")

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self._tell(sent=data.hex())
        self._line.write(data)

    def read(self, timeout: float) -> bytes:
        """What has arrived."""
        data = self._line.read(timeout)
        self._time = self._line.now()
        self._tell(got=data.hex(), time=self._time - self._began)
        return data

    def set_baud(self, baud: int) -> bool:
        """From now on the line has this rate, if it can."""
        found = self._line.set_baud(baud)
        self._tell(baud=baud, set=found)
        self.name, self.baud = self._line.name, self._line.baud
        return found

    def now(self) -> float:
        """When something was read last."""
        return self._time - self._began

    def send_break(self) -> None:
        """Reset the device by a break on the line."""
        self._tell(**{"break": True})
        self._line.send_break()

    def close(self) -> None:
        """End the recording, release the line."""
        self._file.close()
        self._line.close()


class Replay(Transport):
    """A recorded line in place of a device.

    Args:
        path: of the recording.

    Raises:
        FileError: it is missing, or no recording.
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)
        with open_regular(self._path, "recording") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise FileError(
                "the recording is too long", expected=f"{_MOST_BYTES} bytes", where=str(path)
            )
        self._lines = data.splitlines()
        self._number = 0
        self._time = 0.0
        self._ahead = b""
        first = self._next()
        kinds = {"session": int, "line": str, "baud": int, "fastest": int, "latency": float}
        if set(first) != set(kinds) or any(type(first[k]) is not t for k, t in kinds.items()):
            raise self._malformed("what was recorded: session, line, baud, fastest, latency")
        numbers = (first["baud"], first["fastest"], first["latency"])
        if not 0 < first["session"] < 1 << 32 or not all(n >= 0 for n in numbers):
            raise self._malformed("numbers that a line can have")
        self.nonce = first["session"]
        self.name = f"recording {path} of {first['line']}"
        self.baud, self.fastest, self.latency = numbers

    def _malformed(self, expected: str) -> FileError:
        return FileError(
            "this is no recording of a session",
            expected=expected,
            where=f"{self._path}, line {self._number}",
        )

    def _next(self) -> dict[str, Any]:
        """The next line; empty at the end."""
        self._number += 1
        if self._number > len(self._lines):
            return {}
        try:
            found = json.loads(self._lines[self._number - 1])
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._malformed("a JSON object")
        return found

    def _hex(self, text: Any) -> bytes:
        try:
            return bytes.fromhex(text)
        except (ValueError, TypeError):
            raise self._malformed("bytes in hexadecimal") from None

    def _differs(self, found: str, expected: str) -> DeviceError:
        return DeviceError(
            "the host does something else than when this was recorded",
            found=found,
            expected=expected,
            where=f"{self._path}, line {self._number}",
            remedy="record the session again if what the host sends has changed on purpose",
        )

    def write(self, data: bytes) -> None:
        """The bytes that were sent; they may be cut otherwise."""
        at = 0
        while at < len(data):
            if not self._ahead:
                found = self._next()
                if "sent" not in found:
                    raise self._differs(f"{data[at:].hex()} sent", f"{found or 'the end'}")
                self._ahead = self._hex(found["sent"])
            size = min(len(self._ahead), len(data) - at)
            if not size or data[at : at + size] != self._ahead[:size]:
                raise self._differs(f"{data[at:].hex()} sent", f"{self._ahead.hex()} sent")
            self._ahead = self._ahead[size:]
            at += size

    def read(self, timeout: float) -> bytes:
        """What was read then."""
        if self._ahead:
            raise self._differs("a read", f"{self._ahead.hex()} sent")
        found = self._next()
        if "got" not in found:
            raise self._differs("a read", f"{found or 'the end'}")
        if type(found.get("time")) is not float or not found["time"] >= self._time:
            raise self._malformed("a time that does not go back")
        self._time = found["time"]
        return self._hex(found["got"])

    def set_baud(self, baud: int) -> bool:
        """The rate that was set, or refused, there."""
        found = self._next()
        if self._ahead or found.get("baud") != baud or type(found.get("set")) is not bool:
            raise self._differs(f"{baud} baud", f"{found or 'the end'}")
        if found["set"]:
            self.baud = baud
        return found["set"]

    def now(self) -> float:
        """When that was."""
        return self._time

    def send_break(self) -> None:
        """A break where there was one."""
        found = self._next()
        if self._ahead or found != {"break": True}:
            raise self._differs("a break", f"{found or 'the end'}")
