"""A simulated device at its line: bytes in, bytes out, counted in clock cycles.

Two kinds of design fit: byte streams (``line_in``, ``line_out``), or UART pins (``rx``, ``tx``),
which are driven bit by bit with a divisor of their own, so that clock errors can be simulated.
"""

from __future__ import annotations

import ctypes
from typing import Any

from .cxxrtl import compile_model

_COMMON = r"""
#include <cstdint>
using Top = cxxrtl_design::p_top;
struct Model {
  Top top; uint64_t clocks = 0;
  double bit = 0;                       // clock cycles per bit of the host
  // host's transmitter: bits of the byte on the line, and when the next one is due
  int bits_left = 0; unsigned shift = 0; double due = 0;
  // host's receiver
  int rx_bit = -1; double sample = 0; unsigned rx_shift = 0; uint64_t framing = 0;
  // A rising edge without the falling one before it: nothing depends on that, and it would
  // cost as much. The second evaluation lets outputs follow the registers.
  void clock() {
    top.prev_p_clk = cxxrtl::value<1>{0u};
    top.step(); ++clocks;
    if (SETTLE) top.step();
  }
  bool send(const uint8_t *in, long n, long &at);
  bool receive(uint8_t *out, long room, long &got);
};
extern "C" {
void *model_new(double bit) {
  auto *m = new Model; m->bit = bit; m->top.p_clk.set<bool>(true);
  m->top.p_rst.set<bool>(true); m->idle_line();
  for (int i = 0; i < 4; ++i) m->clock();
  m->top.p_rst.set<bool>(false); m->clock();
  return m;
}
void model_free(void *p) { delete (Model *)p; }
uint64_t model_clocks(void *p) { return ((Model *)p)->clocks; }
uint64_t model_framing(void *p) { return ((Model *)p)->framing; }
// Until all bytes are in and nothing has moved for `quiet` cycles, or out is full, or `most`
// cycles have passed. Returns how many bytes came out; *taken how many went in.
long model_run(void *p, const uint8_t *in, long n, uint8_t *out, long room, uint64_t quiet,
               uint64_t most, long *taken) {
  auto &m = *(Model *)p; long at = 0, got = 0; uint64_t still = 0, end = m.clocks + most;
  while (still < quiet && got < room && m.clocks < end) {
    bool moved = m.send(in, n, at);
    moved |= m.receive(out, room, got);
    m.after(); m.clock();
    still = moved || at < n ? 0 : still + 1;
  }
  *taken = at; return got;
}
void model_low(void *p, uint64_t cycles) {
  auto &m = *(Model *)p; m.low(); for (uint64_t i = 0; i < cycles; ++i) m.clock(); m.idle_line();
}
}
"""

_STREAM = r"""
  static constexpr bool SETTLE = true;
  void idle_line() { top.p_line__in____valid.set<bool>(false);
                     top.p_line__out____ready.set<bool>(false); }
  void low() {}
  void after() {}
"""
_STREAM_BODY = r"""
inline bool Model::send(const uint8_t *in, long n, long &at) {
  bool valid = at < n;
  top.p_line__in____valid.set<bool>(valid);
  top.p_line__out____ready.set<bool>(true);
  if (!valid) return false;
  top.p_line__in____payload.set<uint8_t>(in[at]);
  top.step();                           // ready may depend on the byte
  if (!top.p_line__in____ready.get<bool>()) return false;
  ++at; return true;
}
inline bool Model::receive(uint8_t *out, long room, long &got) {
  if (!top.p_line__out____valid.get<bool>()) return false;
  out[got++] = top.p_line__out____payload.get<uint8_t>();
  return true;
}
"""

