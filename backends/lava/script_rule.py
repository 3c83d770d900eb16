"""A learning rule in a script for Lava, where it is Lava's own and random numbers are, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import UnsupportedError
from ..peer.synapses import enabled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from .learning import LavaRule
    from .plan import Connection, Plan

IMPORTS = """\
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import SignMode
"""
CONNECT = """

def teach(name, receiver):
    \"\"\"Let the connection know when the neurons that it leads to fire.\"\"\"
    processes[receiver].s_out.connect(processes[name].s_in_bap)
"""
LEARNED = """\
learned = {
    f"{name}.weights": process.weights.get()
    for name, process in processes.items()
    if isinstance(process, LearningDense)
}
"""


def check_rules(program: Program, plan: Plan) -> None:
    """Refuse what the worker's hooks do for the device, and a script has not.

    Raises:
        UnsupportedError: with all reasons.
    """
    reasons = []
    for c in plan.connections:
        if c.rule is None:
            continue
        lag = 0 if c.from_source else 1
        delay = program.rules[c.rule.number].post_delay
        if delay != lag:
            reasons.append(
                f"{c.name!r}: Lava pairs spikes when they are fired, which is post_delay={lag} here"
            )
        block = plan.blocks[c.pre] if c.from_source else None
        width = block.last - block.first if block else len(plan.groups[c.pre].neurons)
        pairs = width * len(plan.groups[c.post].neurons)
        if len(c.synapses) < pairs or not enabled(plan.table[c.synapses], program).all():
            reasons.append(f"{c.name!r}: in Lava every pair learns, here only some do")
    if reasons:
        raise UnsupportedError(
            "a script for Lava cannot hold this Program\n"
            + "\n".join(f"  - {reason}" for reason in reasons),
            remedy="change what is listed, or run it on the device: lava",
        )


def rule_options(
    program: Program, c: Connection, rule: LavaRule, values: NDArray[np.float64]
) -> tuple[list[tuple[str, str]], str]:
    """Arguments of LearningDense with their comments, and what is to be said before them."""
    ours = program.rules[rule.number]
    mixed = ours.weight_min < 0 or bool((values < 0).any())
    low, high = (-256, 255) if mixed else (0, 255)
    said = [
        "It learns with random numbers of Lava's own; weights change in the step of the spikes, on",
        "other devices in the next.",
    ]
    if (ours.weight_min, ours.weight_max) != (low, high):
        said.append(
            f"LIMITS DIFFER: {low} to {high} in Lava, "
            f"{ours.weight_min} to {ours.weight_max} elsewhere."
        )
    if mixed and (values % 2 != 0).any():
        said.append("ODD WEIGHTS: those of mixed sign lose their lowest bit when Lava starts.")
    traces = "".join(
        f"\n        {name}_tau={rule.tau[name]!r},\n        {name}_impulse={impulse},"
        for name, impulse in rule.impulse.items()
        if impulse
    )
    options = [
        (f"sign_mode=SignMode.{'MIXED' if mixed else 'EXCITATORY'}", f"{low} to {high}"),
        (
            f"learning_rule=Loihi2FLearningRule(\n        dw={rule.dw!r},{traces}\n"
            f"        t_epoch=1,\n        rng_seed={ours.seed % (1 << 31)},\n    )",
            "",
        ),
    ]
    return options, "".join(f"\n# {line}" for line in said)
