"""Many frames over a line that damages both directions: is anything lost, reordered or wrong?

    python benchmarks/link_faults.py 1000000

writes so many frames of numbered words into a device model, with 0.1 % of all bytes flipped, lost,
doubled or followed by garbage, and compares the device's memory after every pass.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.echo import EchoCore, descriptor
from support.faults import FaultyLine

from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session, Timing
from spikeloom.runtime.link.transport import InProcess

PAYLOAD = 64
RATE = 1e-3


def main(frames: int) -> int:
    """Run until so many frames of data have been accepted; 1 if anything was wrong."""
    core = EchoCore()
    model = DeviceModel(descriptor(PAYLOAD, 1024), core)
    line = FaultyLine(model.exchange, RATE, seed=1)
    session = Session(InProcess(line), timing=Timing(tries=100))
    session.open()
    client, draw, began = Client(session), random.Random(2), time.process_time()
    done, wrong = 0, 0
    while done < frames:
        image = draw.randbytes(16384)
        client.write("data", 0, image)
        session.flush()
        wrong += bytes(core.memory[0]) != image
        wrong += client.read("data") != image
        done += 2 * -(-len(image) // PAYLOAD)
    seconds, counts = time.process_time() - began, session.statistics
    print(
        f"{done} frames of data, {counts.frames_sent} sent, {counts.frames_repeated} repeated, "
        f"{line.hits} bytes hit, {counts.damaged} damaged frames seen by the host, "
        f"{model._reader.bad} by the device, {wrong} images wrong; {seconds:.0f} s of CPU"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
