"""The learning engine's memories, as data for ``layout.py``.

``x`` tables are of plastic rows, ``y`` tables of postsynaptic neurons; both are numbered within
groups of P of each rule, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .geometry import Geometry, count_bits, index_bits

TRACE_BITS = 8
"""Width of a trace; a Target's may be narrower."""
INDEX_BITS = 16
"""Width of a neuron's number within its source or population, where it is looked up."""
HISTORY = 32
"""Steps that a window trace remembers."""
WHENS = ("pre", "post", "epoch")
"""In the order of ``compiler.microcode.When``."""
SALTS = 32
"""Entries of ``salt`` per rule: 8 · when + 2 · group + (0: a, 1: b)."""
TRACES = ("xtrace1", "xtrace2", "ytrace1", "ytrace2")
"""In the order of their purposes; entry ``4 · rule + i`` of ``decay`` is about the i-th."""
OWN1, OWN2, OWN_THIRD, WEIGHT, ABOVE, BELOW, TAG, DELAY = range(8)
"""In ``code``, factors that differ from synapse to synapse of a walk: traces and third factor of
the neuron across, and what the synapse itself has."""
SHARED, SHARED1, SHARED2, SHARED_THIRD, MODULATOR, ONE = 8, 8, 9, 10, 11, 15
"""Factors that all synapses of a walk share, from ``SHARED`` on: traces and third factor of the
walk's own neuron, the modulator, and 1."""
SIGN = 16
"""Added to a factor: its sign."""

_NEW, COLUMN = "new column", 32


