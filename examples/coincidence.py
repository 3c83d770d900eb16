"""Which side does a sound come from? A late spike changes the answer.

    python examples/coincidence.py

Nine coincidence detectors listen to a left and a right ear (Jeffress, 1948). The right ear reaches
all of them after the same delay, the left one reaches detector k after k steps. A detector fires
only when both arrive in the same step. So a sound from the front, which both ears hear at once,
belongs to detector 4.

The ears are spikes of a host, and the chip is an FPGA at the end of a serial line: there, spikes
that happened at once come in one after the other.
"""

from __future__ import annotations

import numpy as np

import spikeloom as sl

DETECTORS, FRONT = 9, 4
STEPS = 60
SOUND = 10
"""Step in which both ears hear it."""


def ears(dt: float) -> sl.Network:
    """The network, with steps of ``dt`` seconds."""
    net = sl.Network(dt=dt, name="ears")
    left, right = net.source("left", 1), net.source("right", 1)
    # Forgets within a step what it has heard.
    cell = sl.LIF(tau_mem=dt / 5, v_threshold=1.0)
    detectors = net.population("detectors", DETECTORS, cell)
    each = np.arange(DETECTORS)
    one, weight = np.zeros(DETECTORS, int), np.full(DETECTORS, 0.6)
    net.connect(left, detectors, sl.Synapses(one, each, weight, delay=each * dt))
    net.connect(right, detectors, sl.Synapses(one, each, weight, delay=FRONT * dt))
    net.probe(detectors, "spikes")
    return net


def listen(dt: float, chip: str = "core-mesh") -> sl.LatencyReport:
    """A sound from the front, on a chip that spikes reach when they reach it."""
    heard = {"left": [[SOUND, 0]], "right": [[SOUND, 0]]}
    return sl.latency(ears(dt), heard, STEPS, chip, close_loop=True)


def main() -> None:
    """Two step lengths, side by side."""
    print("step     as the Program means it    as it happens     late messages")
    for dt in (5e-6, 100e-6):
        report = listen(dt)
        meant, found = (
            ", ".join(map(str, spikes["detectors"][:, 1])) or "none"
            for spikes in (report.software, report.hardware)
        )
        print(f"{dt * 1e6:3.0f} µs   detector {meant:<16} detector {found:<8} {report.late:>10}")


if __name__ == "__main__":
    main()
