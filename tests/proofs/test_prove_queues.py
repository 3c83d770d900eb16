"""Queues: what goes in comes out, once, in the same order."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Mux, Signal, Value
from support.prove import Theorem, broken, inner, needs_solver

from spikeloom.hdl.geometry import QUEUE, Geometry
from spikeloom.hdl.layout import layout
from spikeloom.hdl.row_walker import RowWalker
from spikeloom.hdl.spike_queue import SpikeQueue
from spikeloom.hdl.walker import Slack, Walker

pytestmark = needs_solver


def follow(
    t: Theorem, ring: Any, *, into: Any, out: Any, push: Any, pop: Any, given: Any, found: Any,
    wrong: bool = False,
) -> None:  # fmt: skip
    """Of a ring in memory: any one item that goes in comes out as it was, when all that were in
    before it are out, and none that came later; and there are as many in it as the pointers say.
    """
    m, size = t.m, ring.depth
    look = ring.read_port(domain="comb")
    here, gone, place, ahead = Signal(), Signal(), Signal.like(into), Signal(range(size + 1))
    count, kept = Signal(range(size + 1)), Signal(len(Value.cast(given)))
    pick = t.any("pick")
    m.d.sync += count.eq(count + push - pop)
    with m.If(push & pick & ~here & ~gone):
        m.d.sync += [here.eq(1), kept.eq(given), place.eq(into), ahead.eq(count - pop)]
    with m.Elif(here & pop):
        with m.If(ahead == int(wrong)):
            m.d.sync += [here.eq(0), gone.eq(1)]
        with m.Else():
            m.d.sync += ahead.eq(ahead - 1)
    m.d.comb += look.addr.eq(place)
    t.given(~pop | (count != 0))
    t.given(~push | (count != size - 1) | pop)
    t.claim(count == (into - out) % size)
    t.claim(~here | (ahead < count))
    t.claim(~here | (ahead == (place - out) % size))
    t.claim(~here | (Value.cast(look.data) == kept))
    t.claim(~(here & pop & (ahead == int(wrong))) | (Value.cast(found) == kept))


def rows(*, wrong: bool = False) -> Theorem:
    """The rows that wait in a lane."""
    t, walker = Theorem(), RowWalker(Geometry(neurons=64, lanes=4, words=256))
    inside = t.drive(walker)
    ring = inside.submodules.queue
    into, out = ring.write_ports[0].addr, ring.read_ports[0].addr
    t.given(~walker.push | (walker.offered & ~walker.full))
    # It goes on to the next row when the memory has the last entry of this one, or nothing.
    part = walker.walked.group[: walker.part_bits]
    here_ends = ~walker.walked.dense | (part == walker.walked.end)
    pop = (~walker.valid | (walker.last & here_ends)) & (into != out)
    follow(t, ring, into=into, out=out, push=walker.push, pop=pop, given=walker.row,
           found=ring.read_ports[0].data, wrong=wrong)  # fmt: skip
    t.claim(walker.full == ((into - out) % ring.depth == QUEUE))
    # What is walked next is what was popped, and then there is something to walk.
    popped = t.after(1) & t.before(pop, 1)
    found = t.before(Value.cast(ring.read_ports[0].data), 1)
    t.claim(~popped | (walker.valid & (Value.cast(walker.walked) == found)))
    goes_on = t.after(1) & t.before(walker.valid & ~(walker.last & here_ends), 1)
    t.claim(~t.after(1) | (walker.valid == (popped | goes_on)))
    return t


def test_rows_wait_in_order():
    assert broken(rows(), 2) is None


def test_wrong_order_is_refuted():
    assert broken(rows(wrong=True), 6) == "false"


def slack(bits: int, *, wrong: bool = False) -> Theorem:
    """An item more on its way: what has come in and not gone out is what is held."""
    t, part = Theorem(), Slack(bits)
    t.drive(part)
    came = part.input.valid & part.input.ready
    went = part.output.valid & part.output.ready
    held, kept = Signal(2), Signal(bits)
    t.m.d.sync += held.eq(held + came - went)
    with t.m.If(came & ~(went & (held == 0))):
        t.m.d.sync += kept.eq(part.input.payload)
    t.claim(held <= (0 if wrong else 1))
    t.claim(part.output.valid == ((held != 0) | part.input.valid))
    t.claim(~part.output.valid | (part.output.payload == Mux(held != 0, kept, part.input.payload)))
    t.claim(part.input.ready == (held == 0))
    return t


def test_slack_keeps_order():
    assert broken(slack(32), 2) is None


def test_wrong_slack_is_refuted():
    assert broken(slack(32, wrong=True), 3) == "false"


def walk(*, wrong: bool = False) -> Theorem:
    """Each list that is taken comes out as all of its addresses, one after the other."""
    t, part = Theorem(), Walker(12, 5, tag=7)
    left = inner(t.drive(part), "left")
    m, given, made = t.m, part.input.p, part.output.p
    t.given(~part.input.valid | (given.count != 0))
    # The list in hand, and how many of its addresses have come out.
    start, count, tag, out = (Signal(n) for n in (12, 5, 7, 6))
    taken = part.output.valid & part.output.ready
    with m.If(part.input.valid & part.input.ready):
        m.d.sync += [start.eq(given.start), count.eq(given.count), tag.eq(given.tag), out.eq(0)]
    with m.Elif(taken):
        m.d.sync += out.eq(out + 1)
    t.claim(out <= count)
    t.claim(count - out == ~left)
    t.claim(part.output.valid == (out != count))
    busy = part.output.valid
    t.claim(~busy | (made.address == (start + out + int(wrong))[:12]))
    t.claim(~busy | ((made.place == out) & (made.tag == tag) & (made.first == (out == 0))))
    t.claim(part.input.ready == (~busy | ((out + 1 == count) & part.output.ready)))
    return t


def test_walker_lists_addresses():
    assert broken(walk(), 2) is None


def test_wrong_walk_is_refuted():
    assert broken(walk(wrong=True), 3) == "false"


def spikes(lanes: int, *, wrong: bool = False) -> Theorem:
    """A mask becomes its numbers, lowest first: none is missing, and none comes twice."""
    table = layout(Geometry(neurons=4 * lanes, lanes=lanes, update_lanes=lanes))["fired"]
    t, queue = Theorem(), SpikeQueue(table, lanes)
    inside = t.drive(queue, "host", "set_count", "new_count", "clear")
    lookup, m = inside.submodules.lookup, t.m
    bits = (lanes - 1).bit_length()
    # What of the mask in hand has yet to come out.
    left, group = Signal(lanes), Signal(len(queue.group))
    lane = queue.output.payload[:bits]
    taken = queue.output.valid & queue.output.ready
    rest = Signal(lanes)
    m.d.comb += rest.eq(Mux(taken, left & ~(1 << lane), left))
    m.d.sync += left.eq(rest)
    with m.If(lookup.valid & lookup.ready):
        m.d.sync += [left.eq(lookup.get("mask0")), group.eq(lookup.get("group"))]
    t.claim(inner(inside, "mask") == left)
    t.claim((left == 0) | (inner(inside, "group") == group))
    t.claim(queue.output.valid == (left != 0))
    t.claim(~queue.output.valid | left.bit_select(lane, 1))
    t.claim(~queue.output.valid | ((left & ((1 << lane) - 1)) == 0))
    t.claim(~queue.output.valid | (queue.output.payload[bits:] == group))
    t.claim(~(lookup.valid & lookup.ready) | ((rest != 0) if wrong else (rest == 0)))
    return t


def test_masks_become_numbers():
    assert broken(spikes(8), 2) is None


def test_wrong_masks_are_refuted():
    assert broken(spikes(8, wrong=True), 6) == "false"
