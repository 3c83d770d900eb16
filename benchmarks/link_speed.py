"""How fast is the line to the simulated hardware? Kilobytes per second through the pseudo-terminal.

    python benchmarks/link_speed.py
    python benchmarks/link_speed.py --divisor 8 --neurons 256

starts `spikeloom serve rtl` and opens its pseudo-terminal with plain pyserial. To the device go
frames that are not answered; from it come answers to as many questions. Each way is measured alone,
and then a Program's own way: the largest memory written, its digest computed, and read back by the
host's session.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import serial

from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.codec import Frame
from spikeloom.runtime.link.serial_port import SerialPort
from spikeloom.runtime.link.session import Session

BAUD = 115200  # a pseudo-terminal is as fast as it is


def question(kind: FrameType = FrameType.HELLO, payload: bytes = b"\0\0") -> bytes:
    """A frame of no session: HELLO is answered with a piece of the description, ACK by nothing."""
    return Frame(kind, 0, 0, 0, 60000, payload).encode()


def answer(port: serial.Serial) -> bytes:
    """The next frame from the device."""
    data = port.read_until(b"\0")
    if not data.endswith(b"\0"):
        raise TimeoutError(f"{len(data)} bytes came in {port.timeout} s")
    return data


def to_device(port: serial.Serial, size: int) -> tuple[int, float]:
    """Bytes and seconds: frames that the device only checks, then a question as the last."""
    # Of a session that the device does not know, DATA would be refused; damaged frames are silent.
    silent = question(payload=bytes(range(1, 201)))[:-6] + b"\0"
    data = silent * (size // len(silent)) + question()
    start = time.perf_counter()
    for at in range(0, len(data), 4096):
        port.write(data[at : at + 4096])
    answer(port)
    return len(data), time.perf_counter() - start


def from_device(port: serial.Serial, size: int) -> tuple[int, float]:
    """Bytes and seconds: a few questions are always under way."""
    start, asked, got = time.perf_counter(), 0, 0
    while got < size:
        while asked < 4:
            port.write(question())
            asked += 1
        got += len(answer(port))
        asked -= 1
    for _ in range(asked):
        got += len(answer(port))
    return got, time.perf_counter() - start


def session_speeds(path: str) -> dict[str, float]:
    """kB/s of memory contents: written, digested, read."""
    port = SerialPort(path, BAUD)
    session = Session(port)
    session.open()
    client = Client(session)
    region = max(client.descriptor.regions, key=lambda r: r.depth * r.word_bytes * r.writable)
    data = bytes(region.word_bytes * min(region.depth, 20_000))
    count = len(data) // region.word_bytes

    def timed(action: Callable[[], Any]) -> float:
        start = time.perf_counter()
        action()
        return len(data) / (time.perf_counter() - start) / 1e3

    def write() -> None:
        client.write(region.name, 0, data)
        session.flush()

    speeds = {
        "write": timed(write),
        "digest": timed(lambda: client.digest(region.name, 0, count)),
        "read": timed(lambda: client.read(region.name, 0, count)),
    }
    port.close()
    return speeds


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
        path = json.loads(text)["address"]
        with serial.Serial(path, BAUD, timeout=60) as port:
            port.write(b"\0" + question())
            answer(port)
            for name, measure in (("to the device", to_device), ("from the device", from_device)):
                found = [measure(port, given.size) for _ in range(given.runs)]
                speeds = [size / seconds / 1e3 for size, seconds in found]
                print(f"{name}: {statistics.median(speeds):.0f} kB/s on the line")
        for name, speed in session_speeds(path).items():
            print(f"{name}: {speed:.0f} kB/s of memory contents")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
