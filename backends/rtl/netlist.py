"""A circuit as yosys leaves it, and what in it is there once per lane.

A core consists mostly of equal parts: its lanes and units. Cells at the same place of such parts,
``synapses0.rows.17``, ``synapses1.rows.17``, …, are taken together to one *node*, which computes a
vector with an element per lane; every other cell is a node of its own, with one element.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = """
read_rtlil {top}.il
hierarchy -top {top}
proc -noopt
rename -enumerate -pattern %
flatten
opt_expr -mux_undef
opt_merge
opt_expr -mux_undef
opt_muxtree
opt_clean
opt_merge
opt_expr -mux_undef
opt_clean -purge
write_json {top}.json
"""
"""Only what leaves the cells' names alone: equal parts still have equal names afterwards."""

MOST_LANES = 16
"""Longest vector: 16 words of 32 bits are what the widest registers of processors hold."""

WIDEST = 64
"""Bits of the largest number that is computed with at once."""

_PART = re.compile(r"(.*?[^\d.])(\d+)(\..+)")
_SPLIT = {
    **dict.fromkeys(("$mux", "$pmux", "$and", "$or", "$xor"), "ABY"),
    "$not": "AY",
    "$dff": "DQ",
}
_OUTPUTS = ("Y", "Q", "DATA")


@dataclass(eq=False)
class Cell:
    """One cell of yosys' library: its kind, parameters, and the nets at its ports."""

    name: str
    kind: str
    parameters: dict[str, int | str]
    ports: dict[str, list[Any]]

    @property
    def of(self) -> str:
        """Name of the memory that it is a port of."""
        return str(self.parameters.get("MEMID", "")).removeprefix("\\")

    @property
    def output(self) -> list[Any]:
        """Nets that it drives."""
        if self.kind == "$memwr_v2":
            return []
        return next(self.ports[name] for name in _OUTPUTS if name in self.ports)


@dataclass(eq=False)
class Node:
    """Cells that are computed together, one per lane; or a port of the design."""

    cells: list[Cell]
    kind: str
    width: int
    number: int = 0
    signed: tuple[bool, bool] = (False, False)
    initial: list[int] = field(default_factory=list)

    @property
    def lanes(self) -> int:
        """Elements of its value."""
        return max(1, len(self.cells))

    @property
    def keeps(self) -> bool:
        """Whether its value changes at clock edges only."""
        return self.kind == "$dff" or (self.kind == "$memrd_v2" and self.clocked)

    @property
    def clocked(self) -> bool:
        """Whether a memory's port has a register."""
        return self.cells[0].parameters["CLK_ENABLE"] == 1


@dataclass
class Memory:
    """Memories of equal parts: entry ``i`` of lane ``l`` is word ``i * lanes + l``."""

    name: str
    number: int
    width: int
    depth: int
    members: list[str]
    initial: dict[int, int] = field(default_factory=dict)
    """Of words that do not begin as zero."""

    @property
    def lanes(self) -> int:
        """How many memories are in it."""
        return len(self.members)


