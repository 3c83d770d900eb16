"""What a chip file may say: the name, meaning, unit and range of every number."""

from __future__ import annotations

from dataclasses import dataclass

SIDES = ("north", "east", "south", "west")
"""Of a tile; links of a router and hops are numbered in this order."""


@dataclass(frozen=True)
class Field:
    """One number of a chip file.

    Attributes:
        meaning: what it is.
        unit: ``"1"`` for counts, ``"s"``, ``"J"``, ``"W"``, ``"Hz"``.
        low, high: smallest and largest value; counts are whole.
    """

    meaning: str
    unit: str = "1"
    low: float = 0
    high: float = 1e9


def _time(meaning: str) -> Field:
    return Field(meaning, "s", 0, 1e3)


def _energy(meaning: str) -> Field:
    return Field(meaning, "J", 0, 1.0)


_EACH = {
    "neuron": "of each neuron in each step",
    "neuron_update": "more where a neuron is updated",
    "neuron_spike": "more where a neuron fires",
    "synapse_dense": "of each synapse of a dense row that a message walks",
    "synapse_sparse": "of each synapse of a sparse row that a message walks",
    "message_out": "of each message at the core that sends it",
    "message_in": "of each message at the core that takes it, besides its synapses",
    **{f"hop_{side}": f"from a tile to its neighbour in the {side}" for side in SIDES},
}

FIELDS: dict[str, Field] = {
    "mesh.rows": Field("rows of tiles", low=1, high=65535),
    "mesh.columns": Field("columns of tiles", low=1, high=65535),
    "mesh.tile_rows": Field("rows of cores in a tile", low=1, high=16),
    "mesh.tile_columns": Field("columns of cores in a tile", low=1, high=16),
    "core.neurons": Field("neurons", low=1, high=4096),
    "core.axons": Field("axons: senders that a core knows", low=1, high=1 << 30),
    "core.rows": Field("row groups", low=1, high=1 << 30),
    "core.profiles": Field("distinct parameter sets", low=1, high=4096),
    "core.synapse_bits": Field("synapse memory in bits", high=1 << 48),
    "core.fan_in": Field("synapses of a neuron", low=1, high=1 << 30),
    "core.fan_out": Field("cores that a neuron's spike goes to", low=1, high=65535),
    "core.axons_out": Field("messages of all neurons of a core, if all fired", low=1, high=1 << 30),
    "core.lanes": Field("neurons updated at a time", low=1, high=64),
    "core.state_bits": Field("width of u, v and threshold", low=12, high=24),
    "core.weight_bits": Field("width of a weight, sign included", low=2, high=16),
    "core.accumulator_bits": Field("width of an accumulator", low=16, high=31),
    "core.delay_slots": Field("longest synaptic delay in steps, and 1", low=1, high=64),
    "core.receptors": Field("synaptic currents of a neuron", low=1, high=2),
    "core.trace_bits": Field("width of a learning trace", low=2, high=8),
    "core.products": Field("products of a learning rule; 0 where it cannot learn", high=64),
    "network.networks": Field("parallel networks; messages take turns", low=1, high=8),
    "network.buffer": Field("messages that a router's input holds", low=1, high=1024),
    "network.receive": Field("messages of each network that wait at a core", low=1, high=1024),
    **{f"time.{name}": _time(f"time {what}") for name, what in _EACH.items()},
    "time.host": _time("time of each message that enters from outside"),
    "time.interval": _time("time between two messages over a link"),
    "time.inject": _time("time from a core into its router"),
    "time.eject": _time("time from a router into its core"),
    "time.clock": Field("period of the routers' clock", "s", 1e-12, 1.0),
    "time.tick": Field("time from one step to the next", "s", 1e-9, 1e3),
    "clock.frequency": Field("of the core", "Hz", 1, 1e12),
    **{f"energy.{name}": _energy(f"energy {what}") for name, what in _EACH.items()},
    "power.chip": Field("static power of the whole chip", "W", 0, 1e6),
    "power.core": Field("more for each core in use", "W", 0, 1e6),
    "link.baud": Field("bits per second to and from the host", "Hz", 1, 1e12),
    "link.bits_per_byte": Field("bits on the line for one byte", low=8, high=20),
    "link.step_in": Field("bytes to the chip for each step that has input", high=1e6),
    "link.spike_in": Field("bytes to the chip for each spike", high=1e6),
    "link.step_out": Field("bytes from the chip for each step with spikes", high=1e6),
    "link.spike_out": Field("bytes from the chip for each spike", high=1e6),
}
"""By name, as ``section.key`` of the file."""

TABLES = {"time.barrier": Field("synchronisation of so many tiles", "s", 0, 1e3)}
"""Numbers that depend on how many tiles are in use."""

KINDS = ("measured", "datasheet", "pre-silicon", "fitted", "derived", "chosen")
"""Where a number comes from. *derived*: from others by arithmetic that the source states; *chosen*:
by us, for the reason that the source states."""

DISCIPLINES = ("barrier", "tick", "event")
"""What starts a step: all cores are through with the last one; a clock; nothing, spikes act when
they arrive."""

MODELS = ("messages", "cycles")
"""How a step's work takes time: by the numbers of ``time``, or by the cycle formula of our core."""

UPDATES = ("all", "active")
"""Which neurons are updated in a step: all, or those with a bias, a current or a voltage."""

ROUTING = ("unicast", "multicast")
"""A message for each core that a spike goes to; or one that forks where the ways to them part."""

ARBITRATION = ("turns", "fixed")
"""Which of several messages that want a link goes first: routers' inputs take turns; or what goes
straight on, then what turns, then what begins."""
