"""The language of learning rules: from text to tokens to a sum of products.

A recursive-descent parser, no ``eval``. Grammar::

    sum     = term {("+" | "-") term}
    term    = signed {"*" signed}
    signed  = ("+" | "-") signed | power
    power   = atom ["^" signed]
    atom    = number | name | "sgn" "(" sum ")" | "(" sum ")"

``rule_algebra.py`` does the arithmetic; this file knows where in the text things are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NoReturn

from .microcode import MAX_PERIOD_LOG2, Condition, Factor
from .origin import did_you_mean
from .rule_algebra import Limits, Sum, TooManyProductsError, Unsummable

NAMES: dict[str, Factor] = {
    "x1": Factor.X1,
    "x2": Factor.X2,
    "y1": Factor.Y1,
    "y2": Factor.Y2,
    "r": Factor.R,
    "m": Factor.M,
    "w": Factor.W,
    "tag": Factor.TAG,
    "delay": Factor.DELAY,
}
"""Names that stand for a value of the synapse or of its neurons."""
EVENTS: dict[str, Condition] = {"x0": Condition.X0, "y0": Condition.Y0, "t0": Condition.T0}
"""Names that stand for an event of this step: 1 where it happens, else 0."""
ALL_NAMES = (*EVENTS, "u", *NAMES, "w_min", "w_max", "sgn")
LONGEST, DEEPEST = 4000, 64
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>[-+*^()])",
)
_EPOCH = re.compile(r"u([0-9]{1,3})?")


class RuleTextError(Exception):
    """What is wrong with a rule's text, and where.

    Args:
        problem: one sentence.
        text: the rule.
        at: position of the character that the sentence is about.
        remedy: a way out.
    """

    def __init__(self, problem: str, text: str, at: int, remedy: str | None = None) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy
        self.text, self.at = text, at

    def __str__(self) -> str:
        return f"{self.problem}\n{pointed(self.text, self.at)}"


def pointed(text: str, at: int) -> str:
    """The line of the text that holds a position, and a caret below the character."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)].replace("\t", " ")
    return f"    {line}\n    {' ' * (at - start)}^"


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, sign or end
    text: str
    at: int

    def __str__(self) -> str:
        return "the end of the rule" if self.kind == "end" else repr(self.text)


def parse(text: str, limits: Limits) -> Sum:
    """The rule as a sum of products.

    Args:
        text: what the user wrote.
        limits: values of w_min and w_max in the rule's units.

    Raises:
        RuleTextError: at the first character that makes no sense.
    """
    try:
        return _Parser(text, limits).rule().merged(limits)
    except TooManyProductsError as problem:
        raise RuleTextError(str(problem), text, 0) from None


