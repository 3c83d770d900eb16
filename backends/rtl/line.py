"""A simulated device at its line: bytes in, bytes out, counted in clock cycles.

Two kinds of design fit: byte streams (``line_in``, ``line_out``), or UART pins (``rx``, ``tx``),
which are driven bit by bit with a divisor of their own, so that clock errors can be simulated. The
line's buffer and the clock are in C++ (``line.cpp``): Python sees whole pieces.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .build import compile_design

if TYPE_CHECKING:
    from collections.abc import Callable

HARNESS = Path(__file__).with_name("line.cpp")


class LineModel:
    """A compiled device.

    Args:
        design: an Amaranth component with ``line_in`` and ``line_out``, or with ``rx`` and ``tx``.
        bit: clock cycles per bit of the host's clock; 0 for a design without pins.
        quiet: clock cycles without a byte moving after which the device counts as idle. Longer
            than anything that the device does without sending.
        compiled: makes a library of the design and the harness: another simulator than ours needs
            a ``Circuit`` with the ports and ``rst``, and ``step(Circuit &)``.
    """

    ROOM = 1 << 16
    """Most bytes that come out of one call of the simulation."""

    def __init__(
        self,
        design: Any,
        bit: float = 0.0,
        quiet: int = 16_000,
        compiled: Callable[[Any, str], ctypes.CDLL] = compile_design,
    ):
        text = f"#define SL_PINS {int(bit > 0)}\n{HARNESS.read_text(encoding='utf-8')}"
        self._library = library = compiled(design, text)
        pointer, number = ctypes.c_void_p, ctypes.c_uint64
        for name, result, arguments in (
            ("sl_new", pointer, [ctypes.c_double]),
            ("sl_free", None, [pointer]),
            ("sl_clocks", number, [pointer]),
            ("sl_framing", number, [pointer]),
            ("sl_waiting", number, [pointer]),
            ("sl_low", None, [pointer, number]),
            ("sl_bit", None, [pointer, ctypes.c_double]),
            ("sl_feed", None, [pointer, ctypes.c_char_p, ctypes.c_long]),
            (
                "sl_run",
                ctypes.c_long,
                [pointer, ctypes.c_char_p, ctypes.c_long, number, number, number],
            ),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._bit = bit
        self._buffer = ctypes.create_string_buffer(self.ROOM)
        self._model: int | None = library.sl_new(bit)
        self.quiet = quiet

    def restart(self) -> None:
        """As after power-up, memories included."""
        self.close()
        self._model = self._library.sl_new(self._bit)

    def exchange(self, data: bytes, most: int = 1 << 62) -> bytes:
        """Send bytes, and return what comes until the device is idle or ``most`` cycles passed.

        What has not gone onto the line by then is kept for the next call.
        """
        out = bytearray()
        end = self.clocks + most
        self._library.sl_feed(self._model, data, len(data))
        while True:
            piece = self._run(self.quiet, self.quiet, max(0, end - self.clocks))
            out += piece
            if len(piece) < self.ROOM:
                return bytes(out)

    def slice(self, data: bytes, most: int, pause: int) -> bytes:
        """The same for a host that is waiting: what has come is returned at the first pause.

        Args:
            data: for the device.
            most: clock cycles; so many are computed if nothing comes.
            pause: clock cycles without a byte moving.
        """
        self._library.sl_feed(self._model, data, len(data))
        return self._run(most, pause, most)

    def _run(self, quiet: int, pause: int, most: int) -> bytes:
        got = self._library.sl_run(self._model, self._buffer, self.ROOM, quiet, pause, most)
        return ctypes.string_at(self._buffer, got)

    @property
    def waiting(self) -> int:
        """Bytes that were sent and are not on the line yet."""
        return self._library.sl_waiting(self._model)

    def send_break(self, cycles: int) -> None:
        """Hold the line low."""
        self._library.sl_low(self._model, cycles)

    def set_bit(self, cycles: float) -> None:
        """From now on the host's bits take so many clock cycles, in both directions."""
        self._bit = cycles
        self._library.sl_bit(self._model, cycles)

    @property
    def clocks(self) -> int:
        """Clock cycles simulated so far."""
        return self._library.sl_clocks(self._model)

    @property
    def framing_errors(self) -> int:
        """Bytes from the device with a wrong stop bit."""
        return self._library.sl_framing(self._model)

    def close(self) -> None:
        """Free the model."""
        if self._model is not None:
            self._library.sl_free(self._model)
            self._model = None
