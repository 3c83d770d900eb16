"""What the sequencer's program knows of the circuit around it (``frames.py``)."""

from __future__ import annotations

from enum import IntEnum


class Read(IntEnum):
    """Ports that are read."""

    EVENTS = 0
    FLAGS = 1
    COUNT = 2  # two: bytes of the frame that has come, CRC included
    OUTBOX_AT = 4  # two: where the outbox is written
    INBOX = 6  # the next byte of the inbox
    OUTBOX = 7  # the next byte of the outbox
    STEP = 8  # four


class Write(IntEnum):
    """Ports that are written."""

    CONTROL = 0
    CLEAR = 1  # a new session: reset the executor
    RELEASE = 2  # the frame that has come is done with
    INBOX = 3  # a byte to where the inbox is written
    INBOX_AT = 4  # two: where that is
    INBOX_END = 6  # two: up to where the executor reads
    OUTBOX_AT = 8  # two: where the outbox is written
    OUTBOX = 10  # a byte there
    FLUSHED = 11  # the executor's wish has been granted
    OUTBOX_END = 12  # two: up to where the executor may write
    SEND_AT = 14  # two: where outbox or description are read
    SEND_END = 16  # two: up to where that is sent
    SEND_BYTE = 18
    LINE_SEEN = 22
    RATE = 20  # two: clock cycles of a bit of the line, less one
    SEND = 19  # from SEND_AT to SEND_END, of the description if bit 0, then the CRC


class Event(IntEnum):
    """Bits of EVENTS."""

    FRAME = 1  # a frame has come
    INTACT = 2  # and COBS, CRC and length are right
    FULL = 4  # the executor may write nothing more
    FLUSH = 8  # the executor wants to be sent what there is
    HUNGRY = 16  # the executor asks for a byte where there is none, or in ABORT
    SENT = 32  # nothing is being sent
    DRAINED = 64  # and all that was is out on the line
    LINE_ERROR = 128  # a byte has been lost on the line since LINE_SEEN


class Control(IntEnum):
    """Bits of CONTROL."""

    STOP = 1  # to the executor
    ABORT = 2  # its replies vanish, and it gets nothing
    LOADED = 4  # it has a frame
    HOLD = 8  # it writes nothing
