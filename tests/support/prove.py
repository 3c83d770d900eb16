"""Theorems about parts of the hardware, for every input and all time, by an SMT solver.

A theorem is an Amaranth module that holds the part itself, inputs that may be anything in each
cycle, and what shall always be true. yosys writes it as formulas; the solver looks for inputs that
break it within ``depth`` cycles from the beginning, and for ``depth`` good cycles from *any* state
with a bad one behind them. If there is neither, it is true for ever: that is k-induction.
"""

from __future__ import annotations

import json
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Elaboratable, Module, Mux, Signal, Value

from spikeloom.backends.rtl.tools import run_yosys

_SCRIPT = """
read_rtlil top.il
hierarchy -top top
flatten
proc
chformal -lower
memory_nordff
memory_collect
opt_expr
opt_merge -share_all
opt_clean -purge
write_json top.json
write_smt2 top.smt2
"""
_SAID = re.compile(
    r"^\((declare|define)-fun (\|[^|]+)\| \((?:\|top_s\||\(state \|top_s\|\))\)"
    r" (Bool|\(_ BitVec \d+\)|\(Array \(_ BitVec \d+\) \(_ BitVec \d+\)\))((?:.|\n(?!\())*)\)$",
    re.MULTILINE,
)
_PRODUCT = re.compile(r"\(_ BitVec (\d+)\) \(bvmul ")


class Theorem(Elaboratable):
    """What shall be proved: ``m`` takes the parts, the methods below all else."""

    def __init__(self) -> None:
        self.m = Module()
        self.m.domains.sync = ClockDomain(reset_less=True)
        self.inputs: list[Value] = []
        self.constants: list[str] = []
        self.parts = 0

    def any(self, name: str, shape: Any = 1) -> Signal:
        """An input that may be another number in each cycle."""
        made = Signal(shape, name=name)
        self.inputs.append(Value.cast(made))
        return made

    def some(self, name: str, shape: Any = 1) -> Signal:
        """A number of which nothing is known but that it stays as it is."""
        self.constants.append(name)
        return self.any(name, shape)

    def drive(self, part: Any, *but: str) -> Module:
        """Add a part, all of whose inputs may be anything, except for those named: they are 0.

        Returns what it is made of.
        """
        name = f"part{self.parts}"
        self.parts += 1
        self.m.submodules[name] = part
        inside = part.elaborate(None)
        part.elaborate = lambda platform: inside
        for path, member, value in part.signature.flatten(part):
            if member.flow.name == "In" and path[0] not in but:
                port = Value.cast(value)
                self.m.d.comb += port.eq(self.any("__".join(map(str, (name, *path))), len(port)))
        return inside

    def let(self, value: Any) -> Signal:
        """A value that is used more than once."""
        named = Signal(Value.cast(value).shape(), name="let")
        self.m.d.comb += named.eq(value)
        return named

    def before(self, value: Any, cycles: int) -> Any:
        """A value as it was so many cycles ago; 0 before the beginning."""
        for _ in range(cycles):
            held = Signal(Value.cast(value).shape(), name="before")
            self.m.d.sync += held.eq(value)
            value = held
        return value

    def after(self, cycles: int) -> Value:
        """Whether so many cycles have passed."""
        age = Signal(range(cycles + 1))
        self.m.d.sync += age.eq(Mux(age == cycles, age, age + 1))
        return age == cycles

    def claim(self, statement: Any) -> None:
        """It is always true."""
        self.m.d.comb += Assert(statement)

    def given(self, statement: Any) -> None:
        """Only where it is true anything is claimed."""
        self.m.d.comb += Assume(statement)

    def elaborate(self, platform: Any) -> Module:
        """What has been said."""
        return self.m


needs_solver = pytest.mark.skipif(
    find_spec("bitwuzla") is None, reason="the solver is not installed (pip install bitwuzla)"
)


def broken(
    theorem: Theorem, depth: int = 1, *, products: bool = False, bounded: bool = False
) -> str | None:
    """How a theorem fails: "false", it is not so after some inputs; "unproved", from a state in
    which it has been true for ``depth`` cycles it need not stay true; or None: it is proved.

    Args:
        theorem: with ``depth`` 1 and no state in it, one look at all inputs.
        depth: cycles.
        products: of multiplications nothing is used but that equal factors have equal products,
            that signs are those of arithmetic, and what 0 and 4096 times a number are. What is
            proved of them so is true of multiplications, too.
        bounded: look at the first ``depth`` cycles only.
    """
    with tempfile.TemporaryDirectory() as folder:
        head, text = _formulas(theorem, Path(folder), products)
        for verdict, first in (("false", True), ("unproved", False))[: 2 - bounded]:
            if _satisfiable(head + _question(theorem, text, depth, first)):
                return verdict
    return None