def learning_tables(g: Geometry) -> Iterator[tuple[Any, ...]]:
    """Name, region, kind, banks, depth, fields and meaning of each table."""
    if not g.rules:
        return
    P = g.lanes
    apart = (_NEW, 0) if g.micro else None
    trace: list[Any] = [("value", TRACE_BITS)]
    if not g.micro:
        trace += [(_NEW, 0), ("ahead", TRACE_BITS)]
    if g.windows:
        trace += [(_NEW, 0), ("history", HISTORY)]
    terms = [("term1", 32), *([(_NEW, 0), ("term2", 32)] if g.seconds else [])]
    index = [("index", INDEX_BITS)] if g.scattered else []
    delay = [("delay", index_bits(g.delay_slots))] if g.delays else []
    yield ("plastic", 16, "banked", P, g.plastic,
           [("weight", g.weight_bits, True), ("enable", 1), *([("tag", 8, True)] if g.tags else []),
            *delay],
           "A plastic synapse: that of row `a` and lane `l` of a square of P rows and P neurons is"
           " in memory `a` xor `l` at `a`; squares row by row of their rule's")  # fmt: skip
    for i, name in enumerate(TRACES):
        if g.seconds or name.endswith("1"):
            yield (name, 17 + i, "banked", P, g.slots, trace,
                   f"Trace {name[0]}{name[-1]}, twice: one decays ahead of time; what a window"
                   " remembers")  # fmt: skip
    yield ("term", 21, "banked", g.faded, 2 * _power(g.slots) * (P // g.faded), terms,
           "Key terms of the random numbers of traces: of plastic rows, then of postsynaptic"
           " neurons, by the next power of two of groups")  # fmt: skip
    if g.scattered:
        yield ("xkey", 22, "banked", P, g.slots, index, "A plastic row's neuron")
    yield ("ykey", 23, "banked", P, g.slots, [*index, ("member", 1)],
           "Whether a neuron is a postsynaptic one of the rule, and which")  # fmt: skip
    if g.post_delays:
        yield ("before", 24, "banked", P, g.slots, [("low", 32), (_NEW, 0), ("high", 31)],
               "Earlier spikes of a rule's postsynaptic neurons, the last one lowest")  # fmt: skip
    yield ("factor", 25, "banked", P, g.groups,
           [*([("r", 8, True)] if g.thirds else []), ("teacher", 1)],
           "A neuron's third factor, and whether it has a teacher event in this step")  # fmt: skip
    yield ("walk", 26, "single", 1, g.plastic_rows,
           [("address", index_bits(g.blocks)), apart, ("group", index_bits(g.groups)),
            apart, ("count", count_bits(g.groups)), apart, ("exponent", 4), ("receptor", 1),
            apart, ("delay", index_bits(g.delay_slots)), ("rule", index_bits(g.rules))],
           "A plastic row: its first square, and which groups of neurons it touches")  # fmt: skip
    yield ("rule", 27, "single", 1, g.rules, _rule(g),
           "A rule: its rows and neurons, its products by event, limits, traces to go"
           " through")  # fmt: skip
    low = min(g.coefficient_bits, COLUMN)
    high = g.coefficient_bits - low
    yield ("code", 28, "single", 1, g.code,
           [("low", low, not high), *([("high", high, True)] if high else []),
            apart, ("condition", 3), ("changes", 2), ("last", 1), ("slot", 2),
            *((f"factor{i}", 5) for i in range(g.factors))],
           "A product, its coefficient aligned to the binary point; the `last` one of a group,"
           " `slot` the group's number among those of its event")  # fmt: skip
    yield ("salt", 29, "single", 1, g.rules * SALTS, [("salt", 32)],
           "What seed and purpose contribute to the random numbers of rounding")  # fmt: skip
    yield ("decay", 30, "single", 1, g.rules * len(TRACES) + 1,
           [("kind", 2), apart, ("replace", 1), apart, ("impulse", TRACE_BITS), apart,
            ("length", 6), ("clear", 1),
            (_NEW, 0), ("first", index_bits(g.slots)), apart, ("groups", count_bits(g.slots)),
            apart, ("which", 2), (_NEW, 0), ("keep", 13)],
           "A trace; `clear` ends the step for its rule's rows. Beside it the list of all"
           " exponential ones: groups, which trace, 4096 − decay; one without groups ends"
           " it")  # fmt: skip
    if g.windows:
        yield ("window", 31, "single", 1, g.rules * len(TRACES) * HISTORY, [("value", TRACE_BITS)],
               "Values of a trace by age")  # fmt: skip


def _power(count: int) -> int:
    return 1 << index_bits(count)


MICRO_RULE = (
    ("base", False), ("stride", False), ("group", False), ("groups", False), ("xgroup", False),
    ("xgroups", False), ("ygroup", False), ("pre_count", False), ("post_count", False),
    ("rounding", False), ("trace_max", False), ("weight_min", True), ("weight_max", True),
)  # fmt: skip
"""What the small core reads of a rule, in this order, each half a column; and whether it has a
sign."""


def _rule_of_halves(g: Geometry) -> list[Any]:
    code = index_bits(g.code)
    return [
        *((name, COLUMN // 2, signed) for name, signed in MICRO_RULE),
        *((f"{when}_{what}", bits) for when in WHENS
          for what, bits in (("code", code), ("count", count_bits(g.code)), ("changes", 2))
          if (f"{when}_{what}", False) not in MICRO_RULE),
    ]  # fmt: skip


def _rule(g: Geometry) -> list[Any]:
    if g.micro:
        return _rule_of_halves(g)
    slots = index_bits(g.slots)
    fields: list[Any] = [
        ("base", index_bits(g.blocks)), ("stride", count_bits(g.groups)),
        ("group", index_bits(g.groups)), ("groups", count_bits(g.groups)),
        ("xgroup", slots), ("xgroups", count_bits(g.slots)), ("ygroup", slots),
        ("entries", count_bits(g.plastic_rows)), ("skew", index_bits(g.lanes)),
    ]  # fmt: skip
    for when in WHENS:
        fields += [(f"{when}_code", index_bits(g.code)), (f"{when}_count", count_bits(g.code)),
                   (f"{when}_changes", 2)]  # fmt: skip
    fields += [
        ("rounding", 2), ("period", 5), ("post_delay", 6), ("passes", 5),
        ("trace_max", TRACE_BITS),
        *([("delay_min", 6), ("delay_max", 6)] if g.delays else []),
        ("weight_min", g.weight_bits, True), ("weight_max", g.weight_bits, True),
    ]  # fmt: skip
    # A host address has eight columns: the largest fields first, each into the first that holds it.
    columns: list[list[Any]] = []
    for field in sorted(fields, key=lambda one: -one[1]):
        free = (c for c in columns if sum(one[1] for one in c) + field[1] <= COLUMN)
        column = next(free, None)
        if column is None:
            columns.append([field])
        else:
            column.append(field)
    return [one for column in columns for one in (*column, (_NEW, 0))][:-1]
