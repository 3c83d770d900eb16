"""Spikes on their way: the machine's wheel, and what Lava's connections hold.

Lava's connections take a spike in in the step in which it is fired, the machine walks its row in
the next one. So what Lava holds is the wheel and what the spikes of the last step will add to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import DeviceError
from ..peer.synapses import mantissas
from .plan import ALIGNMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import CoreWeights
    from .plan import Plan


def unit(plan: Plan) -> NDArray[np.float64]:
    """(n,) how much of Lava's activation one LSB of an accumulator is, in Lava's order."""
    shift = np.concatenate([np.full(len(g.neurons), g.shift) for g in plan.groups])
    return np.exp2(shift - (ALIGNMENT if plan.mode == "fixed_pt" else 0))


def pending(plan: Plan, due: NDArray[np.int64]) -> NDArray[np.float64]:
    """(depth, n) accumulators, in Lava's order, as Lava's activation.

    Raises:
        DeviceError: they are no whole numbers there.
    """
    activation = due * unit(plan)
    if plan.mode == "fixed_pt" and (activation != np.rint(activation)).any():
        raise DeviceError(
            "Lava has no place for this state",
            found="spikes on their way that move u by no multiple of 64",
            remedy="let them arrive on another device first",
        )
    return activation


def due_of(
    program: Program, plan: Plan, fired: NDArray[np.uint8], weights: Sequence[CoreWeights]
) -> NDArray[np.int64]:
    """(wheel_depth, n) what spikes of the last step will add to the accumulators.

    Args:
        program: the loaded one.
        plan: its plan.
        fired: (n,) 1 where a neuron fired in the last step.
        weights: the present ones.
    """
    due = np.zeros((program.wheel_depth, program.neurons), np.int64)
    sends = np.concatenate([fired, np.zeros(program.channels, np.uint8)])
    rows = plan.table[sends[plan.table["sender"]] != 0]
    values = mantissas(rows, weights) << rows["exponent"]
    np.add.at(due, (rows["delay"], rows["post"]), values)
    return due
