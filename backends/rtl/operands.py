"""Numbers of a netlist as expressions of C++: bits gathered from where they are driven.

Numbers are in elements of 32 or 64 bits and have no bits beyond their width. A scalar among vectors
is a number that is the same in all lanes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .netlist import WIDEST, unknown

if TYPE_CHECKING:
    from .netlist import Netlist, Node

_PLAIN = re.compile(r"(c\.)?\w+")
"""A name or a literal."""


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


class Operands:
    """Writes what is at the ports of cells.

    Args:
        netlist: the design.

    Attributes:
        lines: the statements so far.
    """

    def __init__(self, netlist: Netlist) -> None:
        self._netlist = netlist
        self.lines: list[str] = []
        self._types: set[tuple[int, int]] = set()
        self._shared: dict[Any, Value] = {}
        self._count = 0

    def _value(self, node: Node) -> Value:
        """A node's value, where it can be read now."""
        raise NotImplementedError

    def _type(self, lanes: int, size: int) -> str:
        if lanes:
            self._types.add((lanes, size))
        return kind(lanes, size)

    def _name(self, type_: str, text: str) -> str:
        self._count += 1
        self.lines.append(f"const {type_} t{self._count} = {text};")
        return f"t{self._count}"

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
        """Ranges of bits that come from the same places in the same order, or all from one."""
        found: list[tuple[int, int]] = []
        width, low = len(bits[0]), 0
        while low < width:
            high = low + 1
            if not isinstance(bits[0][low], str):
                while high < width and all(lane[high] == lane[low] for lane in bits):
                    high += 1
            if high == low + 1:
                while high < width and all(self._follows(b[high - 1], b[high]) for b in bits):
                    high += 1
            found.append((low, high))
            low = high
        return found

    def _follows(self, bit: Any, other: Any) -> bool:
        if isinstance(bit, str) or isinstance(other, str):
            return isinstance(bit, str) and isinstance(other, str)
        node, lane, at = self._netlist.source[bit]
        return self._netlist.source[other] == (node, lane, at + 1)

    def _term(self, bits: list[list[Any]], lanes: int, low: int, size: int) -> str:
        """A run of bits, moved to its place; empty for zeros."""
        width = len(bits[0])
        if width > 1 and not isinstance(bits[0][0], str) and bits[0][0] == bits[0][1]:
            one = self._term([lane[:1] for lane in bits], lanes, 0, size)
            text = f"(-{one} & {ones(width, size)})"
            return f"({text} << {low})" if low else text
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
            return literal(number << low, size) if number else ""
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

    def _extended(
        self, value: Value, width: int, *, signed: bool, size: int = 0, exact: bool = True
    ) -> Value:
        """A number of more bits, or the lower bits of one; if not exact, with any bits above."""
        size = size or storage(width)
        if value.width >= width:
            if value.width == width or not exact:
                return self._sized(value, size)
            text = f"({value.text} & {ones(width, value.size)})"
            return self._sized(Value(text, width, value.lanes, value.size), size)
        value = self._sized(value, size)
        if not signed:
            return Value(value.text, width, value.lanes, size)
        sign = literal(1 << (value.width - 1), size)
        text = f"((({value.text} ^ {sign}) - {sign})"
        text += f" & {ones(width, size)})" if width < size and exact else ")"
        return Value(text, width, value.lanes, size)

    def _mask(self, value: Value, lanes: int, size: int) -> str:
        """All bits of an element as the only bit of a value."""
        key = ("mask", value.text, lanes, size)
        if key not in self._shared:
            spread = self._spread(value, lanes, size)
            name = self._name(self._type(lanes, size), f"-{spread}")
            self._shared[key] = Value(name, size, lanes, size)
        return self._shared[key].text
