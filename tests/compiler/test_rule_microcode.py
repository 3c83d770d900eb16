"""From a rule to microcode: coefficients, limits, refusals, and what the passes make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import decode

import spikeloom as sl
from spikeloom.compiler.microcode import Changes, Condition, Factor, LearningRule, TraceKind, When
from spikeloom.compiler.program import DENSE, SPARSE
from spikeloom.compiler.report import format_report

TRACES = {"x1": sl.Trace(20e-3), "y1": sl.Trace(20e-3)}


def network(learning: Any, *, weights: Any = None, **more: Any) -> sl.Network:
    net = sl.Network(seed=7)
    pre = net.source("pre", 6)
    post = net.population("post", 4, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(
        pre, post, weights=np.full((6, 4), 0.25) if weights is None else weights,
        learning=learning, name="p", **more,
    )  # fmt: skip
    return net


def compiled(learning: Any, target: Any = "core", scale: Any = "auto", **more: Any) -> sl.Program:
    return sl.compile(network(learning, **more), target, sl.Quantization(scale=scale))


def code(learning: Any, **more: Any) -> LearningRule:
    (rule,) = compiled(learning, **more).rules
    return rule


def test_raw_rules_are_taken_as_they_are() -> None:
    rule = code(sl.LoihiSTDP(-3, -2, impulse=16, w_min=-64), scale=127)
    assert (rule.weight_min, rule.weight_max) == (-64, 127)
    assert (rule.x1.kind, rule.x1.impulse, rule.x1.decay) == (TraceKind.EXPONENTIAL, 16, 200)
    pre, post = rule.groups
    assert (pre.when, pre.changes, pre.shift) == (When.PRE, Changes.WEIGHT, 2)
    assert (pre.products[0].coefficient, pre.products[0].factors) == (-1, (Factor.Y1,))
    assert (post.shift, post.products[0].coefficient) == (3, 1)
    assert post.products[0].condition == Condition.Y0


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(100.0, 5000.0),
    w_max=st.floats(0.3, 0.9),
    up=st.floats(0.02, 0.3),
    down=st.floats(1e-3, 0.02),
    tau=st.floats(5e-3, 80e-3),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_integers_say_what_the_rule_says(
    scale: float, w_max: float, up: float, down: float, tau: float
) -> None:
    """Coefficient · lsb of the factors / 2^shift is the rule's coefficient in weight steps."""
    given_rule = sl.Rule(
        dw=f"{up}*x1*y0*(w_max - w) - {down}*x0*y0 + {down}*x1*y0*sgn(w)",
        w_max=w_max, traces={"x1": sl.Trace(tau)},
    )  # fmt: skip
    program = compiled(given_rule, scale=scale)
    (rule,) = program.rules
    entry = program.report["rules"]["p"]
    assert entry["weights"] == [rule.weight_min, rule.weight_max]
    assert rule.weight_max * entry["step"] == pytest.approx(w_max, abs=entry["step"] / 2)
    trace = np.exp(-1e-3 / tau) / rule.x1.impulse
    (group,) = rule.groups
    wanted = {
        (int(Condition.Y0), (Factor.X1, Factor.ABOVE)): up * trace,
        (int(Condition.X0 | Condition.Y0), ()): -down / entry["step"],
        (int(Condition.Y0), (Factor.X1, Factor.SIGN | Factor.W)): down * trace / entry["step"],
    }
    assert len(group.products) == len(wanted)
    for product in group.products:
        exact = wanted[int(product.condition), product.factors]
        error = abs(product.coefficient / 2**group.shift - exact)
        assert error <= 2.0 ** -(group.shift + 1) * 1.000001
    assert all(0 < abs(p.coefficient) < 1 << 16 for p in group.products)


