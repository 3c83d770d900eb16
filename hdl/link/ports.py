"""What the link asks of the core behind it: one memory bus, events in, steps out.

The core (or an adapter around it) implements :class:`CorePort`; nothing else of it is assumed.
All streams move an item in a cycle in which both ``valid`` and ``ready`` are 1.
"""

from __future__ import annotations

from amaranth import unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out


class BusRequest(data.StructLayout):
    """One access: a word of a region, by absolute address.

    A read is answered on the response stream, in order; a write is not answered.
    """

    def __init__(self, word_bits: int):
        super().__init__({"region": 8, "address": 32, "write": 1, "data": unsigned(word_bits)})


Event = data.StructLayout({"graded": 1, "step": 32, "index": 16, "value": 32})
"""Input for one step: a spike of a host channel, or a graded value for a neuron.

Events arrive in ascending order of ``step``, graded ones of a step before its spikes, and before
the RUN that computes their step.
"""


RunRequest = data.StructLayout({"steps": 32, "spikes": 1, "cycles": 1, "probes": 1})
"""Compute ``steps`` steps (0: until ``stop``) and tell what is asked for."""


class ResultKind(enum.Enum, shape=3):
    """What an item of the result stream is.

    In a step: SPIKE (output index) in any order, PROBE words in the probes' order, then
    CYCLES, then STEP. After the last step of a run one DONE, ``value`` 1 if it was stopped.
    """

    SPIKE = 0
    PROBE = 1
    CYCLES = 2
    STEP = 3
    DONE = 4


Result = data.StructLayout({"kind": ResultKind, "value": 32})
"""One item of the result stream."""


class CorePort(wiring.Signature):
    """The link's side of the wires between link and core (``Out``: from the link).

    ``stop`` is a level: while it is 1 a run ends at its next step boundary (at once when none has
    been started). ``step`` counts computed steps since the core's reset; ``running`` is 1 from the
    acceptance of a run to its DONE.
    """

    def __init__(self, word_bits: int):
        self.word_bits = word_bits
        super().__init__(
            {
                "request": Out(stream.Signature(BusRequest(word_bits))),
                "response": In(stream.Signature(unsigned(word_bits))),
                "event": Out(stream.Signature(Event)),
                "run": Out(stream.Signature(RunRequest)),
                "stop": Out(1),
                "result": In(stream.Signature(Result)),
                "step": In(32),
                "running": In(1),
            }
        )
