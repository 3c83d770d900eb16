"""Limits of what one neuron receives and sends, and why a network does not keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError
from .twins import cores_reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs import Inputs
    from .ir import Graph
    from .mapped import Flat
    from .target import Target
    from .twins import Doubled


INPUTS_FIT = "inputs_fit"
"""Name of the finding that says with which delays inputs could be split."""


def name_of(ir: Flat, neuron: int) -> str:
    """Population and index of a neuron of a network without twins."""
    for population in ir.graph.populations:
        if neuron < population.first + population.size:
            return f"{population.name}[{neuron - population.first}]"
    raise IndexError(neuron)


def fan_in_error(
    inputs: Inputs, population: str, graph: Graph, target: Target, delays: str | None
) -> FitError:
    """The error when a neuron has more synapses than a target can, and they cannot be split.

    Args:
        inputs: of the population.
        population: its name.
        graph: the integer graph.
        target: with ``fan_in``.
        delays: with which they could; None where no delay of the target is long enough.
    """
    neuron, most = int(inputs.count.argmax()), target.fan_in or 0
    here = inputs.post == neuron
    needed, beyond = int(here.sum()), int((inputs.count > most).sum())
    zeros = int((inputs.value[here] == 0).sum())
    sparse = f"a SciPy sparse matrix without the {zeros:,} synapses of weight 0; or "
    return _error(
        graph,
        target,
        "synapses onto one neuron",
        "other neurons can add up a part of its synapses exactly, but that takes steps, which must "
        "be part of the delays of synapses that do not learn"
        + ("" if delays else _no_delay(inputs, target)),
        ("fan_in", f"{population}[{neuron}]", needed, most),
        beyond,
        (sparse if zeros else "")
        + (f"{delays}; or " if delays else "")
        + f"leave out {needed - most:,} of this neuron's synapses (a sparser "
        "connector, or the weakest); or another target",
    )


def _no_delay(inputs: Inputs, target: Target) -> str:
    """Why no delays would do."""
    if not inputs.fixed.any():
        return ", and all of these do"
    return (
        f"; none of the target's, up to {target.delay_slots - 1}, would do: its inputs are too "
        "few, or its accumulators or weights too narrow, for the sums"
    )


def check_twins(net: Doubled, part: NDArray[np.int64]) -> None:
    """Whether each neuron that needs twins, for a partition, can have them.

    Raises:
        FitError: synapses that learn lead to one.
    """
    ir = net.flat
    needs = net.copies > 1
    for edge in ir.graph.plastic:
        post = ir.population(edge.post)
        taught = post.first + edge.synapses.post
        if not needs[taught].any():
            continue
        own = np.unique(taught[needs[taught]])
        neuron = int(own[0])
        most = ir.target.fan_out or 1
        raise _error(
            ir.graph,
            ir.target,
            "cores that one neuron sends to",
            f"synapses of {edge.name!r}, which learn, lead to it, and a twin would have to learn "
            "the same",
            ("fan_out", name_of(ir, neuron), int(cores_reached(ir, part)[neuron]), most),
            len(own),
            "a population between, which this one sends to one to one with a weight that makes it "
            "fire, a step later: its neurons can have twins; or "
            'mapping="best", which puts the targets of a neuron on fewer cores',
        )


def endless(net: Doubled) -> FitError:
    """The error when each partition asks for more twins, or more room, than it has."""
    target, twins = net.flat.target, int((net.copies - 1).sum())
    error = FitError(
        f"network {net.flat.graph.name!r} does not fit target {target.name!r}: twins and messages "
        "take room on more and more cores, which asks for more of them",
        found=f"{twins:,} twins, and not enough",
        remedy='mapping="best", which puts the targets of a neuron on fewer cores; or a target '
        "with larger cores",
    )
    row = {"resource": "neurons", "population": "(all)", "per": "total"}
    available = target.neurons * target.cores
    error.table = ({**row, "needed": net.flat.neurons + twins, "available": available},)
    return error


def _error(
    graph: Graph,
    target: Target,
    what: str,
    why: str,
    row: tuple[str, str, int, int],
    beyond: int,
    remedy: str,
) -> FitError:
    resource, where, needed, available = row
    more = f"; {beyond:,} are beyond the limit" if beyond > 1 else ""
    error = FitError(
        f"network {graph.name!r} does not fit target {target.name!r}: {what}\n"
        f"  why it is not split: {why}",
        found=f"{needed:,}{more}",
        expected=f"at most {available:,}",
        where=where,
        remedy=remedy,
    )
    names = {"resource": resource, "population": where, "per": "core"}
    error.table = ({**names, "needed": needed, "available": available},)
    return error
