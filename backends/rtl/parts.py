"""Parts of a circuit that stand still while nothing happens to them.

Most of a device waits most of the time: between two bytes the link, between two accesses the core.
A part whose inputs are as before, and whose last clock edge changed none of its registers and
memories, would do nothing at the next edge either; so it is not computed. That is exact: the model
has the same values in every clock cycle with and without it.

What a part tells others without a register in between is computed first, *early*, in as many levels
as such paths cross from part to part; then each part that does not rest is computed to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .netlist import Netlist, Node

PARTS = ("link.frames", "adapter", "core.control.counters", "core")
"""Modules below the top whose cells are a part, where a design has them, the inner ones first; the
rest is another. A core's counters are emptied in turn all the time; nothing else of it moves."""


class Parts:
    """Which node belongs to which part, and what goes between them.

    Args:
        netlist: the design.
        before: the nodes that a node reads.

    Attributes:
        count: of the parts; with only one nothing crosses.
        early: combinational nodes that other parts or the outputs depend on -> their level.
        crossings: (part, number of a node elsewhere that it reads) -> the level at which it can.
    """

    def __init__(self, netlist: Netlist, before: Callable[[Node], list[Node]]) -> None:
        self._before = before
        names = [name for name in PARTS if any(_within(n, name) for n in netlist.nodes)]
        whole = len(names) < 2
        self.count = 1 if whole else len(names) + 1
        self._part = {
            node.number: 0 if whole else next(
                (i for i, name in enumerate(names, 1) if _within(node, name)), 0
            )
            for node in netlist.nodes
        }  # fmt: skip
        self.early: dict[int, int] = {}
        self.crossings: dict[tuple[int, int], int] = {}
        if whole:
            return
        wanted: dict[tuple[int, int], Node] = {}
        for node in netlist.nodes:
            if node.cells:
                for source in before(node):
                    if self.crosses(source, self.of(node)):
                        wanted[self.of(node), source.number] = source
        shown = {
            netlist.source[bit][0].number: netlist.source[bit][0]
            for bits in netlist.outputs.values()
            for bit in bits
            if not isinstance(bit, str)
        }
        for node in [*wanted.values(), *shown.values()]:
            self._find(node)
        self.crossings = {
            (part, number): self._arrives(source) for (part, number), source in wanted.items()
        }

    def of(self, node: Node) -> int:
        """A node's part."""
        return self._part[node.number]

    def crosses(self, source: Node, part: int) -> bool:
        """Whether a part gets a node's value from elsewhere: another part, or an input."""
        return self.count > 1 and (not source.cells or self.of(source) != part)

    @property
    def levels(self) -> int:
        """How many there are."""
        return 1 + max([0, *self.early.values(), *self.crossings.values()])

    def _find(self, node: Node) -> None:
        """The level of a node, and of all that it depends on without a register."""
        stack = [node]
        while stack:
            at = stack[-1]
            if not _flows(at) or at.number in self.early:
                stack.pop()
                continue
            sources = self._before(at)
            missing = [s for s in sources if _flows(s) and s.number not in self.early]
            if missing:
                stack += missing
                continue
            own = self.of(at)
            self.early[at.number] = max(
                [0, *(
                    self._arrives(s) if self.crosses(s, own) else self.early.get(s.number, 0)
                    for s in sources
                )]
            )  # fmt: skip
            stack.pop()

    def _arrives(self, source: Node) -> int:
        return self.early[source.number] + 1 if _flows(source) else 0


def _flows(node: Node) -> bool:
    """Whether a node is combinational."""
    return bool(node.cells) and not node.keeps


def _within(node: Node, name: str) -> bool:
    return bool(node.cells) and node.cells[0].name.startswith(f"{name}.")
