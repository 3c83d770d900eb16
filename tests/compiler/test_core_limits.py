"""Cores that are built with less than the machine allows: the compiler chooses within that."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.program_needs import rule_needs
from spikeloom.compiler.target import NEURON_PARTS, RULE_PARTS
from spikeloom.hdl.geometry import FLAGS, LEARNING_FLAGS

TRACES = {"x1": sl.Trace(20e-3)}
CORE = sl.TARGETS["core"]


def network(weights: Any, learning: Any = None, **neuron: Any) -> sl.Network:
    net = sl.Network(dt=1e-3, seed=3)
    weights = np.atleast_2d(np.asarray(weights, float))
    source = net.source("s", weights.shape[0])
    cells = sl.LIF(**{"tau_mem": 20e-3, "v_threshold": 1.0, **neuron})
    post = net.population("p", weights.shape[1], cells)
    net.connect(source, post, weights=weights, learning=learning)
    net.probe(post, "v")
    return net


def quiet(*args: Any) -> sl.Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sl.compile(*args)


def test_parts_have_the_names_that_geometries_have() -> None:
    assert {*NEURON_PARTS} == {*FLAGS, "adaptation"}
    assert RULE_PARTS == LEARNING_FLAGS


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    inputs=st.sampled_from([1, 7, 300]),
    exponents=st.sampled_from([0, 1, 3, 15]),
    shifts=st.sampled_from([0, 1, 15]),
    bits=st.sampled_from([16, 24]),
)
def test_exponents_and_shifts_stay_within_the_core(
    seed: int, inputs: int, exponents: int, shifts: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    target = CORE.with_(
        exponents=exponents, shifts=shifts, state_bits=bits, accumulator_bits=bits + 2
    )
    net = network(rng.normal(0.1, 0.2, (inputs, 3)))
    net.connect("s", "p", weights=rng.normal(0, 3e-3, (inputs, 3)), name="weak")
    program = quiet(net, target)
    program.verify()
    (core,) = program.cores
    assert core.profiles["shift"].max() <= shifts
    assert core.rows["exponent"].max() <= exponents
    strong = program.report["projections"]["s->p"]
    assert strong["clipped"] == 0
    # 300 weights may need the room of their sum; others have all bits of their mantissas.
    assert max(map(abs, strong["mantissa"])) > (16 if inputs == 300 else 60)


def test_where_there_are_no_shifts_exponents_do_the_same() -> None:
    net = network(np.random.default_rng(1).normal(0.1, 0.2, (20, 5)))
    spikes = {"s": np.random.default_rng(2).random((50, 20)) < 0.3}
    found = []
    for limits in ({}, {"shifts": 0}, {"exponents": 0}):
        program = quiet(net, CORE.with_(state_bits=16, **limits))
        with sl.open("reference") as device:
            device.load(program)
            found.append(device.run(50, spikes).states["p"]["v"].raw)
    assert found[0].any()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_an_automatic_scale_is_halved_where_no_shift_makes_sums_fit() -> None:
    net = network(np.full((2000, 2), 0.1))
    wide = quiet(net, CORE.with_(accumulator_bits=18, state_bits=16))
    narrow = quiet(net, CORE.with_(accumulator_bits=18, state_bits=16, shifts=0))
    ours, theirs = (p.report["populations"]["p"] for p in (narrow, wide))
    assert ours["accumulator"]["worst"][0] <= (1 << 17) - 1
    assert theirs["shift"] > 0 == ours["shift"]
    assert theirs["scale"] / ours["scale"] == 2 ** theirs["shift"]
    # As fine a weight as with the shift.
    mantissas = [p.report["projections"]["s->p"]["mantissa"] for p in (narrow, wide)]
    assert mantissas[0] == mantissas[1]
    with pytest.raises(sl.FitError, match="an accumulator could overflow"):
        sl.compile(net, CORE.with_(accumulator_bits=16, shifts=0), sl.Quantization(scale=1000))


def test_multiples_that_no_shift_makes_are_refused() -> None:
    net = network([[0.5]])
    with pytest.raises(sl.CompileError) as caught:
        sl.compile(
            net, CORE.with_(name="plain", exponents=2, shifts=0), sl.Quantization(multiple_of=64)
        )
    assert str(caught.value) == (
        "population 'p': mantissas cannot be multiples of 64\n"
        "  found: target 'plain' shifts them by at most 2 bits\n"
        "  expected: at least 6\n"
        f"  where: {net.populations['p'].origin}\n"
        "  remedy: a smaller multiple_of, or a target with larger exponents or shifts"
    )


NEEDS: dict[str, dict[str, Any]] = {
    "exponential": {},
    "linear": {"tau_mem": None, "leak": "linear", "leak_rate": 5.0},
    "subtract": {"reset": "subtract"},
    "late": {"reset_delay": True},
    "hold": {"refractory": 2e-3, "refractory_mode": "hold"},
    "mask": {"refractory": 2e-3, "refractory_mode": "mask"},
    "bias": {"bias": 0.01},
    "adaptation": {"threshold_step": 0.1, "tau_threshold": 10e-3},
}


@pytest.mark.parametrize("part", NEURON_PARTS)
def test_neurons_that_need_a_missing_part_are_refused(part: str) -> None:
    net = network([[0.5]], **NEEDS[part])
    others = tuple(p for p in NEURON_PARTS if p != part and p != "exponential")
    sl.compile(net, CORE.with_(lacks=others)).verify()
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, CORE.with_(lacks=(part,)))
    (row,) = caught.value.table
    assert row == {
        "resource": part, "population": "p", "needed": 1, "available": 0, "per": "core"
    }  # fmt: skip


def test_what_neurons_need_is_told_at_once() -> None:
    net = network([[0.5]], bias=0.1, refractory=20e-3)
    origin = net.populations["p"].origin
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, CORE.with_(name="plain", lacks=("bias",), refractory_bits=4))
    assert str(caught.value) == (
        "network 'network' breaks 2 design rules\n"
        "  - [neuron_parts_are_there] population 'p': neuron 0 has a bias; target 'plain' is built "
        f"without (bias) ({origin})\n"
        "  - [refractory_period_fits] population 'p' has a refractory period of 20 steps; target "
        f"'plain' counts up to 15 ({origin})\n"
        "  remedy: neurons that need no bias, or a core that is made for these: compile for "
        "another target, then `spikeloom build --for net.loom`; a shorter period, a larger dt, or "
        "a target with a wider counter"
    )
    sl.compile(net, CORE.with_(refractory_bits=5))


RULES: dict[str, Any] = {
    "tags": sl.RewardSTDP(w_max=1.0, dt=1e-3),
    "delays": sl.DelaySTDP(delay_max=5),
    "windows": sl.RectangularSTDP(1.0, 0.01, 0.01, 10, 10),
    "post_delays": sl.Rule(dw="0.01*x1*y0", traces=TRACES, w_max=1.0, post_delay=2e-3),
    "seconds": sl.TripletSTDP(w_max=1.0),
    "thirds": sl.Rule(dw="0.01*x1*r*y0", traces=TRACES, w_max=1.0),
    "by_weight": sl.STDP(w_max=1.0, dependence="multiplicative"),
    "shared": sl.Rule(dw="0.01*x1*m*y0", traces=TRACES, w_max=1.0),
    "signs": sl.Rule(dw="0.1*sgn(x1)*y0", traces=TRACES, w_max=1.0),
    "sums": sl.Rule(dw="0.01*x1*y0 - 0.01*x1*t0", traces=TRACES, w_max=1.0),
}
WEIGHTS = np.full((4, 3), 0.5)


@pytest.mark.parametrize("part", RULES)
def test_rules_that_need_a_missing_part_are_refused(part: str) -> None:
    net = network(WEIGHTS, RULES[part])
    needs = rule_needs(quiet(net, CORE).rules, CORE, 1, 1)
    core = CORE.with_(factors=max(1, needs["factors"]))
    others = tuple(p for p in RULES if p != part and p != "delays" and not needs[p])
    quiet(net, core.with_(lacks=others)).verify()
    with pytest.raises(sl.FitError) as caught:
        quiet(net, core.with_(lacks=(part,)))
    assert [row["resource"] for row in caught.value.table] == [part]


def test_what_a_rule_needs_is_told_at_once() -> None:
    net = network(WEIGHTS, sl.STDP(w_max=1.0, dependence="multiplicative"))
    limits: Any = {"name": "plain", "factors": 1, "lacks": ("by_weight", "tags")}
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, CORE.with_(**limits))
    origin = str(caught.value.where)
    assert origin.startswith("test_core_limits.py:")
    assert str(caught.value) == (
        "projection 's->p': target 'plain' is built without what its rule needs\n"
        "  found: the weight as a factor; 2 factors in a product, where it has 1\n"
        f"  where: {origin}\n"
        "  remedy: a rule without it, or a core that is made for this one: compile for another "
        "target, then `spikeloom build --for net.loom`"
    )


@settings(max_examples=60, deadline=None)
@given(
    eta=st.floats(1e-4, 0.1),
    fraction=st.integers(8, 24),
    coefficient_bits=st.integers(10, 41),
    sum_bits=st.integers(16, 56),
    both=st.booleans(),
)
def test_coefficients_fit_the_engine_or_are_refused(
    eta: float, fraction: int, coefficient_bits: int, sum_bits: int, both: bool
) -> None:
    target = CORE.with_(
        fraction=fraction, coefficient_bits=coefficient_bits, sum_bits=max(sum_bits, fraction + 1)
    )
    dw = f"{eta}*x1*y0 - {eta / 3}*{'x1*t0' if both else 'x1*x0'}"
    net = network(WEIGHTS, sl.Rule(dw=dw, traces=TRACES, w_max=1.0))
    try:
        (rule,) = quiet(net, target).rules
    except sl.CompileError:
        assume(False)  # refused: the next test has the reasons
        raise
    needs = rule_needs((rule,), target, target.factors, fraction)
    for name in ("fraction", "coefficient_bits", "sum_bits"):
        assert needs[name] <= getattr(target, name), name


@pytest.mark.parametrize(
    ("widths", "reason"),
    [
        (
            {"fraction": 20, "coefficient_bits": 18, "sum_bits": 40},
            "0.604 steps per least step of its factors; target 'plain' holds less than 0.125",
        ),
        (
            {"fraction": 20, "coefficient_bits": 30, "sum_bits": 26},
            "up to 76.7 steps at once; target 'plain' holds 31",
        ),
    ],
    ids=["coefficient", "sum"],
)
def test_what_the_engine_has_no_width_for_is_refused(widths: dict[str, int], reason: str) -> None:
    net = network(WEIGHTS, sl.Rule(dw="0.16*x1*y0", traces=TRACES, w_max=1.0))
    with pytest.raises(sl.CompileError) as caught:
        quiet(net, CORE.with_(name="plain", **widths))
    assert str(caught.value).splitlines()[:2] == [
        "projection 's->p': its rule does not fit the machine's integers",
        f"  - dw: 0.16*y0*x1 is too large: {reason}",
    ]


def test_only_what_a_core_limits_is_in_a_file() -> None:
    plain = CORE.to_dict()
    assert not {"shifts", "exponents", "lacks", "factors"} & set(plain)
    small = CORE.with_(shifts=0, lacks=("bias", "tags"), sum_bits=30)
    told = small.to_dict()
    assert (told["shifts"], told["lacks"], told["sum_bits"]) == (0, ["bias", "tags"], 30)
    assert "exponents" not in told
    assert sl.Target(**told) == small
    for wrong in ({"lacks": ("wings",)}, {"lacks": "bias"}, {"lacks": ([],)}):
        with pytest.raises(sl.CompileError, match="lacks names something that is no part"):
            CORE.with_(**wrong)
    with pytest.raises(sl.CompileError, match="shifts is out of range"):
        CORE.with_(shifts=16)


@pytest.mark.parametrize("name", ["shift", "exponent"])
def test_a_program_cannot_claim_more_than_its_target_has(name: str) -> None:
    other = {"shift": "exponents", "exponent": "shifts"}[name]
    program = quiet(network([[100.0, 1.0]], v_threshold=100.0), CORE.with_(**{other: 0}))
    (core,) = program.cores
    used = int((core.profiles if name == "shift" else core.rows)[name].max())
    assert used > 0
    claimed = replace(program, target=program.target.with_(**{f"{name}s": used - 1}))
    with pytest.raises(sl.FileError) as caught:
        claimed.verify()
    assert str(caught.value).startswith(
        f"the Program is not valid: {name} is out of range\n  found: {used} at index 0\n"
        f"  expected: 0 … {used - 1}\n  where: core 0, "
    )
