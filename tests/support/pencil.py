"""A chip with numbers to calculate with by pencil: three tiles in a row, one core each."""

from __future__ import annotations

from pathlib import Path

import spikeloom as sl

TIME = {
    "neuron": 5, "neuron_update": 3, "neuron_spike": 7, "synapse_dense": 11, "synapse_sparse": 12,
    "message_out": 13, "message_in": 17, "host": 6, "inject": 2, "eject": 3, "hop_north": 8,
    "hop_east": 4, "hop_south": 9, "hop_west": 5, "interval": 1, "clock": 1,
}  # fmt: skip
"""Nanoseconds."""
ENERGY = {
    "neuron": 1, "neuron_update": 2, "neuron_spike": 3, "synapse_dense": 5, "synapse_sparse": 6,
    "message_out": 7, "message_in": 11, "hop_north": 17, "hop_east": 13, "hop_south": 19,
    "hop_west": 23,
}  # fmt: skip
"""Picojoules."""
CORE = {
    "neurons": 1, "axons": 64, "rows": 64, "profiles": 16, "synapse_bits": 4096, "lanes": 1,
    "state_bits": 24, "weight_bits": 8, "accumulator_bits": 24, "delay_slots": 8, "receptors": 2,
    "trace_bits": 7, "products": 8,
}  # fmt: skip
NETWORK = {"networks": 1, "buffer": 4, "receive": 4}
LINK = {
    "baud": 1_000_000, "bits_per_byte": 10, "step_in": 7, "spike_in": 2, "step_out": 3,
    "spike_out": 2,
}  # fmt: skip


def pencil_chip(
    folder: Path,
    discipline: str = "barrier",
    *,
    without: tuple[str, ...] = (),
    routing: str = "unicast",
    **core: int,
) -> sl.Chip:
    """Written as a file and read as one."""
    lines = [
        "format = 1", 'name = "pencil"', 'title = "a chip to calculate by pencil"',
        f'discipline = "{discipline}"', 'model = "messages"', 'updates = "all"',
        f'routing = "{routing}"', 'arbitration = "turns"',
    ]  # fmt: skip
    sections = {
        "mesh": {"rows": 1, "columns": 3, "tile_rows": 1, "tile_columns": 1},
        "core": {**CORE, **core},
        "network": NETWORK,
        "time": {**{name: f"{value}e-9" for name, value in TIME.items()}, "tick": "50e-9"},
        "energy": {name: f"{value}e-12" for name, value in ENERGY.items()},
        "power": {"chip": "1e-3", "core": "2e-3"},
        "link": LINK,
    }
    for section, values in sections.items():
        lines.append(f"[{section}]")
        for name, value in values.items():
            if f"{section}.{name}" not in without:
                lines.append(f'{name} = {{ value = {value}, kind = "chosen", source = "a test" }}')
        if section == "time":
            lines.append(
                'barrier = [{ tiles = 3, value = 100e-9, kind = "chosen", source = "a test" }]'
            )
    path = folder / "pencil.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return sl.load_chip(path)


def chain() -> sl.Network:
    """a → b → c, where every spike makes the next one fire."""
    net = sl.Network(dt=1e-3)
    cell = sl.IF(v_threshold=1.0)
    one, two, three = (net.population(name, 1, cell) for name in "abc")
    net.connect(one, two, weights=[[1.5]])
    net.connect(two, three, weights=[[1.5]])
    for population in (one, two, three):
        net.probe(population, "spikes")
    return net


def fork() -> sl.Network:
    """a → b and c."""
    net = sl.Network(dt=1e-3)
    cell = sl.IF(v_threshold=1.0)
    one, two, three = (net.population(name, 1, cell) for name in "abc")
    net.connect(one, two, weights=[[0.5]])
    net.connect(one, three, weights=[[0.5]])
    return net


FIRST = {"a": ([[0, 0]], [1.5])}
"""Input that makes a fire in step 0, so b in 1 and c in 2."""
