"""How many clock cycles the small core takes: its program's instructions, counted.

Each instruction takes a cycle, so a step takes as many cycles as there are instructions on its way
through the program. What the ways between two labels cost is read off the program itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..geometry import Geometry
from .isa import DELAYED, Op, When
from .program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .isa import Assembler


class _Ways:
    """Ways through a program."""

    def __init__(self, asm: Assembler) -> None:
        self._asm = asm

    def __call__(self, start: str, decisions: Sequence[bool], stop: str) -> int:
        """Instructions from one label to another.

        Args:
            decisions: of the conditional jumps on the way, whether they are taken. Loops are left
                after their first turn, calls are counted without what is called.
        """
        return self._walk(start, decisions, self._asm.labels[stop])

    def _walk(self, start: str, decisions: Sequence[bool], end: int | None) -> int:
        """To an instruction; None: until what was called comes back."""
        asm, at, count, left = self._asm, self._asm.labels[start], 0, list(decisions)
        while at != end or not count:
            word = asm.words[at]
            if word["op"] != Op.JUMP:
                at, count = at + 1, count + 1
                continue
            count += 1 + DELAYED
            when = When(word["source"])
            if when == When.BACK:
                break
            taken = when == When.ALWAYS and not word["move"]  # a call comes back
            if when not in (When.ALWAYS, When.LOOP):
                taken = left.pop(0)
            at = asm.target(at) if taken else at + 1 + DELAYED
        if left:
            raise ValueError(f"the way from {start!r} has fewer decisions")
        return count

    def loop(self, label: str) -> int:
        """Instructions of a turn of a loop that begins there."""
        asm = self._asm
        at = asm.labels[label]
        while not (asm.words[at]["op"] == Op.JUMP and asm.words[at]["source"] == When.LOOP):
            at += 1
        return at + 1 + DELAYED - asm.labels[label]

    def called(self, label: str, decisions: Sequence[bool]) -> int:
        """Instructions from a label to the end of what is called."""
        return self._walk(label, decisions, None)


@dataclass(frozen=True)
class MicroCosts:
    """Cycles of the parts of a step.

    Attributes:
        step: of a step in which nothing happens, without what follows.
        fired, spike: a sender from the last step's list; from the host.
        destination, row: each of a sender's destinations; each of an axon's rows, without synapses.
        synapse: of a row that is only delivered.
        changed: of a row that learns, besides; by rounding.
        learned: of its synapses, instead of ``synapse``.
        neuron: each. profile: each whose profile is another one than that of the neuron before.
        below, within, above: each neuron before, among, and behind those of the rule.
        told, sends: a neuron that fires; and has destinations.
        learns: if there are post groups and learning is on.
        scanned: each neuron of the rule then. column: each that is due, by rounding.
        column_synapse: each row of the rule then.
        x_trace, y_trace: for each exponential trace of the rule.
        trace: each row and each neuron of the rule.
    """

    step: int
    fired: int
    spike: int
    destination: int
    row: int
    synapse: int
    changed: tuple[int, int, int]
    learned: int
    neuron: int
    profile: int
    below: int
    within: int
    above: int
    told: int
    sends: int
    learns: int
    scanned: int
    column: tuple[int, int, int]
    column_synapse: int
    x_trace: int
    y_trace: int
    trace: int


@lru_cache(maxsize=8)
def micro_costs(g: Geometry) -> MicroCosts:
    """The costs on a small core.

    Args:
        g: its geometry.
    """
    way = _Ways(Program(g, 0).asm)
    yes, no = True, False
    # a list that is empty, no input, no neuron
    quiet = way("step", [], "sent")
    quiet += way("sent", [no, yes], "all fired") + way("all fired", [no], "input")
    quiet += way("input", [no, no, yes], "update")
    quiet += way("update", [no], "neuron")
    off = way("updated", [yes], "traces")
    traces = way("traces", [], "next trace") + way("next trace", [yes], "all traces")
    traces += way("all traces", [], "end")
    numbers = [
        way.called("numbers", decisions) for decisions in ([yes, yes, no], [no, yes], [no, no])
    ]
    # what is called leads back to behind the call; its loop has as many turns as it has traces
    take_up = way.called("take up", [])
    turn = way.loop("take up")
    traces += 2 * (take_up - turn)
    plain = way("row", [yes], "only delivered") + way("only delivered", [], "deliver")
    plain_loop = way.loop("deliver")
    plain += way("deliver", [], "next row") - plain_loop
    changes = way("row", [no], "change") + way("change", [], "next row") - way.loop("change")
    head = way("next row", [no], "row")
    sender = way("sender", [], "next destination") + way("next destination", [yes], "sent")
    firing = way("not of the rule", [no, no], "quiet")
    silent = way("not of the rule", [yes], "quiet")
    mute = way("not of the rule", [no, yes], "quiet")
    again = way("quiet", [yes], "neuron")
    same = way("neuron", [yes], "same profile")
    scanned = way("next column", [no, yes], "next column")
    due = way("next column", [no, no], "column")
    due += way("column", [], "next column") - way.loop("column")
    return MicroCosts(
        step=quiet + off + traces + way("quiet", [no], "updated") - again,
        fired=way("sent", [no, no], "sender") + sender,
        spike=way("input", [no, yes], "spike") + way("spike", [], "sender") + sender
        + way("sent", [yes], "input"),
        destination=way("next destination", [no], "next row")
        + way("next row", [yes], "next destination"),
        row=head + plain,
        synapse=plain_loop,
        changed=(*(changes - plain + n for n in numbers),),
        learned=way.loop("change"),
        neuron=same + silent + again,
        profile=way("neuron", [no], "same profile") - same,
        below=way("same profile", [yes], "not of the rule"),
        within=way("same profile", [no, no], "not of the rule"),
        above=way("same profile", [no, yes], "not of the rule"),
        told=mute - silent,
        sends=firing - mute,
        learns=way("updated", [no], "next column") + way("next column", [yes], "traces") - off,
        scanned=scanned,
        column=(*(due - scanned + n for n in numbers),),
        column_synapse=way.loop("column"),
        x_trace=way("next trace", [no, no], "next trace"),
        y_trace=way("next trace", [no, yes], "next trace"),
        trace=turn,
    )  # fmt: skip
