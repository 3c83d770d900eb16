"""How fast is the line to the simulated hardware? Kilobytes per second through the pseudo-terminal.

    python benchmarks/link_speed.py
    python benchmarks/link_speed.py --divisor 8 --neurons 256

starts `spikeloom serve rtl` and opens its pseudo-terminal with plain pyserial. Told are bytes per
second of wall clock and, on Linux, per second of the server's CPU time: on a busy machine only that
says something. To the device go
frames that are not answered; from it come answers to as many questions. Each way is measured alone,
and then a Program's own way: the largest memory written, its digest computed, and read back by the
host's session.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import serial

from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame
from spikeloom.runtime.link.serial_port import SerialPort
from spikeloom.runtime.link.session import Session

BAUD = 115200  # the rate of the pins after a reset, whatever --divisor is


def question(kind: FrameType = FrameType.HELLO, payload: bytes = b"\0\0") -> bytes:
    """A frame of no session: HELLO is answered with a piece of the description, ACK by nothing."""
    return Frame(kind, 0, 0, 0, 60000, payload).encode()


def answer(port: serial.Serial) -> bytes:
    """The next frame from the device."""
    data = port.read_until(b"\0")
    if not data.endswith(b"\0"):
        raise TimeoutError(f"{len(data)} bytes came in {port.timeout} s")
    return data


class Meter:
    """Wall clock, and CPU time of a process where the system tells it.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int):
        self._stat = Path(f"/proc/{pid}/stat")

    def _cpu(self) -> float:
        if not self._stat.exists():
            return float("nan")
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def speeds(self, action: Callable[[], int]) -> tuple[float, float]:
        """kB/s of wall clock and of CPU time; the action says how many bytes it moved."""
        wall, cpu = time.perf_counter(), self._cpu()
        size = action() / 1e3
        return size / (time.perf_counter() - wall), size / max(self._cpu() - cpu, 0.01)


def to_device(port: serial.Serial, size: int) -> int:
    """Damaged frames, which the device drops in silence, then a question as the last."""
    silent = question(payload=bytes(range(1, 201)))[:-6] + b"\0"
    data = silent * (size // len(silent)) + question()
    for at in range(0, len(data), 4096):
        port.write(data[at : at + 4096])
    answer(port)
    return len(data)


def from_device(port: serial.Serial, size: int) -> int:
    """One question after the other; each brings a frame of a kilobyte."""
    got = 0
    while got < size:
        port.write(question())
        got += len(answer(port))
    return got


def session_actions(path: str) -> dict[str, Callable[[], int]]:
    """Memory contents written, digested, read by the host's own session."""
    session = Session(SerialPort(path, BAUD))
    session.open()
    client = Client(session)
    region = max(client.descriptor.regions, key=lambda r: r.depth * r.word_bytes * r.writable)
    data = bytes(region.word_bytes * min(region.depth, 20_000))
    count = len(data) // region.word_bytes

    def write() -> int:
        client.write(region.name, 0, data)
        session.flush()
        return len(data)

    return {
        "written": write,
        "digested": lambda: client.digest(region.name, 0, count) * 0 + len(data),
        "read": lambda: len(client.read(region.name, 0, count)),
    }


def main() -> None:
    """Serve, measure, print."""
    parser = argparse.ArgumentParser(description="Speed of the line to the hardware.")
    parser.add_argument("--divisor", type=int, default=4)
    parser.add_argument("--neurons", type=int, default=256)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--size", type=int, default=100_000, help="bytes each way and run")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    sizes = ["--neurons", str(given.neurons), "--lanes", str(given.lanes)]
    command = [sys.executable, "-m", "spikeloom", "serve", "rtl", *sizes]
    command += ["--divisor", str(given.divisor), "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = server.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            text += line
        path, meter = json.loads(text)["address"], Meter(server.pid)

        def show(name: str, action: Callable[[], int]) -> None:
            found = [meter.speeds(action) for _ in range(given.runs)]
            wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"{name:20} {wall:6.0f} kB/s, {cpu:6.0f} kB per second of CPU", flush=True)

        with serial.Serial(path, BAUD, timeout=60) as port:
            port.write(b"\0" + question())
            answer(port)
            show("to the device", lambda: to_device(port, given.size))
            show("from the device", lambda: from_device(port, given.size))
        for name, action in session_actions(path).items():
            show(f"memory {name}", action)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
