"""What yosys' cells compute, in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .netlist import WIDEST, unknown
from .operands import Operands, Value, kind, literal, ones, storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from .netlist import Memory, Node


class Cells(Operands):
    """Writes the value of a combinational node; ``lanes`` is 0 for a scalar, ``size`` its bits."""

    def compute(self, node: Node, lanes: int, size: int) -> str:
        """The value of a node.

        Raises:
            DeviceError: its kind is not known.
        """
        write = _CELLS.get(node.kind)
        if write is None:
            raise unknown(f"cell {node.cells[0].name} of kind {node.kind}")
        return write(self, node, lanes, size)

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
        # Bits above the result's do not change those below.
        values = [
            self._spread(
                self._extended(self._operand(node, p), node.width, signed=signed, exact=False),
                lanes,
                size,
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
            mask = f"({'' if lanes else '-'}({self._type(lanes, inner)})({fits}))"
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
        self.lines.append(f"const uint32_t {name}[] = {{{', '.join(words)}, {zeros}}};")
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

    def reading(self, node: Node, lanes: int, size: int) -> str:
        """A memory's port without a register."""
        return self._reading(node, lanes, size)

    def _reading(self, node: Node, lanes: int, size: int) -> str:
        cells, (memory, first) = node.cells, self._netlist.memory(node.cells[0])
        if cells[0].parameters.get("TRANSPARENCY_MASK"):
            raise unknown(f"memory {memory.name}: a port that sees what is being written")
        address = self._operand(node, "ADDR")
        if not lanes:
            return f"c.m{memory.number}[{index(address.text, memory, first)}]"
        if not address.lanes:
            at = index(address.text, memory, first)
            return f"load<{self._type(lanes, size)}>(&c.m{memory.number}[{at}])"
        elements = (
            f"c.m{memory.number}[{index(f'{address.text}[{i}]', memory, first + i)}]"
            for i in range(lanes)
        )
        return f"({self._type(lanes, size)}{{{', '.join(elements)}}})"


def index(address: str, memory: Memory, lane: int) -> str:
    """Where an entry of a lane is in the array that holds all lanes' memories."""
    text = f"{address} * {memory.lanes}" if memory.lanes > 1 else address
    return f"{text} + {lane}" if lane else text


_COMPARE = {"$eq": "==", "$ne": "!=", "$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}

_CELLS: dict[str, Callable[[Cells, Node, int, int], str]] = {
    **dict.fromkeys(("$and", "$or", "$xor", "$xnor", "$not"), Cells.bitwise),
    **dict.fromkeys(("$add", "$sub", "$mul", "$neg", "$pos"), Cells.arithmetic),
    **dict.fromkeys(_COMPARE, Cells.comparison),
    **dict.fromkeys(
        ("$reduce_or", "$reduce_and", "$reduce_bool", "$reduce_xor", "$reduce_xnor", "$logic_not"),
        Cells.reduction,
    ),
    **dict.fromkeys(("$logic_and", "$logic_or"), Cells.logic),
    **dict.fromkeys(("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx"), Cells.shift),
    "$mux": Cells.choice,
    "$pmux": Cells.choices,
    "$memrd_v2": Cells.reading,
}