class Netlist:
    """A flattened design.

    Args:
        path: of what yosys' ``write_json`` wrote.
        top: name of the module.

    Attributes:
        inputs, outputs: port -> its nets.
        nodes: all of them; a node's inputs may come anywhere in the list.
        source: net -> the node that drives it, its lane, the bit.
        memories: name of a memory in the design -> where it is, and its lane there.

    Raises:
        DeviceError: there is something in it that is not understood.
    """

    def __init__(self, path: Path, top: str) -> None:
        module = json.loads(path.read_text())["modules"][top]
        ports = module["ports"].items()
        self.inputs = {n: p["bits"] for n, p in ports if p["direction"] == "input"}
        self.outputs = {n: p["bits"] for n, p in ports if p["direction"] == "output"}
        self._initial = {
            bit: value
            for net in module["netnames"].values()
            for bit, value in zip(net["bits"], _init(net), strict=False)
        }
        storage = module.get("memories", {})
        wide = {name: found["width"] for name, found in storage.items() if found["width"] > WIDEST}
        cells = [
            piece
            for name, found in module["cells"].items()
            for whole in [Cell(name, found["type"], _numbers(found), found["connections"])]
            for piece in (_words(whole, wide[whole.of]) if whole.of in wide else _pieces(whole))
        ]
        for name, width in wide.items():
            whole = storage.pop(name)
            for low in range(0, width, 32):
                storage[f"{name}_{low}"] = {**whole, "width": min(32, width - low)}
        self.memories = self._memories(storage, cells)
        cells = [cell for cell in cells if cell.kind != "$meminit_v2"]
        self.nodes: list[Node] = []
        self.source: dict[int, tuple[Node, int, int]] = {}
        self.ports: dict[str, Node] = {}
        for name, bits in self.inputs.items():
            self.ports[name] = node = Node([], name, len(bits))
            self._add(node, [bits])
        self.parts = _parts([cell.name for cell in cells])
        for group in self._packs(cells):
            self._node(group)

    def _memories(self, found: dict[str, Any], cells: list[Cell]) -> dict[str, tuple[Memory, int]]:
        """The storage; equal parts' memories side by side."""
        parts = _parts(list(found))
        groups: dict[Any, list[str]] = {}
        for name, memory in found.items():
            key, _ = _place(name, parts, 1 << 30)
            groups.setdefault((key, memory["width"], memory["size"]), []).append(name)
        memories = {}
        for number, ((key, width, size), names) in enumerate(groups.items()):
            names.sort(key=lambda name: _place(name, parts, 1 << 30)[1])
            memory = Memory(str(key), number, width, size, names)
            memories.update({name: (memory, lane) for lane, name in enumerate(names)})
        for cell in cells:
            if cell.kind == "$meminit_v2":
                memory, lane = memories[cell.of]
                data, first = cell.ports["DATA"], number_of(cell.ports["ADDR"])
                for i in range(len(data) // memory.width):
                    value = number_of(data[i * memory.width : (i + 1) * memory.width])
                    if value:
                        memory.initial[(first + i) * memory.lanes + lane] = value
        return memories

    def _packs(self, cells: list[Cell]) -> Iterator[list[Cell]]:
        """Cells of equal parts together, if each part has the cell and they are alike."""
        groups: dict[Any, dict[int, Cell]] = {}
        for cell in cells:
            key, lane = _place(cell.name, self.parts, MOST_LANES)
            known = tuple(sorted((k, v) for k, v in cell.parameters.items() if k != "MEMID"))
            widths = tuple(sorted((k, len(v)) for k, v in cell.ports.items()))
            if "MEMID" in cell.parameters:
                known += (id(self.memory(cell)[0]),)
            groups.setdefault((key, cell.kind, known, widths), {})[lane] = cell
        for (key, *_), group in groups.items():
            lanes = sorted(group)
            whole = isinstance(key, tuple) and len(lanes) == key[2]
            if whole and lanes == list(range(lanes[0], lanes[0] + len(lanes))):
                yield [group[lane] for lane in lanes]
            else:
                yield from ([cell] for cell in group.values())

    def _node(self, cells: list[Cell]) -> None:
        first = cells[0]
        signed = tuple(bool(first.parameters.get(f"{port}_SIGNED", 0)) for port in "AB")
        node = Node(cells, first.kind, len(first.output), signed=signed)  # type: ignore[arg-type]
        if first.kind == "$dff":
            node.initial = [
                number_of([self._initial.get(bit, "0") for bit in cell.output]) for cell in cells
            ]
        self._add(node, [cell.output for cell in cells])

    def _add(self, node: Node, outputs: list[list[Any]]) -> None:
        node.number = len(self.nodes)
        self.nodes.append(node)
        for lane, bits in enumerate(outputs):
            for at, bit in enumerate(bits):
                self.source[bit] = (node, lane, at)

    def divide(self, nodes: list[Node]) -> None:
        """Make nodes of several lanes into nodes of one."""
        for node in nodes:
            self.nodes[node.number] = Node([], "", 0, number=node.number)
            for cell in node.cells:
                self._node([cell])

    def memory(self, cell: Cell) -> tuple[Memory, int]:
        """The memory that a port of it belongs to, and its lane there."""
        return self.memories[cell.of]


def number_of(bits: list[Any]) -> int:
    """The number that constant bits are; what is undefined counts as zero."""
    return sum(1 << i for i, bit in enumerate(bits) if bit == "1")


def _init(net: dict[str, Any]) -> str:
    return net["attributes"].get("init", "")[::-1]


def _numbers(found: dict[str, Any]) -> dict[str, int | str]:
    return {
        name: int(value, 2) if re.fullmatch("[01]+", value) else value
        for name, value in found["parameters"].items()
    }


def _parts(names: list[str]) -> dict[str, int]:
    """Prefix of numbered parts -> how many there are, if they are numbered from 0 on."""
    found: dict[str, set[int]] = {}
    for name in names:
        match = _PART.fullmatch(name)
        if match:
            found.setdefault(match[1], set()).add(int(match[2]))
    return {prefix: len(n) for prefix, n in found.items() if n == set(range(len(n)))}


def _place(name: str, parts: dict[str, int], most: int) -> tuple[Any, int]:
    """What a name has in common with those of equal parts, and the part's number.

    The first is a tuple whose last element is the number of parts that are taken together, or the
    name itself if it is in no such part.
    """
    match = _PART.fullmatch(name)
    count = parts.get(match[1], 1) if match else 1
    if match is None or count == 1:
        return name, 0
    # Vectors have a power of two of elements; of nine parts one is left.
    together, lane = 1 << min(count, most).bit_length() - 1, int(match[2])
    return (match[1], match[3], together, lane // together), lane


def _pieces(cell: Cell) -> Iterator[Cell]:
    """A wide cell that treats its bits alike, cut into narrow ones."""
    ports = _SPLIT.get(cell.kind, "")
    width = len(cell.output)
    if width <= 32 or not ports or any(len(cell.ports[p]) % width for p in ports):
        if width > WIDEST and cell.kind != "$meminit_v2":
            raise unknown(f"cell {cell.name} ({cell.kind}) of {width} bits")
        yield cell
        return
    for low in range(0, width, 32):
        cut = {}
        for name in ports:
            bits = cell.ports[name]
            starts = range(0, len(bits), width)  # several of $pmux, one of all others
            cut[name] = [b for at in starts for b in bits[at : at + width][low : low + 32]]
        yield Cell(f"{cell.name}_{low}", cell.kind, cell.parameters, {**cell.ports, **cut})


def _words(cell: Cell, width: int) -> Iterator[Cell]:
    """A port of a wide memory, as ports of the narrow ones that it is cut into."""
    for low in range(0, width, 32):
        ports = dict(cell.ports)
        for name in ("DATA",) if cell.kind == "$memrd_v2" else ("DATA", "EN"):
            bits = ports[name]
            starts = range(0, len(bits), width)  # several of $meminit_v2, one of all others
            ports[name] = [b for at in starts for b in bits[at : at + width][low : low + 32]]
        parameters = {**cell.parameters, "MEMID": f"\\{cell.of}_{low}"}
        yield Cell(f"{cell.name}_{low}", cell.kind, parameters, ports)


def unknown(what: str) -> DeviceError:
    """The error for a circuit with something in it that is not understood."""
    return DeviceError(
        "the generated circuit cannot be translated",
        found=what,
        remedy='open "rtl?simulator=amaranth", and report the geometry as a bug',
    )