_PINS = r"""
  static constexpr bool SETTLE = false;  // a pin that follows a cycle later is as good
  void idle_line() { top.p_rx.set<bool>(true); }
  void low() { top.p_rx.set<bool>(false); }
  void after() {}
"""
_PINS_BODY = r"""
inline bool Model::send(const uint8_t *in, long n, long &at) {
  double now = (double)clocks;
  if (bits_left == 0 && at < n && now >= due) {
    shift = (in[at++] << 1) | 0x200; bits_left = 10;
    if (due < now - 1) due = now;       // the line was idle: this byte starts a new row
  }
  if (bits_left && now >= due) {
    top.p_rx.set<bool>(shift & 1); shift >>= 1; --bits_left; due += bit;
  }
  return bits_left || now < due;
}
inline bool Model::receive(uint8_t *out, long room, long &got) {
  bool level = top.p_tx.get<bool>(); double now = (double)clocks;
  if (rx_bit < 0) {
    if (!level) { rx_bit = 0; sample = now + 1.5 * bit; rx_shift = 0; }
    return !level;
  }
  if (now < sample) return true;
  sample += bit;
  if (rx_bit < 8) { rx_shift |= (unsigned)level << rx_bit++; return true; }
  if (level) out[got++] = (uint8_t)rx_shift; else ++framing;
  rx_bit = -1; return true;
}
"""


def _source(pins: bool) -> str:
    extra, body = (_PINS, _PINS_BODY) if pins else (_STREAM, _STREAM_BODY)
    head, tail = _COMMON.split('extern "C" {', 1)
    head = head.replace("  bool send(", extra + "  bool send(")
    return head + body + 'extern "C" {' + tail


class LineModel:
    """A compiled device.

    Args:
        design: an Amaranth component with ``line_in`` and ``line_out``, or with ``rx`` and ``tx``.
        bit: clock cycles per bit of the host's clock; 0 for a design without pins.
        quiet: clock cycles without a byte moving after which the device counts as idle. Longer
            than anything that the device does without sending.
    """

    ROOM = 1 << 16

    def __init__(self, design: Any, bit: float = 0.0, quiet: int = 5000):
        self._library = library = compile_model(design, _source(bit > 0))
        pointer, number = ctypes.c_void_p, ctypes.c_uint64
        library.model_new.restype = pointer
        library.model_new.argtypes = [ctypes.c_double]
        library.model_free.argtypes = [pointer]
        library.model_low.argtypes = [pointer, number]
        for counter in (library.model_clocks, library.model_framing):
            counter.restype, counter.argtypes = number, [pointer]
        library.model_run.restype = ctypes.c_long
        library.model_run.argtypes = [
            *(pointer, ctypes.c_char_p, ctypes.c_long, ctypes.c_char_p, ctypes.c_long),
            *(number, number, ctypes.POINTER(ctypes.c_long)),
        ]
        self._bit = bit
        self._model: int | None = library.model_new(bit)
        self.quiet = quiet

    def restart(self) -> None:
        """As after power-up, memories included."""
        self.close()
        self._model = self._library.model_new(self._bit)

    def exchange(self, data: bytes, most: int = 1 << 62) -> bytes:
        """Send bytes, and return what comes until the device is idle or ``most`` cycles passed."""
        out = bytearray()
        buffer = ctypes.create_string_buffer(self.ROOM)
        end = self.clocks + most
        while True:
            taken = ctypes.c_long()
            got = self._library.model_run(
                self._model, data, len(data), buffer, self.ROOM, self.quiet,
                max(0, end - self.clocks), ctypes.byref(taken),
            )  # fmt: skip
            out += buffer.raw[:got]
            data = data[taken.value :]
            if got < self.ROOM:
                return bytes(out)

    def send_break(self, cycles: int) -> None:
        """Hold the line low."""
        self._library.model_low(self._model, cycles)

    @property
    def clocks(self) -> int:
        """Clock cycles simulated so far."""
        return self._library.model_clocks(self._model)

    @property
    def framing_errors(self) -> int:
        """Bytes from the device with a wrong stop bit."""
        return self._library.model_framing(self._model)

    def close(self) -> None:
        """Free the model."""
        if self._model is not None:
            self._library.model_free(self._model)
            self._model = None
