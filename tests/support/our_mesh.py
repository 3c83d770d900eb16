"""Our mesh as a chip for any Program, and a Program's events as what ``sl.latency`` takes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import spikeloom as sl

from .sanafe import with_numbers

if TYPE_CHECKING:
    from spikeloom.compiler.chip import Chip
    from spikeloom.compiler.program import Program
    from spikeloom.runtime.backend import Events


def mesh_chip(program: Program, **numbers: float) -> Chip:
    """The chip ``core-mesh`` with the sides and the limits of the Program's target.

    Args:
        numbers: others than its own, as for ``with_numbers``.
    """
    target = program.target
    limits = {
        f"core_{field.name}": getattr(target, field.name)
        for field in fields(target)
        if getattr(target, field.name) is not None
        if field.name not in ("name", "mesh")
    }
    sides = {"mesh_rows": target.mesh[0], "mesh_columns": target.mesh[1]}
    chip = with_numbers(sl.load_chip("core-mesh"), **limits, **sides, **numbers)
    return replace(chip, name=target.name)


def inputs_of(program: Program, events: Events) -> dict[str, Any]:
    """The same input by names, in the network's units."""
    given: dict[str, Any] = {}
    for source in program.sources:
        if source.kind != "host":
            continue
        index = events.spike_channel.astype(np.int64) - source.first_channel
        own = (index >= 0) & (index < source.size)
        given[source.name] = np.column_stack([events.spike_step[own], index[own]])
    for population in program.populations:
        place = np.full(program.neurons, -1)
        place[program.global_neurons(population)] = np.arange(population.size)
        index = place[events.graded_neuron]
        own = index >= 0
        values = events.graded_value[own] / population.scale[index[own]]
        given[population.name] = (np.column_stack([events.graded_step[own], index[own]]), values)
    return given


def mesh_cycles(program: Program, events: Events, steps: int, chip: Chip | None = None) -> Any:
    """(steps,) clock cycles of each step, says ``sl.latency``."""
    chip = mesh_chip(program) if chip is None else chip
    report = sl.latency(program, inputs_of(program, events), steps, chip, mode="flit")
    found = report.step_seconds * chip.get("clock.frequency")
    cycles = np.rint(found).astype(np.int64)
    np.testing.assert_allclose(found, cycles, rtol=1e-9)
    return cycles
