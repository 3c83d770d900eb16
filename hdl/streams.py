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


def output_layout(g: Geometry) -> dict[str, int]:
    """Widths of the output's fields."""
    return {
        "kind": 2,
        "group": index_bits(max(g.update_groups, g.generator_groups)),
        "data": max(32, g.update_lanes),
    }
