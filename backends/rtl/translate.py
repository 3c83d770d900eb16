"""A netlist as C++: one function that computes one clock cycle.

The text declares ``struct Circuit`` with a field per port, register and memory, and
``void step(Circuit &)``: what is combinational follows the inputs and registers, the outputs are
stored, then comes one rising clock edge. Numbers are in 32 or 64 bits and have no bits beyond their
width; a node of several lanes is a vector of GCC's and clang's (``vector_size``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cells import Cells, index
from .netlist import unknown
from .operands import Value, kind, literal, storage
from .parts import Parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .netlist import Netlist, Node

HEAD = """\
#include <cstdint>
#include <cstring>

template <typename V, typename E> static inline V splat(E value) { return V{} + value; }
template <typename V> static inline V load(const void *from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <typename V> static inline bool any(V value) {
    uint64_t parts[sizeof value / 8], found = 0;
    std::memcpy(parts, &value, sizeof value);
    for (uint64_t part : parts) found |= part;
    return found != 0;
}
"""


def translate(netlist: Netlist) -> str:
    """The C++ text of a design.

    Raises:
        DeviceError: the design has a loop without a register, or cells that are not known.
    """
    while True:
        found = _Order(netlist).loop()
        divisible = [node for node in found if len(node.cells) > 1]
        if not found:
            return _Writer(netlist).text()
        if not divisible:
            raise unknown(f"a loop without a register through {found[0].cells[0].name}")
        netlist.divide(divisible)


def read_ports(node: Node) -> list[str]:
    """The ports of a node's cells that its value depends on, at once or at the clock edge."""
    ports = node.cells[0].ports if node.cells else {}
    return [name for name in ports if name in ("A", "B", "S", "D", "ADDR", "EN", "DATA")
            and not (name == "DATA" and node.kind == "$memrd_v2")]  # fmt: skip


def sources(netlist: Netlist, node: Node, ports: Sequence[str]) -> list[Node]:
    """The nodes that drive these ports."""
    found: dict[int, Node] = {}
    for cell in node.cells:
        for port in ports:
            for bit in cell.ports[port]:
                if not isinstance(bit, str):
                    source = netlist.source[bit][0]
                    found[source.number] = source
    return list(found.values())


class _Order:
    """Looks for loops: equal parts that depend on each other."""

    def __init__(self, netlist: Netlist) -> None:
        self._netlist = netlist

    def loop(self) -> list[Node]:
        """Nodes of a loop, or none."""
        state: dict[int, int] = {}  # 1: on the path, 2: done
        for start in self._netlist.nodes:
            if not start.kind or start.number in state:
                continue
            path: list[tuple[Node, list[Node]]] = [(start, self._before(start))]
            state[start.number] = 1
            while path:
                node, rest = path[-1]
                if not rest:
                    state[node.number] = 2
                    path.pop()
                    continue
                following = rest.pop()
                seen = state.get(following.number)
                if seen == 1:
                    nodes = [n for n, _ in path]
                    return nodes[nodes.index(following) :]
                if seen is None:
                    state[following.number] = 1
                    path.append((following, self._before(following)))
        return []

    def _before(self, node: Node) -> list[Node]:
        if not node.cells or node.keeps:
            return []
        return sources(self._netlist, node, read_ports(node))


class _Writer(Cells):
    """Writes one design's function."""

    def __init__(self, netlist: Netlist) -> None:
        super().__init__(netlist)
        self._parts = Parts(netlist, lambda node: sources(netlist, node, read_ports(node)))
        self._part = 0
        self._fields: list[str] = []
        self._starts: list[str] = []
        self._values: dict[int, Value] = {}
        self._copies: dict[tuple[int, int], Value] = {}
        self._readers: dict[int, int] = {}
        self._waiting: dict[int, str] = {}
        self._changes: set[tuple[int, int]] = set()

    # ------------------------------------------------------------------ the order of things

    def text(self) -> str:
        """The whole text."""
        net, parts = self._netlist, self._parts
        live = [node for node in net.nodes if node.kind]
        self._declare([node for node in live if node.cells and node.keeps])
        for node in live:
            if node.number not in parts.early:
                for source in self._sources(node):
                    self._readers[source.number] = self._readers.get(source.number, 0) + 1
        if parts.count > 1:
            for level in range(parts.levels):
                for part in range(parts.count):
                    self._early(level, part, live)
        for name, bits in net.outputs.items():
            self._output(name, bits)
        for part in range(parts.count):
            self._finish(part, [node for node in live if node.cells and parts.of(node) == part])
        return self._assemble()

    def _early(self, level: int, part: int, live: list[Node]) -> None:
        """What a part gets from others at a level, and what others get from it then."""
        parts = self._parts
        self._part = part
        for (to, number), at in parts.crossings.items():
            if (to, at) == (part, level):
                value = self._values[number]
                name = f"x{part}_{number}"
                self._fields.append(f"{self._type(value.lanes, value.size)} {name} = {{}};")
                differ = f"c.{name} != {value.text}"
                if value.lanes:
                    differ = f"std::memcmp(&c.{name}, &{value.text}, sizeof c.{name})"
                self.lines.append(
                    f"if ({differ}) {{ c.{name} = {value.text}; c.active{part} = 1; }}"
                )
                self._copies[part, number] = replace(value, text=f"c.{name}")
        nodes = [n for n in live if parts.early.get(n.number) == level and parts.of(n) == part]
        if not nodes:
            return
        self._shared.clear()
        self.lines.append(f"if (c.active{part}) {{")
        for node in nodes:
            self._cone(node)
            if node.number not in self._values:
                self._compute(node)
        self.lines.append("}")
        for node in nodes:
            value = self._values[node.number]
            self._fields.append(f"{value.kind} e{node.number} = {{}};")
            self._values[node.number] = replace(value, text=f"c.e{node.number}")
        self._shared.clear()

    def _finish(self, part: int, nodes: list[Node]) -> None:
        """All else of a part that does not rest, up to its clock edge."""
        self._part = part
        gated = self._parts.count > 1
        before = len(self.lines)
        self._changes.clear()
        if gated:
            self._shared.clear()
        for node in nodes:
            if node.keeps:
                self._next(node)
        writes = [node for node in nodes if node.kind == "$memwr_v2"]
        for node in writes:
            self._cone(node)
        for node in writes:
            self._write(node)
            self._read(node)
        for target in list(self._waiting):
            self._commit(target)
        if not gated:
            return
        start = [f"if (c.active{part}) {{", "uint64_t changed = 0;"]
        for lanes, size in self._changes:
            start.append(f"{kind(lanes, size)} d{size}x{lanes} = {{}};")
            self.lines += [f"changed |= d{size}x{lanes}[{i}];" for i in range(lanes)]
        self.lines[before:before] = start
        self.lines += [f"c.active{part} = changed != 0;", "}"]

    def _cone(self, node: Node) -> None:
        """Compute everything that a node's ports need."""
        stack = [(node, iter(self._sources(node)))]
        while stack:
            at, rest = stack[-1]
            following = next((s for s in rest if s.number not in self._values), None)
            if following is not None:
                stack.append((following, iter(self._sources(following))))
                continue
            stack.pop()
            if at is not node and at.number not in self._values:
                self._compute(at)

    def _sources(self, node: Node) -> list[Node]:
        """The nodes of the same part that a node reads."""
        part = self._parts.of(node)
        found = sources(self._netlist, node, read_ports(node))
        return [source for source in found if not self._parts.crosses(source, part)]

    def _value(self, node: Node) -> Value:
        """A node's value, as the part that is being written sees it."""
        return self._copies.get((self._part, node.number)) or self._values[node.number]

    def _read(self, node: Node) -> None:
        """A node has looked at its sources: registers that nobody reads any more may go on."""
        if node.number in self._parts.early:
            return
        for source in self._sources(node):
            self._readers[source.number] -= 1
            if not self._readers[source.number] and source.number in self._waiting:
                self._commit(source.number)

    def _commit(self, number: int) -> None:
        value, following = self._values[number], self._waiting.pop(number)
        if self._parts.count > 1:
            following = self._name(value.kind, following)
            self._differs(f"{following} ^ {value.text}", value.lanes, value.size)
        self.lines.append(f"{value.text} = {following};")

    def _differs(self, text: str, lanes: int, size: int) -> None:
        """Note what is not 0 if a clock edge changes something."""
        if self._parts.count > 1:
            if lanes:
                self._changes.add((lanes, size))
            self.lines.append(f"{f'd{size}x{lanes}' if lanes else 'changed'} |= {text};")

    def _next(self, node: Node) -> None:
        """What a register takes at the edge; kept aside while its old value is still wanted."""
        self._cone(node)
        value = self._values[node.number]
        following = self._following(node)
        own = node in self._sources(node)
        others = self._readers.get(node.number, 0) - own
        self._waiting[node.number] = self._name(value.kind, following) if others else following
        if not others:
            self._commit(node.number)
        self._read(node)

    # ------------------------------------------------------------------ declarations

    def _declare(self, registers: list[Node]) -> None:
        for name, node in self._netlist.ports.items():
            size = storage(node.width)
            self._fields.append(f"{kind(0, size)} {name} = 0;")
            self._values[node.number] = Value(f"c.{name}", node.width, 0, size)
        for name, bits in self._netlist.outputs.items():
            self._fields.append(f"{kind(0, storage(len(bits)))} {name} = 0;")
        for node in registers:
            lanes, size = len(node.cells) if len(node.cells) > 1 else 0, storage(node.width)
            name = f"r{node.number}"
            start = ", ".join(literal(value, size) for value in node.initial)
            self._fields.append(f"{self._type(lanes, size)} {name} = {{{start}}};")
            self._values[node.number] = Value(f"c.{name}", node.width, lanes, size)
        if self._parts.count > 1:
            self._fields += [f"uint32_t active{part} = 1;" for part in range(self._parts.count)]
        memories = {memory.number: memory for memory, _ in self._netlist.memories.values()}
        for memory in memories.values():
            words = (1 << max(1, (memory.depth - 1).bit_length())) * memory.lanes
            # One word more, for writes that are not enabled.
            name = f"m{memory.number}"
            self._fields.append(f"{kind(0, storage(memory.width))} {name}[{words + 1}] = {{}};")
            self._starts += [f"{name}[{i}] = {value:#x}ull;" for i, value in memory.initial.items()]

    def _assemble(self) -> str:
        types = [
            f"typedef {'u' * (sign == 'u')}int{size}_t {sign}{size}x{lanes}"
            f" __attribute__((vector_size({lanes * size // 8})));"
            for lanes in sorted({lanes for lanes, _ in self._types})
            for size in (32, 64)
            for sign in "ui"
        ]
        return "\n".join(
            [
                HEAD,
                *types,
                "struct Circuit {",
                *self._fields,
                "Circuit() {",
                *self._starts,
                "}",
                "};",
                "static void step(Circuit &c) {",
                *self.lines,
                "}",
                "",
            ]
        )

    # ------------------------------------------------------------------ cells

    def _compute(self, node: Node) -> None:
        """A combinational node."""
        lanes, size = len(node.cells) if len(node.cells) > 1 else 0, storage(node.width)
        name = self._name(self._type(lanes, size), self.compute(node, lanes, size))
        if node.number in self._parts.early:
            self.lines.append(f"c.e{node.number} = {name};")
        self._values[node.number] = Value(name, node.width, lanes, size)
        self._read(node)

    # ------------------------------------------------------------------ registers and memories

    def _following(self, node: Node) -> str:
        """What a register holds after the edge."""
        value = self._values[node.number]
        lanes, size = value.lanes, value.size
        if node.kind == "$dff":
            return self._spread(self._operand(node, "D"), lanes, size)
        read, enable = self._reading(node, lanes, size), self._operand(node, "EN")
        if enable.text == "0x1u":
            return read
        if not lanes:
            return f"{enable.text} ? {read} : {value.text}"
        mask = self._mask(enable, lanes, size)
        return f"({read} & {mask}) | ({value.text} & ~{mask})"

    def _write(self, node: Node) -> None:
        """A memory's port that writes at the edge; all reading ports have read."""
        lanes = len(node.cells) if len(node.cells) > 1 else 0
        memory, first = self._netlist.memory(node.cells[0])
        size = storage(memory.width)
        address, data = (self._operand(node, port) for port in ("ADDR", "DATA"))
        if any(bit != cell.ports["EN"][0] for cell in node.cells for bit in cell.ports["EN"]):
            raise unknown(f"memory {memory.name}: written in parts")
        enable = self._operand(node, "EN", 0, 1)
        place = f"c.m{memory.number}"
        if not lanes:
            at = index(address.text, memory, first)
            self.lines.append(f"if ({enable.text}) {place}[{at}] = {data.text};")
            self._differs(enable.text, 0, 32)
            return
        whole = f"const {self._type(lanes, size)} d = {self._spread(data, lanes, size)};"
        if not address.lanes and not enable.lanes:
            at = index(address.text, memory, first)
            store = f"std::memcpy(&{place}[{at}], &d, sizeof d);"
            self.lines.append(f"if ({enable.text}) {{ {whole} {store} }}")
            self._differs(enable.text, 0, 32)
            return
        words = (1 << max(1, (memory.depth - 1).bit_length())) * memory.lanes
        offsets = ", ".join(str(first + i) for i in range(lanes))
        u32 = self._type(lanes, 32)
        places = f"{self._spread(address, lanes, 32)} * {memory.lanes} + {u32}{{{offsets}}}"
        mask = self._mask(enable, lanes, 32)
        self._differs(mask, lanes, 32)
        stores = "".join(f" {place}[a[{i}]] = d[{i}];" for i in range(lanes))
        # Most ports write seldom, and none of their lanes does then.
        some = f"any({enable.text})" if enable.lanes else enable.text
        self.lines.append(
            f"if ({some}) {{"
            f" const {u32} a = (({places}) & {mask}) | ({words}u & ~{mask}); {whole}{stores} }}"
        )

    def _output(self, name: str, bits: list[Any]) -> None:
        """What an output shows in this cycle."""
        for bit in bits:
            if not isinstance(bit, str):
                node = self._netlist.source[bit][0]
                if node.number not in self._values:
                    self._cone(node)
                    self._compute(node)
        self._part = -1  # outputs see every part's own values
        self.lines.append(f"c.{name} = {self._bits([bits]).text};")
        self._part = 0
