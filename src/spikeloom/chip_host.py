"""The line between a chip and its host: how many bytes a run takes, and how long they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .compiler.chip import Chip
    from .compiler.program import Program

NUMBERS = (
    *("link.baud", "link.bits_per_byte", "link.step_in", "link.spike_in"),
    *("link.step_out", "link.spike_out"),
)


def host_line(
    chip: Chip,
    program: Program,
    spikes: dict[str, NDArray[np.int64]],
    steps: int,
    step_seconds: NDArray[np.float64] | None,
) -> dict[str, float] | None:
    """Bytes and seconds of the line, or None where the chip has none.

    Spikes of host sources go to the chip, spikes that the Program probes come back; each direction
    has a line of its own. A step is *limited by the line* where its bytes take longer than it.
    """
    if not chip.has(*NUMBERS):
        return None
    byte = chip.get("link.bits_per_byte") / chip.get("link.baud")
    probed = {p.of for p in program.probes if p.variable == "spikes"}
    into = [s.name for s in program.sources if s.kind == "host"]
    back = [p.name for p in program.populations if p.name in probed]
    seconds = []
    found: dict[str, float] = {}
    for name, sources in (("in", into), ("out", back)):
        events = np.zeros(steps, np.int64)
        for source in sources:
            events += np.bincount(spikes[source][:, 0], minlength=steps)
        size = events * chip.get(f"link.spike_{name}")
        size = size + (events > 0) * chip.get(f"link.step_{name}")
        found[f"bytes_{name}"] = float(size.sum())
        found[f"seconds_{name}"] = float(size.sum() * byte)
        seconds.append(size * byte)
    slower = np.maximum(*seconds)
    found["longest_step"] = float(slower.max(initial=0.0))
    if step_seconds is not None:
        found["steps_limited"] = int((slower > step_seconds).sum())
        found["seconds_with_line"] = float(np.maximum(slower, step_seconds).sum())
    return found
