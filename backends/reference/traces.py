"""Traces: what a plastic projection's neurons remember of their events (docs/machine.md §7).

A trace of ``n`` neurons is ``n`` numbers: values of an exponential trace, histories of a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.microcode import WINDOW, TraceKind
from ...counter_hash import random

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.microcode import Trace


def take_up(
    trace: Trace,
    stored: NDArray[np.int64],
    event: NDArray[np.bool_],
    trace_max: int,
    seed: int,
    step: int,
    purpose: int,
) -> NDArray[np.int64]:
    """(n,) what is stored at the end of ``step``, in which the neurons of ``event`` had one."""
    if trace.kind == TraceKind.NONE:
        return stored
    if trace.kind == TraceKind.WINDOW:
        return (stored << 1 | event) % (1 << WINDOW)
    noise = random(seed, step, np.arange(len(stored)), purpose).astype(np.int64) >> 20
    left = (stored * (4096 - trace.decay) + noise) >> 12
    added = trace.impulse if trace.replace else np.minimum(left + trace.impulse, trace_max)
    return np.where(event, added, left)
