"""What commands say: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from ..errors import SpikeloomError

PATIENCE = 2.0
"""Seconds after which a command shows its progress."""


def print_json(data: dict[str, Any]) -> None:
    """The command's one JSON object."""
    print(json.dumps(data, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays, and paths, as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def print_error(error: SpikeloomError, as_json: bool) -> None:
    """The error on standard error; with ``--json`` also as the object on standard output."""
    if as_json:
        fields = {
            name: None if value is None else str(value)
            for name, value in (
                ("found", error.found),
                ("expected", error.expected),
                ("where", error.where),
                ("remedy", error.remedy),
            )
        }
        told = {"kind": type(error).__name__, "problem": error.problem, **fields}
        print_json({"error": {**told, "exit_code": error.exit_code}})
        sys.stdout.flush()
    print(f"spikeloom: error: {printable(str(error))}", file=sys.stderr)


def print_warnings(messages: Iterable[str]) -> None:
    """Warnings on standard error."""
    for message in messages:
        print(f"spikeloom: warning: {printable(message)}", file=sys.stderr)


def printable(text: str) -> str:
    """Text of a stranger's file, without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def report_text(report: dict[str, Any]) -> str:
    """The compiler's report for people; any other JSON data as it is."""
    from ..compiler.report import format_report

    try:
        text = format_report(report)
    except (KeyError, TypeError, ValueError, AttributeError):
        # A Program that something else than this compiler made may report what it likes.
        text = indented(report) + "\n"
    return printable(text)


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """Columns as wide as they need to be; numbers are flush right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[i], (int, float)) for row in rows)
        for i in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line(header), *map(line, cells)])


def indented(data: Any, depth: int = 1) -> str:
    """Plain JSON data as indented text, for people."""
    space = "  " * depth
    if isinstance(data, dict):
        pairs: Iterable[tuple[Any, Any]] = data.items()
    else:
        pairs = (("-", value) for value in data)
    lines = []
    for key, value in pairs:
        label = f"{space}{key}" if key == "-" else f"{space}{key}:"
        if isinstance(value, (dict, list)) and value:
            lines += [label, indented(value, depth + 1)]
        else:
            shown = f"{value:g}" if isinstance(value, float) else value
            lines.append(f"{label} {'none' if value in ([], {}, None) else shown}")
    return "\n".join(lines)


class Progress:
    """A counter on standard error, from the third second on; silent where nobody watches.

    Args:
        total: what the count ends at.
        unit: what is counted.
    """

    def __init__(self, total: int, unit: str) -> None:
        self._total, self._unit = total, unit
        self._start = self._shown = time.monotonic()
        self._visible = False
        self._watched = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._visible:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def update(self, done: int) -> None:
        """Say how far it is; shown a few times a second."""
        now = time.monotonic()
        if not self._watched or now - self._start < PATIENCE or now - self._shown < 0.2:
            return
        self._shown, self._visible = now, True
        left = (now - self._start) * (self._total - done) / done if done else 0.0
        print(
            f"\r\x1b[K{self._unit} {done} of {self._total}, about {left:.0f} s left",
            end="",
            file=sys.stderr,
            flush=True,
        )


class Waiting:
    """The seconds that went by, on standard error, from the third one on; for what has no count.

    Silent where nobody watches. A context manager.

    Args:
        what: what is being done.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Waiting:
        self._watched = sys.stderr.isatty()
        if self._watched:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._watched:
            self._thread.join()

    def _tell(self) -> None:
        begun = time.monotonic()
        if self._over.wait(PATIENCE):
            return
        while not self._over.wait(0.2):
            seconds = time.monotonic() - begun
            print(f"\r\x1b[K{self._what}, {seconds:.0f} s", end="", file=sys.stderr, flush=True)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