def inner(inside: Module, name: str) -> Signal:
    """A signal of a part that is no port, for statements about what the part holds."""
    inside._flush()
    found = {
        id(signal): signal
        for statements in inside._statements.values()
        for statement in statements
        for signal in statement._lhs_signals()
        if signal.name == name
    }
    (signal,) = found.values()
    return signal


def _formulas(theorem: Theorem, folder: Path, products: bool) -> tuple[str, str]:
    circuit = rtlil.convert(theorem, name="top", ports=theorem.inputs, emit_src=False)
    (folder / "top.il").write_text(circuit)
    run_yosys(_SCRIPT, folder)
    text = (folder / "top.smt2").read_text()
    if not products:
        return "", text
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"].values()
    signs: dict[int, bool] = {}
    for cell in (cell for cell in cells if cell["type"] == "$mul"):
        a, b, y, signed = (
            int(cell["parameters"][name], 2)
            for name in ("A_WIDTH", "B_WIDTH", "Y_WIDTH", "A_SIGNED")
        )
        spare = any(cell["connections"][port][-1] == "0" for port in "AB") and signed
        assert y >= a + b - spare, f"a product of {a} and {b} bits is cut to {y}"
        signs[y] = signs.get(y, True) and bool(signed)
    head = "".join(_any_product(width, signed) for width, signed in sorted(signs.items()))
    return head, _PRODUCT.sub(r"(_ BitVec \1) (product\1 ", text)


def _any_product(width: int, signed: bool) -> str:
    """A multiplication of which little is known; its width is that of both factors together."""
    number, zero = f"(_ BitVec {width})", f"(_ bv0 {width})"
    made, whole = width, "(magnitudes{0} x y)"
    if signed:
        made, whole = width - 1, f"(concat #b0 {whole})"
    return f"""
(declare-fun magnitudes{width} ({number} {number}) (_ BitVec {made}))
(define-fun size{width} ((x {number})) {number} (ite (bvslt x {zero}) (bvneg x) x))
(define-fun product{width} ((a {number}) (b {number})) {number}
  (let ((x (size{width} a)) (y (size{width} b)))
  (let ((size (ite (or (= x {zero}) (= y {zero})) {zero}
              (ite (= y (_ bv4096 {width})) (bvshl x (_ bv12 {width}))
              {whole.format(width)}))))
  (ite (xor (bvslt a {zero}) (bvslt b {zero})) (bvneg size) size))))
"""


def _question(theorem: Theorem, formulas: str, depth: int, first: bool) -> str:
    """Is there a way to break it: within ``depth`` cycles, or after as many good ones?"""
    states = range(depth if first else depth + 1)
    lines = [_cycles(formulas, states[-1])]
    for i in states:
        lines.append(f"(assert |top_u@{i}|)")
        lines += [f"(assert (= |top_n {name}@0| |top_n {name}@{i}|))"
                  for name in theorem.constants if i]  # fmt: skip
    if first:
        lines.append("(assert |top_i@0|)")
        lines.append(f"(assert (not (and true {' '.join(f'|top_a@{i}|' for i in states)})))")
    else:
        lines += [f"(assert |top_a@{i}|)" for i in states[:-1]]
        lines.append(f"(assert (not |top_a@{states[-1]}|))")
    return "\n".join([*lines])


def _cycles(formulas: str, last: int) -> str:
    """What yosys says of any state, said of those of cycles 0 to ``last`` one after the other.

    A register's value is put in place as a formula of the cycle before, so that whatever is the
    same is seen to be the same.
    """
    text = re.sub(r" ;.*|^;.*", "", formulas, flags=re.MULTILINE)
    following = {
        name: value
        for value, name in re.findall(
            r"^  \(= (.*) \((\|top#\S+)\| next_state\)\)$", text, re.MULTILINE
        )
    }
    made = []
    for i in range(last + 1):
        for what, name, sort, value in _SAID.findall(text):
            if what == "declare":
                before = following.get(name) if i else None
                if before is None:
                    made.append(f"(declare-fun {name}@{i}| () {sort})")
                else:
                    made.append(f"(define-fun {name}@{i}| () {sort} {_at(before, i - 1)})")
            elif name != "|top_t":
                made.append(f"(define-fun {name}@{i}| () {sort} {_at(value, i)})")
    return "\n".join(made)


def _at(value: str, cycle: int) -> str:
    return re.sub(r"\((\|[^|]+)\| state\)", rf"\1@{cycle}|", value)


def _satisfiable(text: str) -> bool:
    import bitwuzla

    parser = bitwuzla.Parser(bitwuzla.TermManager(), bitwuzla.Options())
    parser.parse("(set-logic QF_AUFBV)\n" + text, True, False)
    answer = parser.bitwuzla().check_sat()
    assert answer in (bitwuzla.Result.SAT, bitwuzla.Result.UNSAT)
    return answer == bitwuzla.Result.SAT
