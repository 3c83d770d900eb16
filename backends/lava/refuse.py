"""What Lava's models cannot do, with the reason and the nearest thing that they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import LINEAR, RESET_SUBTRACT
from ...errors import UnsupportedError
from .learning import lava_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from .learning import LavaRule
    from .plan import Connection

ALIGNMENT = 6
"""Lava's fixed_pt LIF adds ``activation << 6`` to u and compares v with ``vth << 6``."""
STEP = 64
"""Lava's fixed_pt thresholds and weights are multiples of this in state LSBs."""
MOST_REASONS = 12
LARGEST_SUM = 1 << 30
"""Of what can arrive in one step: Lava adds it up in 32 bits."""


class Refusal:
    """Collects reasons, to tell all at once, by the user's names."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.reasons: list[str] = []
        self._owner = np.full(program.neurons, -1)
        self._index = np.zeros(program.neurons, np.int64)
        for number, population in enumerate(program.populations):
            neurons = program.global_neurons(population)
            self._owner[neurons], self._index[neurons] = number, np.arange(len(neurons))

    def neuron(self, number: int) -> str:
        """Population and index."""
        owner = int(self._owner[number])
        if owner < 0:
            return f"neuron {number}"
        return f"{self.program.populations[owner].name!r}[{self._index[number]}]"

    def neurons(self, wrong: NDArray[np.bool_], reason: str, values: object = None) -> None:
        """Each population with a wrong neuron, and its first one."""
        places = np.flatnonzero(wrong)
        for owner in np.unique(self._owner[places]).tolist():
            mine = places[self._owner[places] == owner]
            first = int(mine[0])
            value = "" if values is None else f" = {np.asarray(values)[first]}"
            more = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
            self.reasons.append(f"{self.neuron(first)}{more}: {reason.format(value=value)}")

    def projections(self, table: NDArray[np.void], wrong: NDArray[np.bool_], reason: str) -> None:
        """Each projection with a wrong synapse."""
        for number in np.unique(table["projection"][wrong]).tolist():
            self.reasons.append(f"{self.program.projections[number].name!r}: {reason}")

    def done(self) -> None:
        """Raise if there is a reason.

        Raises:
            UnsupportedError: with the reasons.
        """
        if self.reasons:
            more = len(self.reasons) - MOST_REASONS
            listed = self.reasons[:MOST_REASONS] + ([f"and {more} more"] if more > 0 else [])
            raise UnsupportedError(
                "Lava cannot run this Program\n" + "\n".join(f"  - {r}" for r in listed),
                expected="LIF neurons as docs/lava.md has them",
                remedy='change what is listed, or use "emulator", which can do all of it',
            )


def check_neurons(
    refusal: Refusal,
    profile: NDArray[np.void],
    threshold: NDArray[np.int64],
    bias: NDArray[np.int64],
    mode: str,
) -> None:
    """Everything that a LIF process of Lava does not have. All arrays (n,)."""
    p, refuse = profile, refusal.neurons
    spiking = p["spiking"] != 0
    refuse(
        (p["leak"] == LINEAR) & (p["leak_step"] != 0),
        "Lava's LIF has no linear leak; leak='exponential' it has",
    )
    refuse(
        spiking & (p["reset"] == RESET_SUBTRACT),
        "Lava's LIF cannot subtract its threshold; reset='value' it has",
    )
    refuse(
        spiking & (p["reset"] != RESET_SUBTRACT) & (p["v_reset"] != 0),
        "Lava's LIF resets v to 0, not to v_reset{value}",
        p["v_reset"],
    )
    refuse(
        spiking & (p["reset_delay"] != 0),
        "Lava's LIF resets in the step of the spike; reset_delay=False does, too",
    )
    refuse(
        spiking & (p["refractory"] != 0),
        "Lava's LIF has no refractory period (LIFRefractory has no fixed_pt model); refractory=0",
    )
    refuse(p["adapt_step"] != 0, "Lava's LIF has no adaptive threshold; threshold_step=0")
    if mode == "floating_pt":
        return
    refuse(
        p["decay_u"][:, 0] == 0,
        "Lava's current decays by at least 1/4096 a step, this one by nothing; "
        "the nearest is tau_syn of 4096 steps",
    )
    wrong = spiking & (threshold % STEP != 0)
    refuse(
        wrong,
        "Lava's threshold is a multiple of 64, this one is not:{value}; "
        "compile with quantization=sl.Quantization(multiple_of=64)",
        threshold,
    )
    from .plan import bias_parts

    mant, _ = bias_parts(bias)
    refuse(
        (mant < -(1 << 15)) | (mant >= 1 << 15),
        "Lava's bias is 16 bits and an exponent of at most 7, which{value} is not; "
        "take a scale at which it is",
        bias,
    )


def check_synapses(
    refusal: Refusal, table: NDArray[np.void], profile: NDArray[np.void], mode: str
) -> None:
    """Everything that Lava's connections do not have, but for the weights themselves."""
    program = refusal.program
    refusal.projections(
        table, table["receptor"] != 0, "Lava's LIF has one synaptic current; receptor=0"
    )
    from_source = table["sender"] >= program.neurons
    refusal.projections(
        table,
        from_source & (table["delay"] == 0),
        "Lava's connections take a step at least; a delay of one step",
    )
    if mode == "floating_pt":
        return
    w = (1 << (program.target.weight_bits - 1)) * np.ones(len(table))
    most = np.ldexp(w, table["exponent"] + profile["shift"][table["post"]].astype(np.int64))
    sums = np.bincount(table["post"], most, program.neurons)
    refusal.neurons(
        sums > LARGEST_SUM,
        "its synapses could add up to more than Lava's 32 bits hold{value}; "
        "a smaller scale, or fewer synapses",
        sums,
    )