def test_summing_traces_leave_room_and_nearest_ones_do_not() -> None:
    rule = code(
        sl.Rule(
            dw="1e-3*x1*y0 + 1e-3*x2*y0 - 1e-3*y1*x0 - 1e-3*y2*x0", w_max=1.0,
            traces={
                "x1": sl.Trace(20e-3),
                "x2": sl.Trace(np.inf, nearest=True),
                "y1": sl.Trace(10e-3, limit=10.0),
                "y2": sl.Window([4.0, 2.0, 1.0, 0.0]),
            },
        )
    )  # fmt: skip
    assert (rule.x1.impulse, rule.x1.replace, rule.x1.decay) == (32, False, 200)
    assert (rule.x2.impulse, rule.x2.replace, rule.x2.decay) == (127, True, 0)
    assert (rule.y1.impulse, rule.y1.decay) == (13, round(4096 * (1 - np.exp(-0.1))))
    assert (rule.y2.kind, rule.y2.table) == (TraceKind.WINDOW, (64, 32, 16))


def test_delays_in_seconds_become_wheel_delays() -> None:
    net = sl.Network()
    post = net.population("post", 3, sl.LIF(tau_mem=20e-3))
    net.connect(
        post, post, weights=np.full((3, 3), 0.25), delay=3e-3, name="p",
        learning=sl.Rule(
            ddelay="0.5*(5e-3 - delay)*y0*sgn(delay)", delay_min=2e-3, delay_max=20e-3
        ),
    )  # fmt: skip
    program = sl.compile(net)
    (rule,) = program.rules
    assert (rule.delay_min, rule.delay_max) == (1, 19)
    (group,) = rule.groups
    steps = {p.factors: p.coefficient / 2**group.shift for p in group.products}
    assert steps == {(): 2.0, (Factor.DELAY,): -0.5}  # 0.5·(5 − (δ + 1)) steps
    assert (program.cores[0].rows["kind"] == SPARSE).all()
    assert program.wheel_depth == 20


def test_a_weight_limit_may_not_overflow_an_accumulator() -> None:
    """Weights of 0 that may learn to be large are counted as large."""
    small = sl.TARGETS["core"].with_(accumulator_bits=16)
    net = sl.Network()
    pre = net.source("pre", 300)
    post = net.population("post", 2, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pre, post, weights=np.zeros((300, 2)), learning=sl.STDP(0.5), name="p")
    program = sl.compile(net, small)
    most = program.rules[0].weight_max
    assert most in (63, 64)  # half of what they could be: 300 of 127 are too many
    assert program.report["populations"]["post"]["accumulator"]["worst"][0] == 300 * most
    with pytest.raises(sl.FitError, match="an accumulator could overflow"):
        sl.compile(net, small, sl.Quantization(scale=254))


@pytest.mark.parametrize(
    ("learning", "more", "reason"),
    [
        (
            sl.Rule(dw="1e-12*x1*y0 + 0.5*x0*y0", w_max=1.0, traces={"x1": sl.Trace(20e-3)}),
            {},
            "  - dw: 1e-12*y0*x1 is too small beside the group's other products: "
            "3.78e-12 steps per least step of its factors, 0.000977 is possible",
        ),
        (
            sl.Rule(dw="1e9*x1*y0", w_max=1.0, traces={"x1": sl.Trace(20e-3)}),
            {},
            "  - dw: 1000000000.0*y0*x1 is too large: up to 4.79e+11 steps at once",
        ),
        (
            sl.Rule(dw="1e-4*x0", w_max=1.0, rounding="nearest"),
            {},
            "  - the pre group of weight can never change anything: at most 0.0127 steps per "
            "event, rounded to the nearest",
        ),
        (
            sl.Rule(dw="0.3*x0*y0", w_max=100, units="raw"),
            {"scale": 100},
            "  - dw: the coefficient of 0.3*x0*y0 is no multiple of 2^-17",
        ),
        (
            sl.Rule(dw="x1*y0", w_max=100, units="raw", traces={"x1": sl.Trace(20e-3, 200)}),
            {"scale": 100},
            "  - trace x1: an impulse of 200 is no integer 1 … 127",
        ),
    ],
)
def test_what_integers_cannot_do_is_refused(learning: Any, more: Any, reason: str) -> None:
    with pytest.raises(sl.CompileError) as caught:
        compiled(learning, **more)
    lines = str(caught.value).splitlines()
    assert lines[0] == "projection 'p': its rule does not fit the machine's integers"
    assert lines[1] == reason
    assert lines[2].startswith("  where: test_rule_microcode.py:")
    assert lines[3] == (
        "  remedy: other coefficients, impulses or limits; rounding='stochastic' keeps changes "
        "that are smaller than a step"
    )


