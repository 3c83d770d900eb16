"""Splits of inputs made by hand: neurons that add up, as ``Program.splits`` describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import spikeloom as sl
from spikeloom.compiler.program import Program, SplitSymbol

CHIP = sl.Target(name="chip", mesh=(1, 3), neurons=24, weight_bits=9)
DT = 1e-3

Synapse = tuple[int, int, int, int]  # pre, post, weight, delay in steps


@dataclass
class Group:
    """For one neuron; ``stages``: unit, and how many positive and negative neurons, or None."""

    post: int
    moved: list[tuple[str, Synapse]]
    stages: list[tuple[int, int, int] | None]
    out: int  # delay of the last stage
    shift: int = 0


@dataclass
class Member:
    group: int
    unit: int
    threshold: int
    lag: int
    out: int
    shift: int
    post: int


@dataclass
class Sums:
    """Neurons of one split, of which each is listed, and its projections by name."""

    name: str
    members: list[Member] = field(default_factory=list)
    carriers: dict[str, tuple[str, list[Synapse]]] = field(default_factory=dict)
    copies: dict[str, tuple[str, list[Synapse]]] = field(default_factory=dict)
    feedback: dict[str, list[Synapse]] = field(default_factory=dict)
    outputs: dict[str, list[Synapse]] = field(default_factory=dict)


@dataclass
class Sketch:
    """A network: what of the user's synapses is left, and the neurons that add up the others."""

    projections: dict[str, list[Synapse]]
    receptor: dict[str, int]
    sums: list[Sums] = field(default_factory=list)
    learning: dict[str, sl.Rule] = field(default_factory=dict)

    def split(self, name: str, groups: list[Group]) -> None:
        """Move synapses, also those that earlier neurons send."""
        made = Sums(name)
        for number, group in enumerate(groups):
            self._add(made, number, group)
        self.sums.append(made)

    def _add(self, made: Sums, number: int, group: Group) -> None:
        first, mine = len(made.members), []
        for k, stage in enumerate(group.stages):
            lag = len(group.stages) - 1 - k
            for sign, many in zip((-1, 1), stage[:0:-1] if stage else (), strict=False):
                for i in reversed(range(many)):  # the carrier is the lowest, and the last
                    unit = stage[0]  # type: ignore[index]
                    theta = (i + 1) * unit - 1 if sign > 0 else i * unit
                    out = group.out + lag
                    mine.append(
                        Member(number, sign * unit, theta, lag, out, group.shift, group.post)
                    )
        made.members += mine
        carrier = len(made.members) - 1
        receptors = {self.receptor.get(name, 0) for name, _ in group.moved}
        assert len(receptors) == 1
        for name, synapse in group.moved:
            self._move(made, name, synapse, group, first, carrier)
        for a, member in enumerate(mine, first):
            value = member.unit << group.shift
            output = f"{made.name}/out{receptors.copy().pop()}"
            made.outputs.setdefault(output, []).append((a, group.post, value, member.out))
            self.receptor[output] = receptors.copy().pop()
            for b, later in enumerate(mine, first):
                if later.lag < member.lag:
                    gone = (a, b, -member.unit, member.lag - later.lag)
                    made.feedback.setdefault(f"{made.name}/back", []).append(gone)

    def _move(
        self, made: Sums, name: str, synapse: Synapse, group: Group, first: int, carrier: int
    ) -> None:
        outputs = {n: table for sums in self.sums for n, table in sums.outputs.items()}
        {**self.projections, **outputs}[name].remove(synapse)
        pre, post, weight, delay = synapse
        assert post == group.post
        c, at = weight >> group.shift, delay - group.out
        assert c << group.shift == weight
        carried = made.carriers.setdefault(f"{made.name}/carry {name}", (name, []))
        carried[1].append((pre, carrier, c, at))
        for index in range(first, carrier):
            member = made.members[index]
            value = c if member.unit > 0 else -c
            if value:
                table = made.copies.setdefault(f"{made.name}/copy {name}", (name, []))[1]
                for part in (255, value - 255) if value > 255 else (value,):
                    table.append((pre, index, part, at - member.lag))

    def network(self) -> sl.Network:
        net = sl.Network(dt=DT, seed=3)
        net.source("a", 6)
        net.population("b", 4, sl.IF(2.0, reset="subtract"))
        cell = sl.LIF(tau_mem=5e-3, tau_syn=(None, 2e-3), v_threshold=13, refractory=2e-3)
        net.population("t", 3, cell)
        for sums in self.sums:
            theta = [member.threshold for member in sums.members]
            net.population(sums.name, len(theta), sl.LIF(DT / 19, v_threshold=theta))
        net.connect("a", "b", weights=np.eye(6, 4) * 2 + 1, name="drive")
        for name, table in self.projections.items():
            pre, post = name.split("->")
            self._connect(net, pre, post, table, name)
        for sums in self.sums:
            for name, (of, table) in {**sums.carriers, **sums.copies}.items():
                pre = of.split("->")[0] if "->" in of else of.split("/out")[0]
                self._connect(net, pre, sums.name, table, name)
            for name, table in sums.feedback.items():
                self._connect(net, sums.name, sums.name, table, name)
            for name, table in sums.outputs.items():
                self._connect(net, sums.name, "t", table, name)
        net.probe("t", "spikes", "v")
        return net

    def _connect(
        self, net: sl.Network, pre: str, post: str, table: list[Synapse], name: str
    ) -> None:
        post = post.split("#")[0]
        rows = np.array(table or [(0, 0, 0, 1)])
        synapses = sl.Synapses(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] * DT)
        net.connect(
            pre,
            post,
            synapses,
            name=name,
            receptor=self.receptor.get(name, 0),
            learning=self.learning.get(name),
        )

    def symbols(self) -> tuple[SplitSymbol, ...]:
        def pairs(table: dict[str, tuple[str, list[Synapse]]]) -> tuple[tuple[str, str], ...]:
            return tuple((name, of) for name, (of, _) in table.items())

        return tuple(
            SplitSymbol(
                "t", s.name, pairs(s.carriers), pairs(s.copies), (*s.feedback,), (*s.outputs,)
            )
            for s in self.sums
        )

    def program(self, target: sl.Target = CHIP) -> Program:
        program = sl.compile(self.network(), target, sl.Quantization(scale=1))
        return replace(program, splits=self.symbols())


