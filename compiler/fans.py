"""What neurons receive and send, where a target limits it, and why it does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError
from .twins import cores_reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .mapped import Flat
    from .twins import Doubled


def name_of(ir: Flat, neuron: int) -> str:
    """Population and index of a neuron of a network without twins."""
    for population in ir.graph.populations:
        if neuron < population.first + population.size:
            return f"{population.name}[{neuron - population.first}]"
    raise IndexError(neuron)


def check_fan_in(ir: Flat) -> None:
    """Synapses onto each neuron.

    Raises:
        FitError: a neuron has more than the target can.
    """
    most = ir.target.fan_in
    if most is None:
        return
    synapses, silent = np.zeros(ir.neurons, np.int64), np.zeros(ir.neurons, np.int64)
    for edge in ir.graph.projections:
        node, table = ir.population(edge.post), edge.synapses
        own = slice(node.first, node.first + node.size)
        synapses[own] += np.bincount(table.post, minlength=node.size)
        silent[own] += np.bincount(table.post, table.weight == 0, node.size).astype(np.int64)
    if synapses.max(initial=0) <= most:
        return
    neuron, beyond = int(synapses.argmax()), int((synapses > most).sum())
    needed, zeros = int(synapses[neuron]), int(silent[neuron])
    sparse = f"a SciPy sparse matrix without the {zeros:,} synapses of weight 0; or "
    raise _error(
        ir,
        "synapses onto one neuron",
        "a neuron adds up all that it gets before it leaks, resets and saturates; its parts would "
        "have to send each other sums, and cores send spikes",
        ("fan_in", name_of(ir, neuron), needed, most),
        beyond,
        (sparse if zeros else "")
        + f"leave out {needed - most:,} of this neuron's synapses (a sparser connector, or the "
        f"weakest); or a layer between, of {-(-needed // most):,} neurons or more for this one, "
        "each with a part of its inputs, which is another network and is trained as such; or "
        "another target",
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
            ir,
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
    ir: Flat,
    what: str,
    why: str,
    row: tuple[str, str, int, int],
    beyond: int,
    remedy: str,
) -> FitError:
    resource, where, needed, available = row
    more = f"; {beyond:,} are beyond the limit" if beyond > 1 else ""
    error = FitError(
        f"network {ir.graph.name!r} does not fit target {ir.target.name!r}: {what}\n"
        f"  why it is not split: {why}",
        found=f"{needed:,}{more}",
        expected=f"at most {available:,}",
        where=where,
        remedy=remedy,
    )
    names = {"resource": resource, "population": where, "per": "core"}
    error.table = ({**names, "needed": needed, "available": available},)
    return error