def test_raw_rules_need_a_given_scale() -> None:
    with pytest.raises(sl.CompileError) as caught:
        compiled(sl.LoihiSTDP())
    assert str(caught.value).splitlines()[0] == (
        "projection 'p': a rule in raw units needs a given scale, which says what the integers of "
        "its weights are"
    )
    with pytest.raises(sl.CompileError, match=r"0 … 127 become 0 … 32 at this scale"):
        compiled(sl.LoihiSTDP(), scale=2000)


def test_neurons_of_a_plastic_projection_share_a_scale() -> None:
    with pytest.raises(sl.CompileError, match="need the same scale"):
        compiled(sl.STDP(0.5), scale={"post": [100.0, 100.0, 100.0, 101.0]})


def test_the_target_must_be_able_to_learn() -> None:
    tiny = sl.TARGETS["core"].with_(name="tiny", products=1)
    with pytest.raises(sl.FitError) as caught:
        compiled(sl.STDP(0.5), tiny)
    assert "projection 'p' has 2 products (-0.012*x0*y1, 0.01*y0*x1); target 'tiny' has 1" in str(
        caught.value
    )
    assert caught.value.table[0]["needed"] == 2
    with pytest.raises(sl.FitError, match="target 'none' cannot learn"):
        compiled(sl.STDP(0.5), sl.TARGETS["core"].with_(name="none", products=0))
    four = sl.Rule(dw="x1*w*r*m*y0 + x1*w*tag*m*x0", w_max=1.0, traces={"x1": sl.Trace(20e-3)})
    with pytest.raises(sl.CompileError) as refused:
        compiled(four)
    assert str(refused.value).count("multiplies 4 values; the machine multiplies up to 3") == 2


def test_rules_that_saturate_or_vanish_are_told() -> None:
    with pytest.warns(UserWarning, match=r"y0\*x1 moves a weight from one limit to the other"):
        compiled(sl.Rule(dw="2*x1*y0", w_max=0.5, traces={"x1": sl.Trace(20e-3)}))
    with pytest.warns(UserWarning, match="tau of 20 s is rounded to one that never decays"):
        compiled(sl.STDP(0.5, tau_plus=20.0))
    program = compiled(sl.Rule(dw="1e-7*x1*y0", w_max=0.5, traces={"x1": sl.Trace(20e-3)}))
    assert "y0*x1 changes it by 2.48e-05 steps in a typical event" in "".join(
        program.report["notes"]
    )


def test_the_report_tells_products_and_chances() -> None:
    text = format_report(compiled(sl.STDP(0.5, 0.001, 0.0012)).report)
    text = text[text.index("rule of p:") :].partition("\n\n")[0].rstrip()
    assert text == (
        "rule of p: 24 synapses learn, weights 0 … 127 in steps of 0.003937, rounding stochastic\n"
        "  dw = 0.001*x1*y0 - 0.0012*y1*x0\n"
        "  x1: impulse 32 in steps of 0.02973, decay 200/4096, tau 19.98 for 20 steps\n"
        "  y1: impulse 32 in steps of 0.02973, decay 200/4096, tau 19.98 for 20 steps\n"
        "  product        when  changes  integer  shift  error  typical steps  chance\n"
        "  -0.0012*x0*y1   pre   weight  -19,001     21  0.00%        -0.2899  28.99%\n"
        "  0.001*y0*x1    post   weight   63,337     23  0.00%         0.2416  24.16%"
    )


# ---------------------------------------------------------------- masks and cores


def enabled(program: sl.Program) -> set[tuple[int, int]]:
    """Pairs of pre and post whose synapse learns, found in the cores' memories."""
    owner = {
        (int(core), int(slot)): i
        for p in program.populations
        for i, (core, slot) in enumerate(zip(p.core, p.slot, strict=True))
    }
    found = set()
    for number, core in enumerate(program.cores):
        for row in core.rows[core.rows["rule"] > 0]:
            for i in range(int(row["count"])):
                at = int(row["offset"]) + i
                dense = row["kind"] == DENSE
                slot = int(row["base"]) + i if dense else int(core.sparse_target[at])
                if (core.dense_enable if dense else core.sparse_enable)[at]:
                    found.add((int(row["pre"]), owner[number, slot]))
    return found


