"""The wire as data: frames, commands and replies of the host link.

Nothing here needs Amaranth or NumPy. The device's RTL (``hdl/link``), the host and the device model
(``runtime/link``) and ``docs/link.md`` are all derived from these tables; a number that two of
them need is written down here and nowhere else.

Both directions carry a byte stream cut into numbered frames: *commands* from the host, *replies*
from the device. Integers are unsigned and little-endian throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import accumulate

VERSION = 1
"""First byte of every frame."""

NO_SESSION = 0
"""Session number of a device after a reset; a host never chooses it."""

DELIMITER = 0
"""The byte between frames; COBS keeps it out of them."""

COBS_RUN = 254
"""Most bytes that one COBS code byte announces."""

CRC_BYTES = 4
"""CRC-32 as in zlib, over header and payload, least significant byte first."""

LINE_BUFFER = 512
"""Bytes of the ring in which a device keeps what it has not looked at; all but two can be used."""

RECORD_BYTES = 4
"""What a frame costs of its receiver's credit beside its payload."""

SEQUENCES = 1 << 16
"""Sequence numbers are counted modulo this; at most half of them may be in flight."""

MIN_PAYLOAD, MAX_PAYLOAD = 64, 4096
"""Bounds for a device's largest payload (a build parameter, told by HELLO)."""

MAX_CREDIT = (1 << 16) - 1
"""Largest credit that a header can express, bytes."""

MAX_DESCRIPTOR = 16384
"""Longest description that a host accepts, bytes."""

MAX_WORD_BYTES = 64
"""Widest memory word."""

MIN_DIVISOR = 4
"""Fewest clock cycles per bit at a UART's pins: half a bit less one cycle must be more than what
two clocks that differ by 2 % are apart at the last bit, 0.19 bit."""


MOST_DIVISOR = 1 << 16
"""Most clock cycles per bit."""


@dataclass(frozen=True)
class Field:
    """One unsigned little-endian integer of ``size`` bytes."""

    name: str
    size: int
    doc: str


@dataclass(frozen=True)
class Layout:
    """Fields that follow one another without gaps."""

    name: str
    fields: tuple[Field, ...]
    doc: str

    @property
    def size(self) -> int:
        """Bytes of all fields."""
        return sum(field.size for field in self.fields)

    @cached_property
    def places(self) -> dict[str, slice]:
        """Which bytes are whose."""
        ends = list(accumulate(field.size for field in self.fields))
        return {f.name: slice(e - f.size, e) for f, e in zip(self.fields, ends, strict=True)}

    def pack(self, **values: int) -> bytes:
        """The fields' bytes; every field must be given and must fit."""
        if set(values) != {field.name for field in self.fields}:
            raise KeyError(f"{self.name} takes {[f.name for f in self.fields]}, not {[*values]}")
        return b"".join(values[field.name].to_bytes(field.size, "little") for field in self.fields)

    def unpack(self, data: bytes | bytearray | memoryview) -> dict[str, int]:
        """Field values from exactly ``size`` bytes."""
        if len(data) != self.size:
            raise ValueError(f"{self.name} takes {self.size} bytes, not {len(data)}")
        return {name: int.from_bytes(data[at], "little") for name, at in self.places.items()}


HEADER = Layout(
    "header",
    (
        Field("version", 1, "protocol version; the first byte of a frame in all versions"),
        Field("type", 1, "frame type"),
        Field("session", 4, "nonce that the host chose for this session, never 0"),
        Field("seq", 2, "number of this frame (DATA), else of the sender's next DATA frame"),
        Field("ack", 2, "cumulative: the sender is done with all frames before this number"),
        Field("credit", 2, "bytes of frames that the sender can hold beyond ``ack``"),
    ),
    "Starts every frame.",
)


class FrameType(IntEnum):
    """What a frame is; only DATA frames are numbered, kept and repeated."""

    HELLO = 1
    DATA = 2
    ACK = 3
    POLL = 4
    RESEND = 5
    STOP = 6
    RATE = 7
    KEEP = 8
    STATUS = 9
    REFUSED = 10