def full() -> Sketch:
    """What the user means."""
    a = [(0, 0, 5, 9), (1, 0, -3, 8), (2, 0, 7, 10), (3, 0, 0, 9), (0, 0, 4, 10), (4, 0, 6, 9)]
    a += [(0, 1, 8, 6), (1, 1, 8, 7), (5, 1, 4, 6), (3, 1, -9, 3)]
    a += [(2, 2, 0, 7), (4, 2, 5, 7), (1, 2, 240, 8), (5, 2, -256, 9), (3, 2, 4, 8)]
    b = [(0, 0, -6, 10), (1, 0, 4, 11), (2, 0, -2, 12), (3, 1, 7, 4)]
    more = [(0, 0, 1, 8), (1, 0, 2, 9), (5, 0, -3, 2)]
    own = [(0, 0, -4, 12), (1, 0, 3, 12), (2, 1, -2, 3)]
    return Sketch(
        {"a->t": a, "b->t": b, "a->t#2": more, "t->t": own}, {"a->t#2": 1}
    )  # fmt: skip


def taken(sketch: Sketch, name: str, post: int, *pres: int) -> list[tuple[str, Synapse]]:
    tables = {**sketch.projections, **{n: t for s in sketch.sums for n, t in s.outputs.items()}}
    return [(name, s) for s in tables[name] if s[1] == post and s[0] in pres]


def good(nested: bool = True, between: Callable[[Sketch], Any] | None = None) -> Sketch:
    """Several stages of mixed signs; one stage; gaps; nothing but zeros; and a split of a split."""
    made = full()
    mixed = taken(made, "a->t", 0, 0, 1, 2, 3) + taken(made, "b->t", 0, 0, 1)
    mixed += taken(made, "t->t", 0, 0, 1)
    groups = [
        Group(0, mixed, [(8, 2, 2), (2, 3, 0), (1, 1, 0)], 5),  # from -13 to 23
        Group(1, taken(made, "a->t", 1, 0, 1, 5), [(1, 5, 0)], 3, shift=2),
        Group(0, taken(made, "a->t#2", 0, 0, 1), [(2, 1, 0), None, (1, 1, 0)], 3),
        Group(2, [("a->t", (2, 2, 0, 7))], [(1, 1, 0)], 2),
        Group(
            2, taken(made, "a->t", 2, 1, 3, 5), [(128, 1, 2), (64, 1, 0), (16, 3, 0), (4, 3, 0)], 1
        ),
    ]
    made.split("t/sums", groups)
    if between is not None:
        between(made)
    if nested:
        digits = [x for i in range(9) for x in taken(made, "t/sums/out0", 0, i)]
        digits = [x for x in digits if x[1][0] in (0, 1, 3, 4, 7)]
        again = digits + taken(made, "a->t", 0, 4) + taken(made, "b->t", 0, 2)
        made.split("t/sums2", [Group(0, again, [(16, 1, 2), (4, 3, 0), (1, 3, 0)], 2)])
    return made
