"""The tables of ``docs/link.md``, made from ``hdl.protocol``.

``python -m spikeloom.hdl.protocol_doc docs/link.md`` writes them into the page, between markers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from . import protocol
from .protocol import COMMANDS, REPLIES, Layout, Message


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _layout(layout: Layout) -> str:
    return _table(
        ("offset", "bytes", "field", "meaning"),
        ((layout.places[f.name].start, f.size, f"`{f.name}`", f.doc) for f in layout.fields),
    )


def _messages(messages: Iterable[Message]) -> str:
    rows = []
    for message in messages:
        fields = ", ".join(f"`{f.name}`:{f.size}" for f in message.args.fields)
        if message.tail:
            fields = f"{fields}; {message.tail}" if fields else message.tail
        rows.append((f"`{message.code:#04x}`", message.name, fields or "–", message.args.doc))
    return _table(("code", "name", "arguments: bytes; data", "meaning"), rows)


def _enum(members: Iterable[IntEnum], docs: dict | None = None) -> str:
    heads = ("number", "name", "meaning") if docs else ("number", "name")
    return _table(heads, ((int(m), m.name, *([docs[m]] if docs else [])) for m in members))


def tables() -> dict[str, str]:
    """Marker -> generated text."""
    return {
        "constants": _table(
            ("what", "value"),
            (
                ("protocol version", protocol.VERSION),
                ("credit that a frame costs beside its payload", f"{protocol.RECORD_BYTES} bytes"),
                (
                    "largest payload of a device",
                    f"{protocol.MIN_PAYLOAD} … {protocol.MAX_PAYLOAD} bytes",
                ),
                ("rate of a board's line after a reset", f"{protocol.START_BAUD} baud"),
                ("time for KEEP at a new rate", f"{protocol.TRIAL_SECONDS:g} s"),
                ("longest description", f"{protocol.MAX_DESCRIPTOR} bytes"),
                ("widest memory word", f"{protocol.MAX_WORD_BYTES} bytes"),
            ),
        ),
        "header": _layout(protocol.HEADER),
        "types": _table(
            ("number", "type", "direction", "meaning"),
            ((int(t), t.name, *protocol.FRAME_DOCS[t]) for t in protocol.FrameType),
        ),
        "status": _layout(protocol.STATUS),
        "flags": _enum(protocol.StatusFlag),
        "place": _layout(protocol.HELLO_PLACE),
        "rate": _layout(protocol.RATE_REQUEST),
        "commands": _messages(COMMANDS),
        "run-flags": _enum(protocol.RunFlag),
        "replies": _messages(REPLIES),
        "errors": _enum(protocol.ErrorCode, protocol.ERROR_DOCS),
    }


def fill(page: str) -> str:
    """The page with every generated table up to date.

    Raises:
        ValueError: a table has no place in the page.
    """
    for name, text in tables().items():
        place = re.compile(f"(<!-- {name} -->\n)(?:(?!<!-- ).)*(<!-- end -->)", re.DOTALL)
        if not place.search(page):
            raise ValueError(f"the page has no place for the table {name!r}")
        page = place.sub(lambda found, text=text: found[1] + text + "\n" + found[2], page)
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