FRAME_DOCS: dict[FrameType, tuple[str, str]] = {
    FrameType.HELLO: (
        "both",
        "Host: opens the session that its header names, unless that is open already, and asks "
        "for a piece of the description; with session 0 it only asks. Device: status, place, "
        "and the piece.",
    ),
    FrameType.DATA: ("both", "A piece of the command stream or of the reply stream."),
    FrameType.ACK: ("to device", "Only the header's ack and credit; not answered."),
    FrameType.POLL: (
        "to device",
        "Answered by STATUS, whatever its payload: how a host looks after a silent device, and "
        "tries a line.",
    ),
    FrameType.RESEND: (
        "both",
        "Everything from ``ack`` on is to be sent again. Sent once per gap, and for each damaged "
        "frame; the device's carries its status.",
    ),
    FrameType.STOP: (
        "to device",
        "RUN commands in frames before ``seq`` end at their next step boundary. Answered by "
        "STATUS.",
    ),
    FrameType.RATE: (
        "to device",
        "Answered by STATUS; then the device goes to another rate, and back again unless KEEP "
        "comes in time. Damaged where the device has no such rate.",
    ),
    FrameType.KEEP: ("to device", "The rate is good: the device stays there. Answered by STATUS."),
    FrameType.STATUS: ("to host", "The device's status."),
    FrameType.REFUSED: (
        "to host",
        "There is no such session (the header repeats it): the device was reset, or another host "
        "opened it. Carries the status.",
    ),
}
"""Direction and meaning of each type."""

ANY_VERSION = frozenset({FrameType.HELLO})
"""Types that are understood whatever their version byte is."""

HELLO_REQUEST = Layout(
    "hello request", (Field("offset", 2, "first byte of the description that is wanted"),), ""
)

RATE_REQUEST = Layout("rate request", (Field("cycles", 2, "clock cycles of a bit, less one"),), "")

TRIAL_SECONDS = 0.5
"""How long a device waits for KEEP at a new rate."""

TRIAL_CYCLES = 1 << 24
"""The same for a device that has no clock of its own, in cycles."""

START_BAUD = 115_200
"""Bits per second of a board's line after a reset: what every adapter and every host can do."""

RATE_ERROR = 0.01
"""How far a device's rate may be from the one that its host has set; a receiver bears twice as
much, and the host's own clock is not exact either."""

STATUS = Layout(
    "status",
    (
        Field("accepted", 2, "number of the DATA frame that the device expects next"),
        Field("produced", 2, "number of the DATA frame that the device will finish next"),
        Field("flags", 1, "bits of StatusFlag"),
        Field(
            "step",
            4,
            "steps computed since the core's last reset, modulo 2^32; during a run more than have "
            "been told",
        ),
        Field("bad_frames", 4, "frames dropped: COBS, CRC, length, version or type wrong"),
        Field("lost_frames", 4, "frames dropped: out of order, or beyond the credit given"),
        Field(
            "line_errors",
            4,
            "bytes with a wrong stop bit, or that came too fast; those between two turns of the "
            "device's program count once",
        ),
    ),
    "Starts the payload of STATUS, HELLO, RESEND and REFUSED frames from the device. Counters "
    "count modulo 2^32 from the device's last reset.",
)


class StatusFlag(IntEnum):
    """Bit numbers of ``status.flags``."""

    RUNNING = 0
    FAULT = 1


HELLO_PLACE = Layout(
    "hello place",
    (
        Field("offset", 2, "of the first byte that follows"),
        Field("total", 2, "length of the whole description"),
    ),
    "Follows the status in the device's HELLO frames; then come bytes of the description.",
)


@dataclass(frozen=True)
class Message:
    """A command or a reply: a code byte, its arguments, and data that they announce."""

    name: str
    code: int
    args: Layout
    tail: str
    doc: str


def _message(name: str, code: int, fields: tuple[Field, ...], tail: str, doc: str) -> Message:
    return Message(name, code, Layout(name, fields, doc), tail, doc)


_SPAN = (
    Field("region", 1, "number of the memory region"),
    Field("address", 4, "first word"),
    Field("count", 4, "number of words"),
)

COMMANDS: tuple[Message, ...] = (
    _message("WRITE", 0x01, _SPAN, "count words", "Writes words at absolute addresses."),
    _message("READ", 0x02, _SPAN, "", "Answered by WORDS."),
    _message("DIGEST", 0x03, _SPAN, "", "Answered by DIGEST: the CRC-32 of what READ would bring."),
    _message(
        "RUN",
        0x04,
        (
            Field("steps", 4, "how many; 0 runs until STOP"),
            Field("flags", 1, "bits of RunFlag"),
            Field("flush", 2, "send what there is after this many steps; 0: when a frame is full"),
        ),
        "",
        "Computes steps. Answered by BEGIN, the records of each step, and DONE.",
    ),
    _message(
        "EVENTS",
        0x05,
        (
            Field("step", 4, "absolute step, not before the current one"),
            Field("count", 2, "number of channels"),
        ),
        "count channels, 2 bytes each",
        "Spikes of host channels as a list. Steps must not decrease from one command to the next.",
    ),
    _message(
        "BITMAP",
        0x06,
        (
            Field("step", 4, "absolute step, not before the current one"),
            Field("first", 2, "channel of the first bit"),
            Field("count", 2, "number of bytes"),
        ),
        "count bytes, bit 0 first",
        "The same as a bitmap.",
    ),
    _message(
        "GRADED",
        0x07,
        (
            Field("step", 4, "absolute step, not before the current one"),
            Field("count", 2, "number of events"),
        ),
        "count pairs: neuron, 2 bytes; value, 4 bytes, two's complement",
        "Graded events.",
    ),
    _message(
        "PACKED",
        0x08,
        _SPAN,
        "a mask of a word's size; count times the bits that it has, lowest first, to a whole byte",
        "As WRITE, but only the bits that are set in the mask are sent; all others are 0.",
    ),
)


