"""A chip and a Program as SANA-FE takes them: facts only, its own code runs elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import spikeloom as sl
from spikeloom.backends.chips.routes import Routes
from spikeloom.compiler.chip import Chip, Number, load_chip
from spikeloom.compiler.chip_fields import SIDES

_KINDS = ("time", "energy")
_PORTS = 4
"""Cores of a tile of Loihi."""


def with_numbers(chip: Chip, **numbers: float) -> Chip:
    """A chip with other numbers; ``core_neurons=20`` is ``core.neurons``."""
    changed = dict(chip.numbers)
    for name, value in numbers.items():
        changed[name.replace("_", ".", 1)] = Number(value, "chosen", "a test")
    return replace(chip, numbers=changed)


def calibrated(neurons: int) -> Chip:
    """SANA-FE's Loihi with so many neurons per core, whose rows of both kinds cost the same.

    A hop takes four cycles in its Booksim configuration, whatever the architecture says.
    """
    chip = load_chip("loihi-sanafe")
    hops = {f"time_hop_{side}": 4e-9 for side in SIDES}
    same = {f"{kind}_synapse_dense": chip.get(f"{kind}.synapse_sparse") for kind in _KINDS}
    return with_numbers(chip, core_neurons=neurons, **same, **hops)


def random_program(chip: Chip, neurons: int, fan: int, seed: int) -> sl.Program:
    """Neurons with so many random targets each, and no source."""
    from scipy.sparse import csr_matrix  # late: the benchmark measures memory

    rng = np.random.default_rng(seed)
    net = sl.Network(dt=1e-3, name="random")
    cells = net.population("cells", neurons, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    pre = np.repeat(np.arange(neurons), fan)
    post = np.concatenate([rng.choice(neurons, fan, replace=False) for _ in range(neurons)])
    weights = csr_matrix((np.full(len(pre), 0.25), (pre, post)), (neurons, neurons))
    net.connect(cells, cells, weights)
    return sl.compile(net, chip.target)


def architecture(chip: Chip, tiles: int, units: int) -> str:
    """The chip's numbers as SANA-FE's YAML, for so many tiles in use and neurons per core."""
    rows, columns = chip.tiles
    per_tile = int(np.prod(chip.tile_shape))

    def both(**numbers: str) -> str:
        return ", ".join(
            f"energy_{name}: {chip.get('energy.' + number)!r}, "
            f"latency_{name}: {chip.get('time.' + number)!r}"
            for name, number in numbers.items()
        )

    hops = both(**{f"{side}_hop": f"hop_{side}" for side in ("north", "east", "south", "west")})
    soma = both(access_neuron="neuron", update_neuron="neuron_update", spike_out="neuron_spike")
    return f"""architecture:
  name: chip
  attributes: {{topology: mesh, width: {columns}, height: {rows}, link_buffer_size: 16,
    sync_model: fixed, latency_sync: {chip.table("time.barrier", tiles)!r}}}
  tile:
    - name: tile[0..{rows * columns - 1}]
      attributes: {{{hops}}}
      core:
        - name: core[0..{per_tile - 1}]
          attributes: {{buffer_position: soma, buffer_inside_unit: false,
            max_neurons_supported: {units}}}
          axon_in:
            - {{name: in, attributes: {{{both(message_in="message_in")}}}}}
          soma:
            - {{name: "soma[0..{units - 1}]", attributes: {{model: input, {soma}}}}}
          dendrite:
            - {{name: sum, attributes: {{model: accumulator, energy_update: 0.0,
              latency_update: 0.0}}}}
          synapse:
            - {{name: sparse, attributes: {{model: current_based,
              {both(process_spike="synapse_sparse")}}}}}
          axon_out:
            - {{name: out, attributes: {{{both(message_out="message_out")}}}}}
"""


def write_case(
    folder: Path, chip: Chip, program: sl.Program, spikes: np.ndarray
) -> tuple[Path, Path]:
    """Architecture and case for ``tests/peers/sanafe_run.py``, with the Program's mapping."""
    routes = Routes.of(program, chip)
    assert not routes.channels, "SANA-FE gets no spikes from outside here"
    core = core_numbers(routes)
    pre, post = _synapses(program)
    arch, case = folder / "arch.yaml", folder / "case.npz"
    units = int(routes.neurons.max())
    arch.write_text(architecture(chip, routes.tiles_in_use, units), encoding="utf-8")
    np.savez(case, core=core[routes.source], pre=pre, post=post, spikes=spikes)
    return arch, case


def core_numbers(routes: Routes) -> np.ndarray:
    """(cores,) SANA-FE's number of each core: tiles from the south-western corner northward."""
    rows, columns = routes.tiles
    row, column = np.divmod(routes.tile[:-1].astype(int), columns)
    order = np.argsort(routes.tile[:-1], kind="stable")
    ordered = routes.tile[:-1][order]
    port = np.empty(len(order), int)
    port[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return (column * rows + rows - 1 - row) * _PORTS + port


def in_their_order(routes: Routes) -> Routes:
    """The same messages, each neuron's in the order of SANA-FE's numbers of the cores."""
    sender = np.repeat(np.arange(len(routes.source)), np.diff(routes.start))
    order = np.lexsort((core_numbers(routes)[routes.target], sender))
    parts = {name: getattr(routes, name)[order] for name in ("target", "dense", "sparse")}
    return replace(routes, **parts)


def _synapses(program: sl.Program) -> tuple[np.ndarray, np.ndarray]:
    """Global neuron numbers of all synapses."""
    pre, post = [], []
    for symbol in program.projections:
        with sl.open("emulator") as device:
            device.load(program)
            weights = device.read_weights(symbol.name)
        places = [program.population(name) for name in (symbol.pre, symbol.post)]
        numbers = [program.global_neurons(place) for place in places if place is not None]
        pre.append(numbers[0][weights.pre])
        post.append(numbers[1][weights.post])
    return np.concatenate(pre), np.concatenate(post)
