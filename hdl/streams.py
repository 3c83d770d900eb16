"""What goes into and comes out of a core while it runs, as data."""

from __future__ import annotations

from .geometry import Geometry, index_bits

INPUT_SPIKE, INPUT_GRADED, INPUT_END = 0, 1, 2
"""Kinds of input: ``index`` sends a spike (an origin number, normally a host channel); ``value``
is injected into neuron ``index``; the step's input is complete."""

OUTPUT_NEURONS, OUTPUT_GENERATORS, OUTPUT_END = 0, 1, 2
"""Kinds of output: the neurons, or the generators, of ``group`` (of U) whose bits are set in the
lowest U bits of ``data`` fired; the step is complete and took ``data`` clock cycles. All other bits
may be anything."""


def input_layout(g: Geometry) -> dict[str, int]:
    """Widths of the input's fields; ``value`` is signed. Graded events come before spikes."""
    return {
        "kind": 2,
        "index": index_bits(max(g.origins, g.groups * g.lanes)),
        "value": g.state_bits,
    }


def chip_input_layout(g: Geometry) -> dict[str, int]:
    """The same for a whole mesh: the upper bits of ``index`` are the core's number.

    Spikes of host channels go to core 0, from where they are sent on.
    """
    fields = input_layout(g)
    return {**fields, "index": fields["index"] + g.core_bits}


def flit_layout(g: Geometry) -> dict[str, int]:
    """What goes over a mesh: a spike, for axon ``axon`` of each core whose bit is set."""
    return {"axon": index_bits(g.axons), "cores": g.cores}


def output_layout(g: Geometry) -> dict[str, int]:
    """Widths of the output's fields."""
    return {
        "kind": 2,
        "group": index_bits(max(g.update_groups, g.generator_groups)),
        "data": max(32, g.update_lanes),
    }


def chip_output_layout(g: Geometry) -> dict[str, int]:
    """The same for a whole mesh: the upper bits of ``group`` are the core's number."""
    fields = output_layout(g)
    return {**fields, "group": fields["group"] + g.core_bits}
