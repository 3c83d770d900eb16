"""Frames to bytes and back: COBS, CRC-32 and the header.

COBS (Cheshire and Baker, 1999) replaces every zero byte by the distance to the next one, so that
zero is free to stand between frames. A damaged frame never becomes a frame: it is dropped and
counted, and the next zero byte starts afresh.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ...hdl import protocol
from ...hdl.protocol import FrameType

_RUN = protocol.COBS_RUN
_OVERHEAD = protocol.HEADER.size + protocol.CRC_BYTES
_TYPES = {int(t) for t in FrameType}


def cobs_encode(data: bytes) -> bytes:
    """``data`` without zero bytes; the delimiter is not included."""
    out = bytearray()
    end = 0
    for part in data.split(b"\0"):
        at, end = 0, len(part)
        while end - at >= _RUN:
            out.append(_RUN + 1)
            out += part[at : at + _RUN]
            at += _RUN
        out.append(end - at + 1)
        out += part[at:]
    if end and end % _RUN == 0:
        # The data ends with a full block; the empty block behind it would only stand for
        # a zero byte that is not there.
        out.pop()
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The inverse; None when ``data`` is no encoding of anything."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        if code == 0 or at + code > end:
            return None
        out += data[at + 1 : at + code]
        at += code
        if code <= _RUN and at < end:
            out.append(0)
    return None if data.find(0) >= 0 else bytes(out)


@dataclass(frozen=True)
class Frame:
    """One frame; the fields are those of ``protocol.HEADER``."""

    type: FrameType
    session: int
    seq: int
    ack: int
    credit: int
    payload: bytes = b""
    version: int = protocol.VERSION

    def encode(self) -> bytes:
        """As it goes over the wire, with its closing delimiter."""
        body = protocol.HEADER.pack(
            version=self.version,
            type=self.type,
            session=self.session,
            seq=self.seq,
            ack=self.ack,
            credit=self.credit,
        )
        body += self.payload
        crc = zlib.crc32(body).to_bytes(protocol.CRC_BYTES, "little")
        return cobs_encode(body + crc) + bytes((protocol.DELIMITER,))

    @staticmethod
    def decode(encoded: bytes) -> Frame | None:
        """The frame between two delimiters, or None if it is damaged or not of this protocol."""
        body = cobs_decode(encoded)
        if body is None or len(body) < _OVERHEAD:
            return None
        content, crc = body[: -protocol.CRC_BYTES], body[-protocol.CRC_BYTES :]
        if zlib.crc32(content) != int.from_bytes(crc, "little"):
            return None
        header = protocol.HEADER.unpack(content[: protocol.HEADER.size])
        if header["type"] not in _TYPES:
            return None
        kind = FrameType(header["type"])
        if header["version"] != protocol.VERSION and kind not in protocol.ANY_VERSION:
            return None
        return Frame(**{**header, "type": kind}, payload=content[protocol.HEADER.size :])


def longest_encoding(max_payload: int) -> int:
    """Most bytes of a frame on the wire, delimiter included."""
    body = _OVERHEAD + max_payload
    return body + body // _RUN + 2


class FrameReader:
    """Cuts a byte stream into frames, whatever comes in between.

    Attributes:
        bad: damaged frames so far.
    """

    def __init__(self, max_payload: int):
        self.max_payload = max_payload
        self.bad = 0
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Frame | None]:
        """Frames that ``data`` completes, in order; None stands for a damaged one."""
        out: list[Frame | None] = []
        pieces = data.split(bytes((protocol.DELIMITER,)))
        for piece in pieces[:-1]:
            self._take(piece)
            if self._buffer or self._skipping:
                frame = None if self._skipping else Frame.decode(bytes(self._buffer))
                if frame is not None and len(frame.payload) > self.max_payload:
                    frame = None
                self.bad += frame is None
                out.append(frame)
            self._buffer.clear()
            self._skipping = False
        self._take(pieces[-1])
        return out

    def _take(self, piece: bytes) -> None:
        """Keep bytes of a frame, but never more than a frame can have."""
        if len(self._buffer) + len(piece) > longest_encoding(self.max_payload):
            self._skipping = True
            self._buffer.clear()
        elif not self._skipping:
            self._buffer += piece