class RunFlag(IntEnum):
    """Bit numbers of ``RUN.flags``."""

    SPIKES = 0
    COUNTS = 1
    CYCLES = 2
    PROBES = 3


REPLIES: tuple[Message, ...] = (
    _message("WORDS", 0x02, _SPAN, "count words", "Answers READ."),
    _message(
        "DIGEST",
        0x03,
        (*_SPAN, Field("crc", 4, "CRC-32 (zlib) of the words' bytes")),
        "",
        "Answers DIGEST.",
    ),
    _message("BEGIN", 0x10, (Field("step", 4, "step about to be computed"),), "", "A RUN starts."),
    _message(
        "DONE",
        0x11,
        (Field("step", 4, "steps computed since reset"), Field("reason", 1, "see DoneReason")),
        "",
        "A RUN has ended; nothing of it follows.",
    ),
    _message(
        "QUIET", 0x12, (Field("steps", 2, "how many"),), "", "These steps ended without spikes."
    ),
    _message(
        "LIST",
        0x13,
        (Field("count", 2, "number of spikes"),),
        "count indexes, 2 bytes each",
        "Ends a step: its spikes, in no order.",
    ),
    _message("MAP", 0x14, (), "the bitmap of all indexes, bit 0 first", "Ends a step."),
    _message("COUNT", 0x15, (Field("count", 2, "number of spikes"),), "", "Ends a step."),
    _message(
        "PROBE",
        0x16,
        (Field("value", 4, "two's complement"),),
        "",
        "A probed word of the step that the next step-ending record ends, in the probes' order.",
    ),
    _message(
        "CYCLES",
        0x17,
        (Field("count", 4, "clock cycles"),),
        "",
        "What the step took that the next step-ending record ends.",
    ),
    _message(
        "ERROR",
        0x7F,
        (
            Field("code", 1, "see ErrorCode"),
            Field("command", 1, "code byte of the command"),
            Field("detail", 4, "the offending number"),
        ),
        "",
        "The command was refused. The device ignores all further commands of this session.",
    ),
)


class DoneReason(IntEnum):
    """Why a RUN ended."""

    COMPLETE = 0
    STOPPED = 1


class ErrorCode(IntEnum):
    """Why a command was refused."""

    UNKNOWN_COMMAND = 1
    NO_SUCH_REGION = 2
    OUT_OF_RANGE = 3
    READ_ONLY = 4
    STEP_IS_PAST = 5
    NO_SUCH_CHANNEL = 6
    NO_SUCH_NEURON = 7


ERROR_DOCS: dict[ErrorCode, str] = {
    ErrorCode.UNKNOWN_COMMAND: "the code byte is no command; detail 0",
    ErrorCode.NO_SUCH_REGION: "detail: the region",
    ErrorCode.OUT_OF_RANGE: "address + count is beyond the region's end; detail: the address",
    ErrorCode.READ_ONLY: "the region cannot be written; detail: the region",
    ErrorCode.STEP_IS_PAST: "the event's step was computed already; detail: the step",
    ErrorCode.NO_SUCH_CHANNEL: "detail: the channel",
    ErrorCode.NO_SUCH_NEURON: "detail: the neuron",
}

COMMAND: dict[str, Message] = {message.name: message for message in COMMANDS}
REPLY: dict[str, Message] = {message.name: message for message in REPLIES}
REPLY_OF_CODE: dict[int, Message] = {message.code: message for message in REPLIES}
COMMAND_OF_CODE: dict[int, Message] = {message.code: message for message in COMMANDS}


def command(name: str, tail: bytes = b"", **args: int) -> bytes:
    """The bytes of a command."""
    message = COMMAND[name]
    return bytes((message.code,)) + message.args.pack(**args) + tail


def reply(name: str, tail: bytes = b"", **args: int) -> bytes:
    """The bytes of a reply."""
    message = REPLY[name]
    return bytes((message.code,)) + message.args.pack(**args) + tail


def map_is_shorter(spikes: int, map_bytes: int) -> bool:
    """Whether MAP is shorter than LIST for a step with that many spikes; both sides ask here."""
    return spikes > list_limit(map_bytes)


def list_limit(map_bytes: int) -> int:
    """Most spikes that a LIST is used for: it then takes no more bytes than a MAP."""
    return max(0, (map_bytes - REPLY["LIST"].args.size) // 2)
