"""Rules in ``.loom`` files and in ``Program.verify``: whole back, nothing hostile in."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.microcode import (
    Changes,
    Condition,
    Factor,
    Group,
    Product,
    Trace,
    TraceKind,
    When,
)
from spikeloom.compiler.program_file import _canonical, _hash, _read_array, _schema
from spikeloom.compiler.program_rules import plain_rule, rule_of


def program() -> sl.Program:
    """Two plastic projections, one of them with tags and delays, and a static one."""
    net = sl.Network(seed=7)
    pre = net.source("pre", 6)
    post = net.population("post", 4, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pre, post, weights=np.full((6, 4), 0.1))
    mask = np.arange(24).reshape(6, 4) % 3 > 0
    net.connect(
        pre, post, weights=np.full((6, 4), 0.25), name="p", learning=sl.STDP(0.5, enable=mask)
    )
    both = sl.Rule(
        dw="0.1*tag*r*u4", dtag="x1*y0 - 2^-3*tag*u4", ddelay="1e-3*x2*y0", w_max=0.5,
        traces={"x1": sl.Trace(20e-3), "x2": sl.Window([0.5, 0.25])}, post_delay=2e-3,
    )  # fmt: skip
    net.connect(pre, post, weights=np.full((6, 4), 0.25), name="q", learning=both)
    return sl.compile(net)


PROGRAM = program()


def test_rules_come_back_whole(tmp_path: Path) -> None:
    PROGRAM.save(tmp_path / "a.loom")
    loaded = sl.load(tmp_path / "a.loom")
    loaded.save(tmp_path / "b.loom")
    assert loaded.rules == PROGRAM.rules
    assert (tmp_path / "a.loom").read_bytes() == (tmp_path / "b.loom").read_bytes()
    for ours, theirs in zip(PROGRAM.cores, loaded.cores, strict=True):
        np.testing.assert_array_equal(ours.dense_enable, theirs.dense_enable)
        np.testing.assert_array_equal(ours.sparse_enable, theirs.sparse_enable)
    assert PROGRAM.cores[0].dense_enable.sum() == 16
    for rule in PROGRAM.rules:
        assert rule_of(json.loads(json.dumps(plain_rule(rule)))) == rule


def test_a_rule_is_part_of_the_hash() -> None:
    other = replace(PROGRAM.rules[0], seed=PROGRAM.rules[0].seed ^ 1)
    assert replace(PROGRAM, rules=(other, PROGRAM.rules[1])).content_hash != PROGRAM.content_hash


# ---------------------------------------------------------------- hostile manifests


def rewritten(path: Path, change: Any) -> None:
    """The file again with a changed manifest and the hash that belongs to it."""
    PROGRAM.save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
        arrays = {
            name: _read_array(archive, archive.getinfo(f"{name}.npy"), dtype, dims, path)
            for name, (dtype, dims) in _schema(PROGRAM.target).items()
        }
    manifest = json.loads(contents["manifest.json"])
    del manifest["hash"]
    change(manifest["rules"])
    manifest["hash"] = _hash(manifest, arrays)
    contents["manifest.json"] = _canonical(manifest)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def set_in(*path: Any, value: Any) -> Any:
    def change(rules: Any) -> None:
        at = rules
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_other_value_in_a_rule_is_harmless_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    def places(node: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        found = [path] if path else []
        for key, child in inner:
            if isinstance(child, (dict, list)):
                found += places(child, (*path, key))
            else:
                found.append((*path, key))
        return found

    plain = [plain_rule(rule) for rule in PROGRAM.rules]
    path = data.draw(st.sampled_from(places(plain, ())))
    value = data.draw(JUNK)
    file = tmp_path_factory.mktemp("rule") / "x.loom"
    rewritten(file, set_in(*path, value=value))
    with contextlib.suppress(sl.FileError):
        sl.load(file)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ((0, "seed"), 1.0, "a learning rule is malformed: seed"),
        ((0, "seed"), 1 << 32, "a learning rule is malformed: seed"),
        ((0, "seed"), True, "a learning rule is malformed: seed"),
        ((0, "x1"), None, "a learning rule is malformed: a trace"),
        ((0, "x1", "kind"), 3, "a learning rule is malformed: kind"),
        ((0, "x1", "replace"), 1, "a learning rule is malformed: replace"),
        ((1, "x2", "table"), [1] * 33, "a learning rule is malformed: table"),
        ((0, "groups"), [{}] * 10, "a learning rule is malformed: groups"),
        ((0, "groups", 0, "when"), 3, "a learning rule is malformed: when"),
        ((0, "groups", 0, "products"), [[1, 1]] * 65, "a learning rule is malformed: products"),
        ((0, "groups", 0, "products", 0), [1], "a learning rule is malformed: product"),
        ((0, "groups", 0, "products", 0), [1, 8], "a learning rule is malformed: product"),
        ((0, "groups", 0, "products", 0), [1, 1, 2, 2, 2, 2], "a learning rule is malformed: prod"),
        ((0, "extra"), 1, "a learning rule is malformed: a rule"),
    ],
)
def test_malformed_manifests(tmp_path: Path, path: Any, value: Any, problem: str) -> None:
    rewritten(tmp_path / "x.loom", set_in(*path, value=value))
    with pytest.raises(sl.FileError, match=f"^{problem}"):
        sl.load(tmp_path / "x.loom")


# ---------------------------------------------------------------- verify

GROUP = Group(When.PRE, Changes.WEIGHT, 4, (Product(3, Condition.X0, (Factor.Y1,)),))


def with_rule(**changes: Any) -> sl.Program:
    return replace(PROGRAM, rules=(replace(PROGRAM.rules[0], **changes), PROGRAM.rules[1]))


def with_group(**changes: Any) -> sl.Program:
    return with_rule(groups=(replace(GROUP, **changes),))


def with_product(*product: Any) -> sl.Program:
    return with_group(products=(Product(*product),))


def one(coefficient: int, shift: int, factors: tuple[int, ...]) -> sl.Program:
    product = Product(coefficient, Condition.X0, factors)
    return with_group(shift=shift, products=(product,))


def test_the_groups_of_these_tests_are_valid() -> None:
    with_rule(groups=(GROUP,)).verify()
    one(1023, 24, (Factor.R, Factor.M, Factor.Y1)).verify()
    one(1015, 24, (Factor.R, Factor.M, Factor.TAG)).verify()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (with_rule(projection=2), "rules are not in the order of their projections"),
        (with_rule(projection=-1), "rules are not in the order of their projections"),
        (with_rule(projection=0), "a row names another rule than its projection has"),
        (replace(PROGRAM, rules=()), "a row names another rule than its projection has"),
        (with_rule(seed=-1), "seed is out of range"),
        (with_rule(weight_min=-129), "weight_min is out of range"),
        (with_rule(weight_max=128), "weight_max is out of range"),
        (with_rule(weight_min=50, weight_max=49), "weight_max is out of range"),
        (with_rule(weight_max=5), "a weight that learns is beyond its limits"),
        (with_rule(delay_max=3), "limits of delays that never change"),
        (with_rule(post_delay=64), "post_delay is out of range"),
        (with_rule(period_log2=17), "period_log2 is out of range"),
        (with_rule(groups=()), "it has no group"),
        (with_rule(groups=(GROUP, GROUP)), "groups are out of order, or one occurs twice"),
        (with_group(products=GROUP.products * 9), "more products than the target has"),
        (with_group(products=()), "it has no product"),
        (with_group(shift=25), "shift is out of range"),
        (with_product(0, Condition.X0), "coefficient is out of range"),
        (with_product(1 << 16, Condition.X0), "coefficient is out of range"),
        (with_product(1, Condition.Y0), "a product's conditions are not those of its group"),
        (with_product(1, Condition.X0, (0, 0, 0, 0)), "too many factors"),
        (with_product(1, Condition.X0, (11,)), "unknown factor"),
        (with_product(1, Condition.X0, (-1,)), "unknown factor"),
        (with_product(1, Condition.X0, (32,)), "unknown factor"),
        (with_product(1, Condition.X0, (Factor.DELAY,)), "a rule with delays has a dense row"),
        (one(65535, 4, (Factor.R, Factor.M, Factor.TAG)), "its sum could leave 32 bits"),
        (one(1016, 24, (Factor.R, Factor.M, Factor.TAG)), "its sum could leave 32 bits"),
        (with_rule(x1=Trace(TraceKind.NONE, impulse=1)), "a trace without a kind has parameters"),
        (with_rule(x1=Trace(TraceKind.EXPONENTIAL, impulse=0)), "impulse is out of range"),
        (with_rule(x1=Trace(TraceKind.EXPONENTIAL, impulse=128)), "impulse is out of range"),
        (with_rule(x1=Trace(TraceKind.EXPONENTIAL, False, 1, 4097)), "decay is out of range"),
        (with_rule(x1=Trace(TraceKind.WINDOW, table=())), "length of the table"),
        (with_rule(x1=Trace(TraceKind.WINDOW, table=(128,))), "a value of the table is out of"),
    ],
)
def test_verify_checks_rules_by_itself(wrong: sl.Program, problem: str) -> None:
    with pytest.raises(sl.FileError, match=f"^the Program is not valid: {problem}"):
        wrong.verify()


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("dense_enable", lambda bits: bits[:-1], "another length"),
        ("dense_enable", lambda bits: bits[:0], "another length"),
        ("dense_enable", lambda bits: bits * 2, "a bit is neither 0 nor 1"),
        ("dense_enable", lambda bits: bits.astype(np.int8), "another type"),
        ("dense_enable", lambda bits: bits | 1, "a bit is set outside plastic rows"),
        ("sparse_delay", lambda delay: delay | 63, None),
    ],
)
def test_verify_checks_enable_bits(name: str, change: Any, problem: str | None) -> None:
    core = PROGRAM.cores[0]
    wrong = replace(PROGRAM, cores=(replace(core, **{name: change(getattr(core, name))}),))
    if problem is None:
        wrong.verify()
        return
    with pytest.raises(sl.FileError, match=problem):
        wrong.verify()


def test_verify_counts_what_weights_may_become() -> None:
    """The proof of the accumulators takes limits where synapses learn, weights elsewhere."""
    (core,) = PROGRAM.cores
    rows = core.rows.copy()
    rows["exponent"] = 9
    sums = np.zeros(core.neurons, np.int64)
    for row in rows:
        rule = PROGRAM.rules[row["rule"] - 1] if row["rule"] else None
        for i in range(int(row["count"])):
            at, sparse = int(row["offset"]) + i, row["kind"] == 0
            slot = int(core.sparse_target[at]) if sparse else int(row["base"]) + i
            learns = (core.sparse_enable if sparse else core.dense_enable)[at]
            weight = abs(int((core.sparse_weight if sparse else core.dense_weight)[at]))
            sums[slot] += (rule.weight_max if rule and learns else weight) << 9
    needed = int(sums.max()).bit_length() + 1
    wide = replace(PROGRAM, cores=(replace(core, rows=rows),))
    replace(wide, target=wide.target.with_(accumulator_bits=needed)).verify()
    with pytest.raises(sl.FileError, match="an accumulator could overflow"):
        replace(wide, target=wide.target.with_(accumulator_bits=needed - 1)).verify()


# ---------------------------------------------------------------- weights back into a Program


def test_learned_weights_make_a_new_program(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = {"pre": rng.random((300, 6)) < 0.2}
    with sl.open("reference") as device:
        device.load(PROGRAM)
        device.run(300, inputs)
        learned = device.backend.read_weights()
        values = {name: device.read_weights(name) for name in ("p", "q")}
    trained = PROGRAM.with_weights(learned)
    assert trained.content_hash != PROGRAM.content_hash
    assert PROGRAM.with_weights(PROGRAM_WEIGHTS).content_hash == PROGRAM.content_hash
    trained.save(tmp_path / "trained.loom")
    with sl.open("reference") as device:
        device.load(sl.load(tmp_path / "trained.loom"))
        for name, before in values.items():
            np.testing.assert_array_equal(device.read_weights(name).raw, before.raw)
            np.testing.assert_array_equal(
                np.sort(device.read_weights(name).delay_steps), np.sort(before.delay_steps)
            )


class Plain:
    """Weights of a core as anyone may hold them."""

    def __init__(self, sparse: Any, dense: Any, delay: Any = None) -> None:
        self.sparse, self.dense, self.delay = sparse, dense, delay


PROGRAM_WEIGHTS = [
    Plain(core.sparse_weight, core.dense_weight, core.sparse_delay) for core in PROGRAM.cores
]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda w: [], "weights are those of another Program"),
        (lambda w: [Plain(w.sparse[1:], w.dense)], "weights are those of another Program"),
        (lambda w: [Plain(w.sparse, w.dense.astype(np.int32))], "weights are those of another"),
        (lambda w: [Plain(w.sparse, -w.dense)], "the Program cannot hold these weights"),
        (lambda w: [Plain(w.sparse, w.dense, w.delay | 64)], "the Program cannot hold these wei"),
    ],
)
def test_weights_that_a_program_cannot_hold(change: Any, problem: str) -> None:
    with pytest.raises(sl.InputError, match=f"^{problem}"):
        PROGRAM.with_weights(change(PROGRAM_WEIGHTS[0]))