def pairs_of(mask: Any) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for i, j in np.argwhere(mask)}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 20), cores=st.integers(1, 4), form=st.sampled_from("dsl"))
def test_masks_follow_their_synapses_and_cores_change_nothing(
    seed: int, cores: int, form: str
) -> None:
    rng = np.random.default_rng(seed)
    n_pre, n_post = (int(n) for n in rng.integers(2, 12, 2))
    mask = rng.random((n_pre, n_post)) < 0.6
    mask[0, 0] = True
    pairs = np.ones((n_pre, n_post), bool)
    delay = 1e-3 * rng.integers(0, 5, (n_pre, n_post))
    given_mask: Any = mask
    weights: Any = rng.uniform(0.1, 0.4, (n_pre, n_post))
    if form == "l":
        pre, post = np.nonzero(rng.random((n_pre, n_post)) < 0.5)
        order = rng.permutation(len(pre))
        pre, post = pre[order], post[order]
        pairs = np.zeros((n_pre, n_post), bool)
        pairs[pre, post] = True
        if not (mask & pairs).any():
            return
        weights = sl.Synapses(pre, post, weights[pre, post], delay[pre, post])
        given_mask = mask[pre, post]
    rule = sl.STDP(0.5, 0.01, 0.01, enable=given_mask)
    learns_delay = form == "s"
    if learns_delay:
        rule = sl.DelaySTDP(enable=mask)
    net = sl.Network(seed=3)
    source = net.source("pre", n_pre)
    population = net.population("post", n_post, sl.LIF(tau_mem=20e-3))
    net.connect(population, population, weights=np.full((n_post, n_post), 0.1))
    net.connect(
        source, population, weights=weights, delay=None if form == "l" else delay,
        learning=rule, name="p",
    )  # fmt: skip
    one = sl.compile(net, sl.TARGETS["core"].with_(neurons=n_post))
    per_core = -(-n_post // cores)
    many = sl.compile(net, sl.TARGETS["core"].with_(neurons=per_core, mesh=(1, n_post)))
    assert enabled(one) == enabled(many) == pairs_of(mask & pairs)
    assert one.rules == many.rules
    np.testing.assert_array_equal(decode(one)["p"], decode(many)["p"])
    assert (one.cores[0].rows["rule"] == (one.cores[0].rows["projection"] == 1)).all()


def test_learning_costs_memory() -> None:
    static = compiled(None).report["resources"]["synapse_bits"]["total"]
    plastic = compiled(sl.STDP(0.5)).report["resources"]["synapse_bits"]["total"]
    tagged = compiled(sl.RewardSTDP(0.5)).report["resources"]["synapse_bits"]["total"]
    assert (plastic - static, tagged - static) == (24, 24 * 9)


def test_static_programs_have_no_enable_bits() -> None:
    program = compiled(None)
    assert program.rules == ()
    assert all(len(c.dense_enable) == len(c.sparse_enable) == 0 for c in program.cores)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            {"enable": np.ones((4, 6))},
            "enable has shape (4, 6), expected (6, 4) (n_pre, n_post); transpose it",
        ),
        (
            {"enable": np.full((6, 4), 0.5)},
            "enable[0, 0] is 0.5, neither True nor False (and 23 more)",
        ),
        (
            {"enable": np.zeros((6, 4))},
            "enable is False everywhere: no synapse learns; leave learning out "
            "instead",
        ),
        ({"w_max": 0.2}, "the weight from 0 to 0, 0.25, is beyond w_max = 0.2 (and 23 more)"),
        (
            {"post_delay": 0.1},
            "post_delay of 0.1 s is 100 steps of 0.001 s; at most 63 are possible",
        ),
        (
            {"dt": 1e-4},
            "its rule is made for steps of 0.0001 s, the network has 0.001 s: give "
            "the rule dt=0.001",
        ),
        (
            {"dw": "", "ddelay": "1e-3*x1*y0 - 1e-3*y1*x0", "delay_min": 5e-3},
            "the delay from 0 to 0, 1 steps, is beyond delay_min (and 23 more)",
        ),
        (
            {"dw": "", "ddelay": "1e-3*x1*y0 - 1e-3*y1*x0", "delay_max": 0.1},
            "delay_min and delay_max allow 0 to 100 steps of 0.001 s; possible are "
            "0 to 63",
        ),
    ],
)  # fmt: skip
def test_a_rule_and_its_projection_must_agree(more: Any, problem: str) -> None:
    rule = sl.Rule(**{"dw": "0.01*x1*y0 - 0.01*y1*x0", "w_max": 1.0, "traces": TRACES, **more})
    with pytest.raises(sl.NetworkError) as caught:
        network(rule)
    assert str(caught.value).splitlines()[0].removeprefix("projection 'p': ") == problem


