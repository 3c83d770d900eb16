"""A netlist as C++: one function that computes one clock cycle.

The text declares ``struct Circuit`` with a field per port, register and memory, and
``void step(Circuit &)``: what is combinational follows the inputs and registers, the outputs are
stored, then comes one rising clock edge. Numbers are in 32 or 64 bits and have no bits beyond their
width; a node of several lanes is a vector of GCC's and clang's (``vector_size``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .netlist import WIDEST, unknown
from .parts import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .netlist import Memory, Netlist, Node

_PLAIN = re.compile(r"(c\.)?\w+")
"""A name or a literal."""

HEAD = """\
#include <cstdint>
#include <cstring>

template <typename V, typename E> static inline V splat(E value) { return V{} + value; }
template <typename V> static inline V load(const void *from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
"""


@dataclass(frozen=True)
class Value:
    """An expression of C++.

    Attributes:
        text: the expression; it binds tighter than any operator.
        width: bits; those above are zero.
        lanes: elements, 0 for a scalar, which has the same value in all lanes.
        size: bits of an element, 32 or 64.
    """

    text: str
    width: int
    lanes: int = 0
    size: int = 32

    @property
    def kind(self) -> str:
        """Its type."""
        return kind(self.lanes, self.size)


def kind(lanes: int, size: int, *, signed: bool = False) -> str:
    """Name of a type."""
    if lanes:
        return f"{'i' if signed else 'u'}{size}x{lanes}"
    return f"{'' if signed else 'u'}int{size}_t"


def storage(width: int) -> int:
    """Bits of the elements that numbers of a width are kept in."""
    return 32 if width <= 32 else 64


def ones(width: int, size: int) -> str:
    """A literal with as many ones."""
    return literal((1 << width) - 1, size)


def literal(number: int, size: int) -> str:
    """A constant."""
    return f"{number:#x}u" if size == 32 else f"{number:#x}ull"


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


class _Writer:
    """Writes one design's function."""

    def __init__(self, netlist: Netlist) -> None:
        self._netlist = netlist
        self._parts = Parts(netlist, lambda node: sources(netlist, node, read_ports(node)))
        self._part = 0
        self._lines: list[str] = []
        self._fields: list[str] = []
        self._starts: list[str] = []
        self._types: set[tuple[int, int]] = set()
        self._values: dict[int, Value] = {}
        self._copies: dict[tuple[int, int], Value] = {}
        self._shared: dict[Any, Value] = {}
        self._readers: dict[int, int] = {}
        self._waiting: dict[int, str] = {}
        self._changes: set[tuple[int, int]] = set()
        self._count = 0

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
                self._lines.append(
                    f"if ({differ}) {{ c.{name} = {value.text}; c.active{part} = 1; }}"
                )
                self._copies[part, number] = replace(value, text=f"c.{name}")
        nodes = [n for n in live if parts.early.get(n.number) == level and parts.of(n) == part]
        if not nodes:
            return
        self._shared.clear()
        self._lines.append(f"if (c.active{part}) {{")
        for node in nodes:
            self._cone(node)
            if node.number not in self._values:
                self._compute(node)
        self._lines.append("}")
        for node in nodes:
            value = self._values[node.number]
            self._fields.append(f"{value.kind} e{node.number} = {{}};")
            self._values[node.number] = replace(value, text=f"c.e{node.number}")
        self._shared.clear()

    def _finish(self, part: int, nodes: list[Node]) -> None:
        """All else of a part that does not rest, up to its clock edge."""
        self._part = part
        gated = self._parts.count > 1
        before = len(self._lines)
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
            self._lines += [f"changed |= d{size}x{lanes}[{i}];" for i in range(lanes)]
        self._lines[before:before] = start
        self._lines += [f"c.active{part} = changed != 0;", "}"]

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
        self._lines.append(f"{value.text} = {following};")

    def _differs(self, text: str, lanes: int, size: int) -> None:
        """Note what is not 0 if a clock edge changes something."""
        if self._parts.count > 1:
            if lanes:
                self._changes.add((lanes, size))
            self._lines.append(f"{f'd{size}x{lanes}' if lanes else 'changed'} |= {text};")

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

    def _type(self, lanes: int, size: int) -> str:
        if lanes:
            self._types.add((lanes, size))
        return kind(lanes, size)

    def _name(self, type_: str, text: str) -> str:
        self._count += 1
        self._lines.append(f"const {type_} t{self._count} = {text};")
        return f"t{self._count}"

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
                *self._lines,
                "}",
                "",
            ]
        )

    # ------------------------------------------------------------------ operands

    def _operand(self, node: Node, port: str, low: int = 0, high: int | None = None) -> Value:
        """What is at a port, one element per lane; a scalar if all lanes have the same."""
        return self._bits([cell.ports[port][low:high] for cell in node.cells])

    def _bits(self, bits: list[list[Any]]) -> Value:
        """Nets as one value."""
        lanes = len(bits)
        width = len(bits[0])
        if width > WIDEST:
            raise unknown(f"a number of {width} bits")
        if all(other == bits[0] for other in bits):
            bits, lanes = bits[:1], 0
        key = (lanes, *map(tuple, bits))
        if key not in self._shared:
            size = storage(width)
            terms = [
                self._term([lane[low:high] for lane in bits], lanes, low, size)
                for low, high in self._runs(bits)
            ]
            terms = [term for term in terms if term]
            if not terms:
                value = Value(literal(0, size), width, 0, size)
            elif len(terms) == 1 and _PLAIN.fullmatch(terms[0]):
                return Value(terms[0], width, lanes, size)
            else:
                whole = self._type(lanes, size)
                value = Value(self._name(whole, " | ".join(terms)), width, lanes, size)
            self._shared[key] = value
        return self._shared[key]

    def _runs(self, bits: list[list[Any]]) -> list[tuple[int, int]]:
        """Ranges of bits that come from the same places in the same order."""
        if not bits[0]:
            return []
        cuts = [0]
        for i in range(1, len(bits[0])):
            if any(not self._follows(lane[i - 1], lane[i]) for lane in bits):
                cuts.append(i)
        return list(zip(cuts, [*cuts[1:], len(bits[0])], strict=True))

    def _follows(self, bit: Any, other: Any) -> bool:
        if isinstance(bit, str) or isinstance(other, str):
            return isinstance(bit, str) and isinstance(other, str)
        node, lane, at = self._netlist.source[bit]
        return self._netlist.source[other] == (node, lane, at + 1)

    def _term(self, bits: list[list[Any]], lanes: int, low: int, size: int) -> str:
        """A run of bits, moved to its place; empty for zeros."""
        width = len(bits[0])
        if not lanes:
            return self._scalar_term(bits[0], low, size)
        if all(lane == bits[0] for lane in bits):
            text = self._scalar_term(bits[0], low, size)
            return text and f"splat<{self._type(lanes, size)}>({text})"
        places = [None if isinstance(b[0], str) else self._netlist.source[b[0]] for b in bits]
        first = places[0]
        if first and all(
            p == (first[0], lane, first[2]) for lane, p in enumerate(places)
        ) and len(first[0].cells) == lanes:  # fmt: skip
            return self._moved(self._value(first[0]), first[2], width, low, size)
        elements = (self._scalar_term(b, low, size) or "0" for b in bits)
        return f"({self._type(lanes, size)}{{{', '.join(elements)}}})"

    def _scalar_term(self, bits: list[Any], low: int, size: int) -> str:
        if isinstance(bits[0], str):
            number = sum(1 << i for i, bit in enumerate(bits) if bit == "1")
            return number and literal(number << low, size) or ""
        node, lane, at = self._netlist.source[bits[0]]
        value = self._value(node)
        if value.lanes:
            value = Value(f"{value.text}[{lane}]", value.width, 0, value.size)
        return self._moved(value, at, len(bits), low, size)

    def _moved(self, value: Value, at: int, width: int, low: int, size: int) -> str:
        """Bits of a value from ``at`` on, at bit ``low`` of a larger number."""
        text = value.text
        if at:
            text = f"({text} >> {at})"
        if at + width < value.width:
            text = f"({text} & {ones(width, value.size)})"
        text = self._sized(Value(text, width, value.lanes, value.size), size).text
        return f"({text} << {low})" if low else text

    def _sized(self, value: Value, size: int) -> Value:
        """The same number in elements of another size."""
        if value.size == size:
            return value
        to = self._type(value.lanes, size)
        if value.lanes:
            text = f"__builtin_convertvector({value.text}, {to})"
        else:
            text = f"(({to}){value.text})"
        return Value(text, value.width, value.lanes, size)

    def _spread(self, value: Value, lanes: int, size: int) -> str:
        """A value as a vector if there are lanes."""
        value = self._sized(value, size)
        if lanes and not value.lanes:
            return f"splat<{self._type(lanes, size)}>({value.text})"
        return value.text

    def _extended(self, value: Value, width: int, *, signed: bool, size: int = 0) -> Value:
        """A number of more bits, or the lower bits of one."""
        size = size or storage(width)
        if value.width >= width:
            if value.width == width:
                return self._sized(value, size)
            text = f"({value.text} & {ones(width, value.size)})"
            return self._sized(Value(text, width, value.lanes, value.size), size)
        value = self._sized(value, size)
        if not signed:
            return Value(value.text, width, value.lanes, size)
        sign = literal(1 << (value.width - 1), size)
        text = f"((({value.text} ^ {sign}) - {sign})"
        text += f" & {ones(width, size)})" if width < size else ")"
        return Value(text, width, value.lanes, size)

    # ------------------------------------------------------------------ cells

    def _compute(self, node: Node) -> None:
        """A combinational node."""
        lanes, size = len(node.cells) if len(node.cells) > 1 else 0, storage(node.width)
        write = _CELLS.get(node.kind)
        if write is None:
            raise unknown(f"cell {node.cells[0].name} of kind {node.kind}")
        text = write(self, node, lanes, size)
        name = self._name(self._type(lanes, size), text)
        if node.number in self._parts.early:
            self._lines.append(f"c.e{node.number} = {name};")
        self._values[node.number] = Value(name, node.width, lanes, size)
        self._read(node)

    def bitwise(self, node: Node, lanes: int, size: int) -> str:
        """and, or, xor, xnor, not."""
        ports = "AB" if "B" in node.cells[0].ports else "A"
        signed = all(node.signed[: len(ports)])
        values = [
            self._spread(
                self._extended(self._operand(node, p), node.width, signed=signed), lanes, size
            )
            for p in ports
        ]
        operator = {"$and": " & ", "$or": " | "}.get(node.kind, " ^ ")
        text = operator.join(values)
        if node.kind in ("$not", "$xnor"):
            text = f"({text}) ^ {ones(node.width, size)}"
        return text

    def arithmetic(self, node: Node, lanes: int, size: int) -> str:
        """add, sub, mul, neg."""
        ports = "AB" if "B" in node.cells[0].ports else "A"
        signed = all(node.signed[: len(ports)])
        values = [
            self._spread(
                self._extended(self._operand(node, p), node.width, signed=signed), lanes, size
            )
            for p in ports
        ]
        operator = {"$add": "+", "$sub": "-", "$mul": "*", "$neg": "-", "$pos": "+"}[node.kind]
        text = f" {operator} ".join(values) if len(values) == 2 else f"{operator}{values[0]}"
        return text if node.width == size else f"({text}) & {ones(node.width, size)}"

    def comparison(self, node: Node, lanes: int, size: int) -> str:
        """eq, ne, lt, le, gt, ge."""
        width = max(len(node.cells[0].ports[p]) for p in "AB")
        if width > WIDEST and node.kind in ("$eq", "$ne") and not any(node.signed):
            return self._wide_equal(node, lanes, width)
        signed = all(node.signed)
        inner = storage(width)
        values = [
            self._spread(self._extended(self._operand(node, p), width, signed=signed), lanes, inner)
            for p in "AB"
        ]
        operator = _COMPARE[node.kind]
        if signed and operator not in ("==", "!="):
            sign = literal(1 << (width - 1), inner)
            values = [f"({value} ^ {sign})" for value in values]
        return self._truth(f"{values[0]} {operator} {values[1]}", lanes, inner)

    def _wide_equal(self, node: Node, lanes: int, width: int) -> str:
        padded = {
            p: [[*c.ports[p], *["0"] * (width - len(c.ports[p]))] for c in node.cells] for p in "AB"
        }
        parts = []
        for low in range(0, width, 32):
            a, b = (self._bits([lane[low : low + 32] for lane in padded[p]]) for p in "AB")
            parts.append(f"({self._spread(a, lanes, 32)} ^ {self._spread(b, lanes, 32)})")
        return self._truth(f"({' | '.join(parts)}) {_COMPARE[node.kind]} 0", lanes, 32)

    def _truth(self, comparison: str, lanes: int, size: int) -> str:
        """A comparison as 0 or 1."""
        if not lanes:
            return comparison
        to = self._type(lanes, size)
        text = f"(({to})({comparison}) & 1)"
        return self._sized(Value(text, 1, lanes, size), 32).text

    def reduction(self, node: Node, lanes: int, size: int) -> str:
        """reduce_or, reduce_and, reduce_bool, reduce_xor, logic_not."""
        width = len(node.cells[0].ports["A"])
        parts = [self._operand(node, "A", low, low + 32) for low in range(0, width, 32)]
        spread = [self._spread(part, lanes, 32) for part in parts]
        if node.kind == "$reduce_and":
            wrong = (f"({t} ^ {ones(p.width, 32)})" for t, p in zip(spread, parts, strict=True))
            return self._truth(f"({' | '.join(wrong)}) == 0", lanes, 32)
        if node.kind in ("$reduce_xor", "$reduce_xnor"):
            text = self._name(self._type(lanes, 32), " ^ ".join(spread))
            for shift in (16, 8, 4, 2, 1):
                text = self._name(self._type(lanes, 32), f"{text} ^ ({text} >> {shift})")
            return f"({text} & 1)" + " ^ 1" * (node.kind == "$reduce_xnor")
        operator = "==" if node.kind == "$logic_not" else "!="
        return self._truth(f"({' | '.join(spread)}) {operator} 0", lanes, 32)

    def logic(self, node: Node, lanes: int, size: int) -> str:
        """logic_and, logic_or."""
        found = []
        for port in "AB":
            value = self._operand(node, port)
            text = f"{self._spread(value, lanes, value.size)} != 0"
            found.append(f"({self._truth(text, lanes, value.size)})")
        return (" & " if node.kind == "$logic_and" else " | ").join(found)

    def shift(self, node: Node, lanes: int, size: int) -> str:
        """shl, shr, sshl, sshr, and shift and shiftx by what is not negative."""
        if node.kind in ("$shift", "$shiftx") and node.signed[1]:
            raise unknown(f"cell {node.cells[0].name}: shifted by a signed number")
        left = node.kind in ("$shl", "$sshl")
        amount = self._operand(node, "B")
        width = node.width if left else max(node.width, len(node.cells[0].ports["A"]))
        if width > WIDEST and not (left or lanes or node.signed[0]):
            return self._chosen(node, amount, width, size)
        if width > WIDEST or amount.size > 32:
            raise unknown(f"cell {node.cells[0].name}: {width} bits are shifted")
        inner = storage(width)
        value = self._extended(self._operand(node, "A"), width, signed=node.signed[0])
        text = self._spread(value, lanes, inner)
        if node.kind == "$sshr" and node.signed[0]:
            full = self._extended(self._operand(node, "A"), inner, signed=True, size=inner)
            self._type(lanes, inner)
            text = f"(({kind(lanes, inner, signed=True)}){self._spread(full, lanes, inner)})"
        by = self._spread(amount, lanes, inner)
        if (1 << amount.width) > inner:
            large = self._operand(node, "B")
            fits = self._spread(large, lanes, inner) + f" < {literal(inner, inner)}"
            mask = f"({self._type(lanes, inner)})({fits})" if lanes else f"-({kind(0, inner)})({fits})"
            by = f"({by} & {inner - 1})"
            if node.kind == "$sshr" and node.signed[0]:
                raise unknown(f"cell {node.cells[0].name}: shifted by a large number")
            text = f"(({text} {'<<' if left else '>>'} {by}) & {mask})"
        else:
            text = f"({text} {'<<' if left else '>>'} {by})"
        text = f"(({self._type(lanes, inner)}){text} & {ones(node.width, inner)})"
        return self._sized(Value(text, node.width, lanes, inner), size).text

    def _chosen(self, node: Node, amount: Value, width: int, size: int) -> str:
        """The lower bits of a long number that is shifted to the right."""
        words = [self._operand(node, "A", low, low + 32).text for low in range(0, width, 32)]
        self._count += 1
        name = f"w{self._count}"
        some = len(words)
        zeros = "0, " * ((node.width + 31) // 32 + 1)
        self._lines.append(f"const uint32_t {name}[] = {{{', '.join(words)}, {zeros}}};")
        by = self._name("uint64_t", amount.text)
        at = self._name("uint64_t", f"{by} < {32 * some} ? {by} >> 5 : {some}")
        low = f"({name}[{at}] | (uint64_t){name}[{at} + 1] << 32)"
        if node.width > 32:
            raise unknown(f"cell {node.cells[0].name}: {node.width} bits of {width} are chosen")
        return f"(uint32_t)({low} >> ({by} & 31)) & {ones(node.width, 32)}"

    def choice(self, node: Node, lanes: int, size: int) -> str:
        """mux: B if S, else A."""
        a, b, s = (self._operand(node, port) for port in "ABS")
        if not lanes:
            return f"{s.text} ? {b.text} : {a.text}"
        mask = self._mask(s, lanes, size)
        zero = literal(0, size)
        parts = []
        if b.text != zero:
            parts.append(f"({self._spread(b, lanes, size)} & {mask})")
        if a.text != zero:
            parts.append(f"({self._spread(a, lanes, size)} & ~{mask})")
        return " | ".join(parts) or f"splat<{self._type(lanes, size)}>({zero})"

    def _mask(self, value: Value, lanes: int, size: int) -> str:
        """All bits of an element as the only bit of a value."""
        key = ("mask", value.text, lanes, size)
        if key not in self._shared:
            spread = self._spread(value, lanes, size)
            name = self._name(self._type(lanes, size), f"-{spread}")
            self._shared[key] = Value(name, size, lanes, size)
        return self._shared[key].text

    def choices(self, node: Node, lanes: int, size: int) -> str:
        """pmux: the part of B whose bit of S is set, A if none is."""
        width = node.width
        text = self._spread(self._operand(node, "A"), lanes, size)
        for i in range(len(node.cells[0].ports["S"])):
            s = self._operand(node, "S", i, i + 1)
            b = self._spread(self._operand(node, "B", i * width, (i + 1) * width), lanes, size)
            if lanes:
                mask = self._mask(s, lanes, size)
                text = f"(({b} & {mask}) | ({text} & ~{mask}))"
            else:
                text = f"({s.text} ? {b} : {text})"
        return text

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

    def reading(self, node: Node, lanes: int, size: int) -> str:
        """A memory's port without a register."""
        return self._reading(node, lanes, size)

    def _reading(self, node: Node, lanes: int, size: int) -> str:
        cells, (memory, first) = node.cells, self._netlist.memory(node.cells[0])
        if cells[0].parameters.get("TRANSPARENCY_MASK"):
            raise unknown(f"memory {memory.name}: a port that sees what is being written")
        address = self._operand(node, "ADDR")
        if not lanes:
            return f"c.m{memory.number}[{_index(address.text, memory, first)}]"
        if not address.lanes:
            at = _index(address.text, memory, first)
            return f"load<{self._type(lanes, size)}>(&c.m{memory.number}[{at}])"
        elements = (
            f"c.m{memory.number}[{_index(f'{address.text}[{i}]', memory, first + i)}]"
            for i in range(lanes)
        )
        return f"({self._type(lanes, size)}{{{', '.join(elements)}}})"

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
            at = _index(address.text, memory, first)
            self._lines.append(f"if ({enable.text}) {place}[{at}] = {data.text};")
            self._differs(enable.text, 0, 32)
            return
        whole = f"const {self._type(lanes, size)} d = {self._spread(data, lanes, size)};"
        if not address.lanes and not enable.lanes:
            at = _index(address.text, memory, first)
            store = f"std::memcpy(&{place}[{at}], &d, sizeof d);"
            self._lines.append(f"if ({enable.text}) {{ {whole} {store} }}")
            self._differs(enable.text, 0, 32)
            return
        words = (1 << max(1, (memory.depth - 1).bit_length())) * memory.lanes
        offsets = ", ".join(str(first + i) for i in range(lanes))
        u32 = self._type(lanes, 32)
        index = f"{self._spread(address, lanes, 32)} * {memory.lanes} + {u32}{{{offsets}}}"
        mask = self._mask(enable, lanes, 32)
        self._differs(mask, lanes, 32)
        stores = "".join(f" {place}[a[{i}]] = d[{i}];" for i in range(lanes))
        self._lines.append(
            f"{{ const {u32} a = (({index}) & {mask}) | ({words}u & ~{mask}); {whole}{stores} }}"
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
        self._lines.append(f"c.{name} = {self._bits([bits]).text};")
        self._part = 0


def _index(address: str, memory: Memory, lane: int) -> str:
    text = f"{address} * {memory.lanes}" if memory.lanes > 1 else address
    return f"{text} + {lane}" if lane else text


_COMPARE = {"$eq": "==", "$ne": "!=", "$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}

_CELLS: dict[str, Callable[[_Writer, Node, int, int], str]] = {
    **dict.fromkeys(("$and", "$or", "$xor", "$xnor", "$not"), _Writer.bitwise),
    **dict.fromkeys(("$add", "$sub", "$mul", "$neg", "$pos"), _Writer.arithmetic),
    **dict.fromkeys(_COMPARE, _Writer.comparison),
    **dict.fromkeys(
        ("$reduce_or", "$reduce_and", "$reduce_bool", "$reduce_xor", "$reduce_xnor", "$logic_not"),
        _Writer.reduction,
    ),
    **dict.fromkeys(("$logic_and", "$logic_or"), _Writer.logic),
    **dict.fromkeys(("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx"), _Writer.shift),
    "$mux": _Writer.choice,
    "$pmux": _Writer.choices,
    "$memrd_v2": _Writer.reading,
}