def check_learning(refusal: Refusal, mode: str) -> dict[int, LavaRule]:
    """The rules in Lava's language, by projection; what is not is refused."""
    rules = {}
    for number, rule in enumerate(refusal.program.rules):
        found, reasons = lava_rule(number, rule, mode == "fixed_pt")
        name = refusal.program.projections[rule.projection].name
        refusal.reasons += [f"{name!r}: its rule: {reason}" for reason in reasons]
        if found is not None:
            rules[rule.projection] = found
    return rules


def check_plastic(
    refusal: Refusal, connections: Sequence[Connection], rules: dict[int, LavaRule], mode: str
) -> None:
    """What a LearningDense needs beside its rule."""
    names = {rule.number: refusal.program.projections[p].name for p, rule in rules.items()}
    for number, name in names.items():
        mine = [c for c in connections if c.rule is not None and c.rule.number == number]
        if len(mine) != 1:
            refusal.reasons.append(
                f"{name!r}: what learns is one LearningDense, this would be {len(mine)}; neurons "
                "with equal parameters, and one synapse between two of them"
            )
        elif mine[0].delays.any():
            refusal.reasons.append(f"{name!r}: LearningDense has no delays; a delay of one step")
        elif mode == "fixed_pt" and mine[0].shift < ALIGNMENT:
            refusal.reasons.append(
                f"{name!r}: its weights move u by multiples of {1 << mine[0].shift}, Lava's by "
                "multiples of 64; quantization=sl.Quantization(multiple_of=64)"
            )


def no_weights(name: str, mantissa: NDArray[np.int64], shift: int) -> UnsupportedError:
    """The error for a projection whose weights Lava's 8 bits cannot hold."""
    low, high = int(mantissa.min()), int(mantissa.max())
    if shift < 6 and -128 <= low <= high <= 127:
        reason = f"they move u by multiples of {1 << shift}, Lava's by multiples of 64"
    else:
        reason = "they need more than Lava's 8 bits"
    return UnsupportedError(
        f"Lava cannot hold the weights of projection {name!r}: {reason}",
        found=f"mantissas from {low} to {high}, shifted by {shift} bits",
        expected="0 to 255 or -255 to 0 where all have one sign, else -128 to 127, shifted by 6 "
        "bits or more",
        remedy="compile with quantization=sl.Quantization(multiple_of=64), for a target whose "
        "weight_bits are at most 8",
    )