def test_cores_change_nothing_that_is_learned() -> None:
    net = sl.Network(seed=11)
    pre = net.source("pre", 12)
    cells = net.population("cells", 7, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pre, cells, weights=np.full((12, 7), 0.25), learning=sl.STDP(0.5), name="p")
    net.connect(
        cells, cells, weights=np.full((7, 7), 0.05), delay=4e-3, name="q",
        learning=sl.RewardSTDP(0.2, a_minus=0.5, w_min=-0.2),
    )  # fmt: skip
    net.connect(pre, cells, weights=np.full((12, 7), 0.02), learning=sl.DelaySTDP(), name="d")
    rng = np.random.default_rng(2)
    inputs = {"pre": rng.random((150, 12)) < 0.1, "modulator": rng.integers(-4, 5, 150)}
    learned = []
    for neurons in (7, 3, 1):
        target = sl.TARGETS["core"].with_(neurons=neurons, mesh=(1, 7))
        with sl.open("reference") as device:
            device.load(sl.compile(net, target))
            device.run(150, inputs)
            read = [device.read_weights(name) for name in "pqd"]
            learned.append([np.concatenate([w.raw, w.delay_steps]) for w in read])
    for other in learned[1:]:
        for ours, theirs in zip(learned[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert all(len(np.unique(values)) > 3 for values in learned[0])


def test_the_dump_shows_rules() -> None:
    texts: dict[str, str] = {}
    sl.compile(network(sl.STDP(0.5)), dump=texts.__setitem__)
    assert "  learns enable=1 limits=0..0.5 seed=" in texts["00_import"]
    assert "    dw [post] 0.01*y0*x1\n" in texts["00_import"]
    assert "  learns enable=1 limits=0..127 seed=" in texts["03_quantise"]
    assert "    PRE WEIGHT shift=" in texts["03_quantise"]


def test_a_projection_without_synapses_may_have_a_rule() -> None:
    net = sl.Network()
    pre = net.source("pre", 3)
    post = net.population("post", 2, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pre, post, weights=np.ones((3, 2)))
    none = sl.Synapses([], [], [])
    net.connect(pre, post, weights=none, learning=sl.STDP(0.5), name="p")
    program = sl.compile(net)
    program.verify()
    assert len(program.rules) == 1


def test_lavas_order_is_one_group_of_every_step() -> None:
    """And with ``multiple_of`` a mantissa moves u by that much, whatever the scale."""
    net = network(sl.LoihiSTDP(-3, -2, order="lava", post_delay=1), weights=np.full((6, 4), 50.0))
    program = sl.compile(net, "core", sl.Quantization(scale=64, multiple_of=64))
    (rule,) = program.rules
    (group,) = rule.groups
    assert (group.when, group.shift, rule.post_delay, rule.period_log2) == (When.EPOCH, 3, 1, 0)
    assert [(p.coefficient, p.factors) for p in group.products] == [
        (1, (Factor.X1, Factor.Y2)),
        (-2, (Factor.X2, Factor.Y1)),
    ]
    assert (rule.weight_min, rule.weight_max) == (0, 127)
    (core,) = program.cores
    assert set(core.dense_weight.tolist()) == {50}
    assert {int(p) for p in core.profiles["shift"]} == {6}
