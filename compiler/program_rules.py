"""Learning rules as plain JSON in a Program's manifest, and back, trusting nothing."""

from __future__ import annotations

from typing import Any

from ..errors import FileError
from .microcode import (
    MAX_FACTORS,
    WINDOW,
    Changes,
    Condition,
    Group,
    LearningRule,
    Product,
    Rounding,
    Trace,
    TraceKind,
    When,
)

_TRACES = ("x1", "x2", "y1", "y2")
_NUMBERS = (
    "projection", "rounding", "seed", "weight_min", "weight_max", "delay_min", "delay_max",
    "post_delay", "period_log2",
)  # fmt: skip
_MOST_GROUPS = len(When) * len(Changes)
_MOST_PRODUCTS = 64  # of Target.products
_MOST = 1 << 32


def plain_rule(rule: LearningRule) -> dict[str, Any]:
    """A rule as JSON data."""
    return {
        **{name: int(getattr(rule, name)) for name in _NUMBERS},
        **{name: _plain_trace(getattr(rule, name)) for name in _TRACES},
        "groups": [
            {
                "when": int(group.when),
                "changes": int(group.changes),
                "shift": group.shift,
                "products": [
                    [p.coefficient, int(p.condition), *map(int, p.factors)] for p in group.products
                ],
            }
            for group in rule.groups
        ],
    }


def rule_of(data: Any) -> LearningRule:
    """The rule that JSON data describe; ranges are left to ``Program.verify``.

    Raises:
        FileError: the data have another form.
    """
    _keys(data, {*_NUMBERS, *_TRACES, "groups"}, "a rule")
    fields: dict[str, Any] = {name: _number(data[name], name) for name in _NUMBERS}
    fields["rounding"] = _known(Rounding, fields["rounding"], "rounding")
    fields |= {name: _trace(data[name]) for name in _TRACES}
    fields["groups"] = tuple(_group(g) for g in _list(data["groups"], _MOST_GROUPS, "groups"))
    return LearningRule(**fields)


def _plain_trace(trace: Trace) -> dict[str, Any]:
    return {
        "kind": int(trace.kind),
        "replace": bool(trace.replace),
        "impulse": trace.impulse,
        "decay": trace.decay,
        "table": list(trace.table),
    }


def _trace(data: Any) -> Trace:
    _keys(data, {"kind", "replace", "impulse", "decay", "table"}, "a trace")
    if type(data["replace"]) is not bool:
        raise _malformed("replace", data["replace"])
    return Trace(
        _known(TraceKind, _number(data["kind"], "kind"), "kind"),
        data["replace"],
        _number(data["impulse"], "impulse"),
        _number(data["decay"], "decay"),
        tuple(_number(v, "table") for v in _list(data["table"], WINDOW, "table")),
    )


def _group(data: Any) -> Group:
    _keys(data, {"when", "changes", "shift", "products"}, "a group")
    return Group(
        _known(When, _number(data["when"], "when"), "when"),
        _known(Changes, _number(data["changes"], "changes"), "changes"),
        _number(data["shift"], "shift"),
        tuple(_product(p) for p in _list(data["products"], _MOST_PRODUCTS, "products")),
    )


def _product(data: Any) -> Product:
    numbers = [_number(v, "product") for v in _list(data, 2 + MAX_FACTORS, "product")]
    if len(numbers) < 2 or not 0 <= numbers[1] <= sum(Condition):
        raise _malformed("product", data)
    return Product(numbers[0], Condition(numbers[1]), tuple(numbers[2:]))


def _keys(data: Any, names: set[str], what: str) -> None:
    if not isinstance(data, dict) or set(data) != names:
        raise _malformed(what, data)


def _list(data: Any, most: int, what: str) -> list[Any]:
    if not isinstance(data, list) or len(data) > most:
        raise _malformed(what, data)
    return data


def _number(value: Any, what: str) -> int:
    if type(value) is not int or not -_MOST < value < _MOST:
        raise _malformed(what, value)
    return value


def _known(kind: Any, value: int, what: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise _malformed(what, value) from None


def _malformed(what: str, found: Any) -> FileError:
    return FileError(f"a learning rule is malformed: {what}", found=repr(found)[:100])
