"""The language of learning rules: what a text means, and what is said about a wrong one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.microcode import Changes, Condition, Factor
from spikeloom.compiler.rule_algebra import Limits, Sum
from spikeloom.compiler.rule_text import RuleTextError, parse

W_MIN, W_MAX = -0.5, 2.0
LIMITS = Limits(W_MIN, W_MAX)
VALUES = ("x1", "x2", "y1", "y2", "r", "m", "w", "tag", "delay")
EVENTS = ("x0", "y0", "t0", "u3")
Env = dict[str, float]
Tree = tuple[str, Callable[[Env], float]]
TRACES = {name: sl.Trace(20e-3) for name in ("x1", "x2", "y1", "y2")}


def name(text: str) -> Tree:
    return text, lambda env: env[text]


def number(value: float) -> Tree:
    return repr(value), lambda env: value


@st.composite
def joined(draw: Any, children: st.SearchStrategy[Tree]) -> Tree:
    kind = draw(st.sampled_from(["+", "-", "*", "neg", "^", "spaces"]))
    a, f = draw(children)
    if kind == "neg":
        return f"(-{a})" if draw(st.booleans()) else f"-({a})", lambda env: -f(env)
    if kind == "^":
        n = draw(st.integers(1, 3))
        return f"({a})^{n}", lambda env: f(env) ** n
    if kind == "spaces":
        return f" ( {a}\n) ", f
    b, g = draw(children)
    if kind == "+":
        return f"({a} + {b})", lambda env: f(env) + g(env)
    if kind == "-":
        return f"({a}-({b}))", lambda env: f(env) - g(env)
    return f"({a})*({b})", lambda env: f(env) * g(env)


def sign(text: str) -> Tree:
    if text == "above":
        return "sgn(w_max - w)", lambda env: float(np.sign(W_MAX - env["w"]))
    return f"sgn({text})", lambda env: float(np.sign(env[text]))


LEAVES = st.one_of(
    st.sampled_from(VALUES + EVENTS).map(name),
    st.sampled_from([0.5, 2.0, 3.0, 1e-3, 0.0, W_MAX]).map(number),
    st.sampled_from([*VALUES, "above"]).map(sign),
    st.just(("w_max", lambda env: W_MAX)),
    st.just(("w_min", lambda env: W_MIN)),
    st.just(("(w_max - w)", lambda env: W_MAX - env["w"])),
    st.just(("(w - w_min)", lambda env: env["w"] - W_MIN)),
    st.just(("2^-2", lambda env: 0.25)),
)
TREES = st.recursive(LEAVES, joined, max_leaves=10)


def value(found: Sum, env: Env) -> tuple[float, float]:
    """The sum of products, and the sum of their magnitudes."""
    by_factor = {
        Factor.ABOVE: W_MAX - env["w"],
        Factor.BELOW: env["w"] - W_MIN,
        **{Factor[text.upper()]: env[text] for text in VALUES},
    }
    terms = []
    for term in found.terms:
        product = term.coefficient
        for bit, text in ((1, "x0"), (2, "y0"), (4, "t0")):
            product *= env[text] if term.condition & bit else 1.0
        product *= 1.0 if term.epoch is None else env["u3"]
        for factor in term.factors:
            own = by_factor[Factor(factor & ~Factor.SIGN)]
            product *= np.sign(own) if factor & Factor.SIGN else own
        terms.append(product)
    return math.fsum(terms), math.fsum(map(abs, terms))


@settings(max_examples=300, deadline=None)
@given(tree=TREES, seed=st.integers(0, 1 << 20))
def test_a_text_and_its_products_have_the_same_value(tree: Tree, seed: int) -> None:
    text, evaluate = tree
    try:
        found = parse(text, LIMITS)
    except RuleTextError as error:
        assume("multiplies out to more" not in str(error))
        raise
    assert len({term.key for term in found.terms}) == len(found.terms)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        env = {text: float(rng.integers(-3, 4)) for text in VALUES}
        env |= {text: float(rng.integers(2)) for text in EVENTS}
        got, size = value(found, env)
        assert got == pytest.approx(evaluate(env), rel=1e-9, abs=1e-9 * (1 + size))


@settings(max_examples=150, deadline=None)
@given(tree=TREES)
def test_what_is_printed_is_the_same_rule(tree: Tree) -> None:
    try:
        found = parse(tree[0], LIMITS)
    except RuleTextError:
        assume(False)
        raise
    assume(found.terms)
    again = parse(" + ".join(f"({term})" for term in found.terms), LIMITS)
    assert [t.key for t in again.terms] == [t.key for t in found.terms]
    ours, theirs = ([t.coefficient for t in s.terms] for s in (found, again))
    assert ours == pytest.approx(theirs)


@settings(max_examples=200, deadline=None)
@given(text=st.text("x01yu2w^*+-().e sgn_max\n/&5", max_size=40))
def test_any_other_text_is_a_rule_or_an_error_with_a_place(text: str) -> None:
    with contextlib.suppress(RuleTextError):
        parse(text, LIMITS)


def products(text: str, **limits: float) -> list[str]:
    found = parse(text, Limits(limits.get("w_min", 0.0), limits.get("w_max", 1.0)))
    return [str(term) for term in found.terms]


def test_distances_to_the_limits_stay_one_factor() -> None:
    assert products("x1*y0*(w_max - w)") == ["1.0*y0*x1*(w_max - w)"]
    assert products("y0*w_max*x1 - w*y0*x1") == ["1.0*y0*x1*(w_max - w)"]
    assert products("2*(1 - w)*y0") == ["2.0*y0*(w_max - w)"]
    assert products("(w - w_min)*x0", w_min=0.25) == ["1.0*x0*(w - w_min)"]
    assert products("(w - w_min)*x0") == ["1.0*x0*w"]
    assert products("(w_max - w)*(w - w_min)*u", w_min=0.5) == [
        "1.0*u*(w_max - w)*(w - w_min)"
    ]  # fmt: skip
    assert products("(x1 - w)*y0") == ["1.0*y0*x1", "-1.0*y0*w"]
    assert products("x1*y0 - x1*y0") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the rule is empty\n    \n    ^"),
        (
            "x1*y0 + 3 w*x0",
            "expected an operator + - * ^, or the end of the rule, found 'w'\n"
            "    x1*y0 + 3 w*x0\n"
            "              ^",
        ),
        (
            "2^-2*(x1 + y1*x0",
            "expected ')' for the '(' at character 6, found the end of the rule\n"
            "    2^-2*(x1 + y1*x0\n"
            "                    ^",
        ),
        (
            "x1*y0/2",
            "expected an operator + - * ^, or the end of the rule, found '/'\n"
            "    x1*y0/2\n"
            "         ^",
        ),
        ("x1*\ny9", "there is no 'y9'\n    y9\n    ^"),
        ("x1*%", "'%' means nothing in a rule\n    x1*%\n       ^"),
        ("x1*", "expected a number, a name or '(', found the end of the rule\n    x1*\n       ^"),
        ("1e999*x0", "this number is too large\n    1e999*x0\n    ^"),
        (
            "x1^2.5*x0",
            "an exponent must be a whole number, such as in 2^-3\n    x1^2.5*x0\n       ^",
        ),
        (
            "x1^-1*x0",
            "only numbers can have this exponent; values take 1 to 8\n    x1^-1*x0\n       ^",
        ),
        ("0^-1*x0", "this power is no finite number\n    0^-1*x0\n     ^"),
        ("sgn w", "expected '(' after sgn, found 'w'\n    sgn w\n        ^"),
        (
            "x0*sgn(w + tag)",
            "sgn takes one value, such as sgn(w), sgn(w_max - w) or sgn(r)\n"
            "    x0*sgn(w + tag)\n"
            "       ^",
        ),
        ("u17*w", "epochs go from u0 (every step) to u16 (every 2^16 steps)\n    u17*w\n    ^"),
        ("u2*u3*w", "u2 and u3 are never in one product\n    u2*u3*w\n      ^"),
        ("(" * 70 + "w" + ")" * 70, None),
        ("-" * 70 + "w", None),
        ("(x1+x2+y1+y2+w+tag+r+m)^7*x0", None),
        ("w" * 5000, None),
    ],
)  # fmt: skip
def test_a_wrong_text_is_pointed_at(text: str, expected: str | None) -> None:
    with pytest.raises(RuleTextError) as caught:
        parse(text, LIMITS)
    if expected is not None:
        assert str(caught.value) == expected


def message(call: Callable[[], object]) -> str:
    with pytest.raises(sl.NetworkError) as caught:
        call()
    return str(caught.value)


def test_a_rule_names_the_users_line_and_all_problems() -> None:
    assert message(lambda: sl.Rule(dw="x1*yo", dtag="q*x0", w_max=1.0)).splitlines() == [
        "Rule: 2 problems",
        "  - dw: there is no 'yo'",
        "    x1*yo",
        "       ^",
        "  - dtag: there is no 'q'",
        "    q*x0",
        "    ^",
        f"  where: test_rule_text.py:{_line('x1*yo')}",
        "  remedy: names are x0, y0, t0, u, x1, x2, y1, y2, r, m, w, tag, "
        "delay, w_min, w_max, sgn",
    ]  # fmt: skip


def _line(text: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"dw": "0.5*x1*w + x1*y0"},
            "Rule: dw: 0.5*x1*w names no event, so it would never count\n"
            "    0.5*x1*w + x1*y0\n"
            "    ^",
        ),
        (
            {"dw": "x1*y0*u2"},
            "Rule: dw: y0*u2*x1 mixes u with x0, y0 or t0\n    x1*y0*u2\n    ^",
        ),
        (
            {"dw": "x1*u2 + w*u3"},
            "Rule: dw: a rule has one epoch, but there are u2 and u3\n"
            "    x1*u2 + w*u3\n"
            "            ^",
        ),
        (
            {"dw": "x1*y0", "w_max": None},
            "Rule: w_max is missing: a device must know how large a weight can become",
        ),
        (
            {"dw": "(w_max - w)*x1*y0", "w_max": None},
            "Rule: dw: w_max is not given\n    (w_max - w)*x1*y0\n     ^",
        ),
        ({"dw": " "}, "Rule: it changes nothing"),
        (
            {"dw": "x1*y0 + x2*y0"},
            "Rule: the rule reads x2, which traces does not define: "
            'traces={"x2": sl.Trace(tau=…)}',
        ),
        ({"dw": "y0"}, "Rule: trace 'x1' is defined, but no product reads it"),
        ({"dw": "x1*y0", "w_min": 2.0}, "Rule: w_max 1 is not above w_min 2"),
        ({"dw": 3}, "Rule: dw must be a text, got 3"),
        (
            {"dw": "x1*y0", "units": "raw", "w_max": 1.5},
            "Rule: w_max must be a whole number in raw units, got 1.5",
        ),
        (
            {"dw": "x1*y0", "units": "raw", "tag_max": 2.0},
            "Rule: tag_max is for network units; raw tags are integers from -128 to 127",
        ),
        (
            {"dw": "x1*y0", "units": "raw", "traces": {"x1": sl.Trace(1.0, limit=9.0)}},
            "Rule: trace 'x1': limit is for network units; raw values are integers",
        ),
        (
            {"dw": "x1*y0", "traces": {"x1": sl.Trace(decay=100)}},
            "Rule: trace 'x1': decay is for raw units; give tau in seconds",
        ),
        (
            {"dw": "x1*y0", "traces": {"x3": sl.Trace(1.0)}},
            "Rule: traces are x1, x2, y1 and y2, not 'x3'",
        ),
        (
            {"dw": "x1*y0", "units": "volts"},
            "Rule: units must be one of 'network', 'raw', got 'volts'",
        ),
    ],
)  # fmt: skip
def test_a_rule_is_checked_when_it_is_made(arguments: dict[str, Any], problem: str) -> None:
    given = {"w_max": 1.0, "traces": {"x1": sl.Trace(20e-3)}, **arguments}
    assert message(lambda: sl.Rule(**given)).partition("\n  ")[0] == problem.partition("\n  ")[0]
    assert problem in message(lambda: sl.Rule(**given))


def test_what_a_product_needs_says_when_it_counts() -> None:
    rule = sl.Rule(
        dw="x1*y0 - y1*x0 + 0.5*x0*y0 + t0*y0*r + u4*w", w_max=1.0,
        traces={"x1": sl.Trace(20e-3), "y1": sl.Trace(20e-3)},
    )  # fmt: skip
    assert rule.period_log2 == 4
    assert rule.canonical() == "\n".join(
        [
            "dw [epoch] 1.0*u4*w",
            "dw [pre] -1.0*x0*y1",
            "dw [post] 1.0*y0*x1",
            "dw [post] 0.5*x0*y0",
            "dw [post] 1.0*y0*t0*r",
        ]
    )
    assert rule.products[Changes.WEIGHT][3].condition == Condition.X0 | Condition.Y0


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: sl.Trace(), "Trace: either tau or decay must be given"),
        (lambda: sl.Trace(-1.0), "Trace: tau is not above 0.0: -1"),
        (lambda: sl.Trace(20e-3, limit=0.5), "Trace: limit 0.5 is below the impulse 1"),
        (lambda: sl.Window([]), "Window: values has 0 entries; a window has 1 to 32"),
        (lambda: sl.Window([1.0, -2.0]), "Window: values[1] is below 0.0: -2"),
        (lambda: sl.Window([1.0], limit=0.5), "Window: limit 0.5 is below the largest value 1"),
    ],
)
def test_traces_are_checked(make: Callable[[], object], problem: str) -> None:
    assert message(make).startswith(problem + "\n")