class _Parser:
    def __init__(self, text: str, limits: Limits) -> None:
        self.text, self.limits = text, limits
        self.tokens = _tokens(text)
        self.next = 0
        self.depth = 0

    def rule(self) -> Sum:
        if self.tokens[0].kind == "end":
            raise RuleTextError("the rule is empty", self.text, 0)
        value = self.sum()
        if self.here.kind != "end":
            self._unexpected("an operator + - * ^, or the end of the rule")
        return value

    @property
    def here(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        self.next += 1
        return self.tokens[self.next - 1]

    def sum(self) -> Sum:
        value = self.term()
        while self.here.text in ("+", "-"):
            sign = self.take()
            value = value + (self.term() if sign.text == "+" else self.term().times(-1.0))
        return value

    def term(self) -> Sum:
        value = self.signed()
        while self.here.text == "*":
            sign = self.take()
            value = self._product(value, self.signed(), sign.at)
        return value

    def signed(self) -> Sum:
        if self.here.text not in ("+", "-"):
            return self.power()
        self._deeper()
        sign = self.take()
        value = self.signed()
        self.depth -= 1
        return value if sign.text == "+" else value.times(-1.0)

    def power(self) -> Sum:
        base_at = self.here.at
        value = self.atom()
        if self.here.text != "^":
            return value
        sign = self.take()
        at = self.here.at
        self._deeper()
        exponent = self.signed().constant
        self.depth -= 1
        if exponent is None or exponent != int(exponent) or abs(exponent) > 1000:
            raise RuleTextError(
                "an exponent must be a whole number, such as in 2^-3", self.text, at
            )
        constant = value.constant
        if constant is not None:
            return self._number(sign.at, base_at, constant, int(exponent))
        if not 1 <= exponent <= 8:
            raise RuleTextError(
                "only numbers can have this exponent; values take 1 to 8", self.text, at
            )
        result = value
        for _ in range(int(exponent) - 1):
            result = self._product(result, value, sign.at)
        return result

    def _number(self, at: int, first: int, base: float, exponent: int) -> Sum:
        try:
            return Sum.number(base**exponent, first)
        except (OverflowError, ZeroDivisionError):
            raise RuleTextError("this power is no finite number", self.text, at) from None

    def atom(self) -> Sum:
        token = self.here
        if token.kind == "number":
            value = float(self.take().text)
            if not math.isfinite(value):
                raise RuleTextError("this number is too large", self.text, token.at)
            return Sum.number(value, token.at)
        if token.kind == "name":
            return self.sign_of() if token.text == "sgn" else self.name()
        if token.text == "(":
            return self.inside()
        return self._unexpected("a number, a name or '('")

    def inside(self) -> Sum:
        """A sum in parentheses; ``w_max - w`` and the like become one factor."""
        opening = self.take()
        self._deeper()
        value = self.sum()
        self.depth -= 1
        if self.here.text != ")":
            self._unexpected(f"')' for the '(' at character {opening.at + 1}")
        self.take()
        return value.folded(self.limits)

    def name(self) -> Sum:
        token = self.take()
        name = token.text
        if name in EVENTS:
            return Sum.event(EVENTS[name], token.at)
        if name in NAMES:
            return Sum.factor(NAMES[name], token.at)
        if name in ("w_min", "w_max"):
            value = getattr(self.limits, name)
            if value is None:
                raise RuleTextError(f"{name} is not given", self.text, token.at, f"give {name}=…")
            return Sum.number(value, token.at)
        epoch = _EPOCH.fullmatch(name)
        if epoch:
            period = int(epoch[1] or 0)
            if period > MAX_PERIOD_LOG2:
                raise RuleTextError(
                    f"epochs go from u0 (every step) to u{MAX_PERIOD_LOG2} "
                    f"(every 2^{MAX_PERIOD_LOG2} steps)",
                    self.text, token.at,
                )  # fmt: skip
            return Sum.epoch(period, token.at)
        raise RuleTextError(
            f"there is no {name!r}",
            self.text,
            token.at,
            did_you_mean(name, ALL_NAMES) or f"names are {', '.join(ALL_NAMES)}",
        )

    def sign_of(self) -> Sum:
        token = self.take()
        if self.here.text != "(":
            self._unexpected("'(' after sgn")
        value = self.inside()
        try:
            return value.sign(token.at)
        except Unsummable as problem:
            raise RuleTextError(str(problem), self.text, token.at) from None

    def _product(self, a: Sum, b: Sum, at: int) -> Sum:
        try:
            return a * b
        except (Unsummable, TooManyProductsError) as problem:
            raise RuleTextError(str(problem), self.text, at) from None

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise RuleTextError("the rule is nested too deeply", self.text, self.here.at)

    def _unexpected(self, expected: str) -> NoReturn:
        token = self.here
        remedy = None
        if token.text == "/":
            remedy = "there is no division; multiply, for instance by 2^-3"
        raise RuleTextError(f"expected {expected}, found {token}", self.text, token.at, remedy)


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise RuleTextError(f"the rule is longer than {LONGEST} characters", text[:60], 59)
    tokens, at = [], 0
    while at < len(text):
        if text[at] in " \t\n":
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] == "/":
                tokens.append(_Token("sign", "/", at))
                at += 1
                continue
            raise RuleTextError(f"{text[at]!r} means nothing in a rule", text, at)
        tokens.append(_Token(str(match.lastgroup), match[0], at))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]
