"""Tables as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def text(value: object) -> str:
    """Any text as HTML; control characters become visible."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return escape(shown)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = ()) -> str:
    """Cells are HTML already; the header is text; ``left`` are columns of text."""
    sides = [' class="left"' if i in left else "" for i in range(len(header))]
    head = "".join(f"<th{side}>{text(h)}</th>" for h, side in zip(header, sides, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{side}>{cell}</td>" for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
