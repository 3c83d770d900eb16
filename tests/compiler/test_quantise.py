"""Scales, exponents, mantissas: exact where they can be, honest where they cannot."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.networks import decode

import spikeloom as sl
from spikeloom.compiler.quantise_neurons import threshold


def network(weights: Any, **neuron: Any) -> sl.Network:
    """A host source "s" and a population "p" with the given dense weights."""
    weights = np.atleast_2d(np.asarray(weights, float))
    net = sl.Network()
    source = net.source("s", weights.shape[0])
    neuron.setdefault("tau_mem", 20e-3)
    population = net.population("p", weights.shape[1], sl.LIF(**neuron))
    net.connect(source, population, weights=weights)
    return net


def entry(program: sl.Program, name: str = "s->p") -> dict[str, Any]:
    kind = "projections" if "->" in name else "populations"
    return program.report[kind][name]


FLOATS = st.floats(-100, 100, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-3)
MATRICES = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=FLOATS)
WIDTHS = st.sampled_from([4, 6, 8, 12, 16])


def quiet(*args: Any) -> sl.Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sl.compile(*args)


@settings(max_examples=150, deadline=None)
@given(
    w=MATRICES,
    theta=st.floats(0.01, 100),
    state_bits=st.sampled_from([12, 16, 24]),
    weight_bits=WIDTHS,
    per_neuron=st.booleans(),
)
def test_automatic_scales_round_by_half_a_step_and_never_clip(
    w: np.ndarray, theta: float, state_bits: int, weight_bits: int, per_neuron: bool
) -> None:
    target = sl.Target(state_bits=state_bits, weight_bits=weight_bits)
    net = network(w, v_threshold=theta)
    program = quiet(net, target, sl.Quantization(per_neuron=per_neuron))
    info, scale = entry(program), program.populations[0].scale
    step = 2.0 ** (info["exponent"] + info["shift"])
    found = np.zeros(w.shape)
    for pre, post, delay, weight, receptor in decode(program)["s->p"].tolist():
        found[pre, post] = weight
        assert (delay, receptor) == (1, 0)
    assert (np.abs(found - w * scale) <= step / 2 * (1 + 1e-9)).all()
    assert info["clipped"] == 0
    sums = np.abs(found).sum(axis=0) / 2.0 ** info["shift"]
    assert entry(program, "p")["accumulator"]["worst"][0] == sums.max()
    assert sums.max() <= target.accumulator_max
    largest = np.maximum(theta, np.abs(w).max(axis=0))
    assert (largest * scale <= target.state_max * (1 + 1e-12)).all()


@settings(max_examples=80, deadline=None)
@given(w=MATRICES, weight_bits=st.sampled_from([4, 8, 16]))
def test_automatic_scales_use_the_mantissas(w: np.ndarray, weight_bits: int) -> None:
    """With room in the state the largest weight takes at least half of the mantissa's range."""
    assume(w.any())
    target = sl.Target(weight_bits=weight_bits)
    net = network(w / np.abs(w).max(), v_threshold=1.0)
    low, high = entry(quiet(net, target))["mantissa"]
    assert max(-low, high) > target.weight_max // 2


@settings(max_examples=80, deadline=None)
@given(
    w=arrays(np.int64, (3, 4), elements=st.integers(-128, 127)),
    power=st.integers(0, 10),
)
def test_given_scales_are_exact_for_whole_numbers(w: np.ndarray, power: int) -> None:
    program = quiet(network(w, v_threshold=200.0), "core", sl.Quantization(scale=float(1 << power)))
    for pre, post, _, weight, _ in decode(program)["s->p"].tolist():
        assert weight == w[pre, post] << power
    assert entry(program)["max_error"] == 0.0
    assert program.cores[0].threshold[0] == 200 << power


def test_scale_64_is_lavas_shift_of_6() -> None:
    program = sl.compile(network([[127.0, -3.0]], v_threshold=100.0), "core", sl.Quantization(64))
    profile = program.cores[0].profiles[0]
    assert (profile["shift"], program.cores[0].rows["exponent"][0]) == (6, 0)
    assert program.cores[0].dense_weight.tolist() == [127, -3]


def test_scale_1_keeps_integers_as_they_are() -> None:
    program = sl.compile(network([[5.0, -128.0]], v_threshold=4.0), "core", sl.Quantization(1))
    assert program.cores[0].profiles["shift"].tolist() == [0]
    assert program.cores[0].dense_weight.tolist() == [5, -128]
    assert program.cores[0].threshold.tolist() == [4, 4]


@given(
    theta=st.floats(-1000, 1000),
    scale=st.sampled_from([1.0, 2.0, 64.0, 1024.0]),
    v=st.integers(-100_000, 100_000),
)
def test_threshold_decides_as_the_real_one(theta: float, scale: float, v: int) -> None:
    """``v > θ`` for integers v, at scales whose products are exact."""
    integer = threshold(np.array([theta]), np.array([scale]))[0]
    assert (v > integer) == (v / scale > theta)


def test_threshold_forgives_the_products_rounding() -> None:
    """0.29 · 100 is 28.999999999999996 in floating point, and meant to be 29."""
    assert threshold(np.array([0.29]), np.array([100.0]))[0] == 29
    just_below = np.nextafter(1.0, 0.0)  # how ``v >= 1`` is written where firing is ``v > θ``
    assert threshold(np.array([just_below]), np.array([64.0]))[0] == 63


def test_dyadic_weights_get_a_power_of_two() -> None:
    program = sl.compile(network([[1.0, 0.5, -0.25]], v_threshold=1.0))
    assert np.log2(entry(program, "p")["scale"]) % 1 == 0
    assert entry(program)["max_error"] == 0.0


def test_a_scale_near_the_largest_that_rounds_less_is_taken() -> None:
    """Weights 0.4 and 2.0 at 4 bits: 7 / 2.0 would make them 1.4 and 7; 5 / 2.0 makes 1 and 5."""
    program = sl.compile(network([[0.4, 2.0]], v_threshold=2.0), sl.Target(weight_bits=4))
    assert abs(entry(program)["max_error"]) < 0.02
    assert program.cores[0].dense_weight.tolist() == [1, 5]


def test_projections_have_exponents_of_their_own() -> None:
    net = network([[0.01]], v_threshold=1.0)
    net.connect("s", "p", weights=[[1.0]], name="strong")
    program = sl.compile(net)
    weak, strong = entry(program), program.report["projections"]["strong"]
    assert strong["exponent"] > weak["exponent"] == 0
    assert weak["mantissa"][1] > 60
    assert weak["max_error"] < 0.01 / 60


def test_scales_by_population_and_neuron() -> None:
    net = network([[1.0, 2.0]], v_threshold=4.0)
    net.population("q", 2, sl.LIF(20e-3, v_threshold=3.0, bias=0.5))
    program = sl.compile(net, "core", sl.Quantization(scale={"p": [8, 16]}))
    assert program.populations[0].scale.tolist() == [8.0, 16.0]
    assert program.cores[0].threshold.tolist()[:2] == [32, 64]
    assert entry(program, "p")["scale"] == [8.0, 16.0]
    assert program.populations[1].scale[0] == entry(program, "q")["scale"]


def test_per_neuron_scales_serve_weak_neurons() -> None:
    net = network([[1.0, 0.01]], v_threshold=[1.0, 0.01])
    together = entry(sl.compile(net))
    apart = entry(sl.compile(net, "core", sl.Quantization(per_neuron=True)))
    assert apart["max_error"] < together["max_error"]


@settings(max_examples=60, deadline=None)
@given(
    exponents=st.lists(st.integers(-250, 250), min_size=4, max_size=4),
    zeros=st.lists(st.booleans(), min_size=4, max_size=4),
    per_neuron=st.booleans(),
)
def test_extreme_numbers_neither_crash_nor_clip(
    exponents: list[int], zeros: list[bool], per_neuron: bool
) -> None:
    """Any mixture of magnitudes: what vanishes is counted, what remains is right."""
    values = np.where(zeros, 0.0, 10.0 ** np.array(exponents, float))
    net = sl.Network()
    readout = net.population("p", 2, sl.LI(20e-3, bias=[0.0, values[2]]))
    net.connect(net.source("s", 1), readout, weights=values[None, :2])
    net.population("q", 1, sl.LIF(20e-3, v_threshold=values[3]))
    program = quiet(net, "core", sl.Quantization(per_neuron=per_neuron))
    json.dumps(program.report, allow_nan=False)
    for _, post, _, weight, _ in decode(program)["s->p"].tolist():
        scaled = values[post] * program.populations[0].scale[post]
        assert abs(weight - scaled) <= 2.0 ** (
            entry(program)["exponent"] + entry(program)["shift"] - 1
        )


def test_rounding_toward_zero() -> None:
    net = network([[0.9, -0.9, 127.0]], v_threshold=1.0)
    for rounding, mantissas in (("nearest", [1, -1, 127]), ("toward_zero", [0, 0, 127])):
        program = quiet(net, "core", sl.Quantization(scale=1, rounding=rounding))
        assert program.cores[0].dense_weight.tolist() == mantissas


def test_decay_constants() -> None:
    program = sl.compile(network([[1.0]], tau_mem=20e-3, tau_syn=(5e-3, None)))
    profile = program.cores[0].profiles[0]
    assert profile["decay_v"] == round(4096 * (1 - np.exp(-1 / 20))) == 200
    assert profile["decay_u"].tolist() == [742, 4096]
    decay = entry(program, "p")["decay"]
    assert set(decay) == {"u0", "v"}
    assert decay["v"] == {
        "k": 200,
        "tau_steps": pytest.approx(20.0),
        "tau_steps_got": pytest.approx(-1 / np.log(1 - 200 / 4096)),
        "relative_error": pytest.approx(200 / 4096 / (1 - np.exp(-1 / 20)) - 1),
    }


# ------------------------------------------------------------ refusals and warnings


def test_numbers_that_do_not_fit_are_all_named() -> None:
    net = network([[1.0]], v_threshold=1e6, bias=-2e6)
    with pytest.raises(sl.CompileError) as error:
        sl.compile(net, "core", sl.Quantization(scale=64))
    assert str(error.value) == (
        "population 'p': numbers do not fit the 24-bit state at the given scale\n"
        "  - bias[0] = -2e+06 times scale 64 is -128000000\n"
        "  - threshold[0] = 1e+06 times scale 64 is 64000000\n"
        "  expected: -8388608 … 8388607\n"
        f"  where: {net.populations['p'].origin}\n"
        "  remedy: use a smaller scale, or scale='auto'"
    )


def test_all_populations_that_do_not_fit_are_named() -> None:
    net = network([[1.0]], v_threshold=1e6)
    net.population("q", 1, sl.LIF(20e-3, v_threshold=2e6))
    with pytest.raises(sl.CompileError) as error:
        sl.compile(net, "core", sl.Quantization(scale=64))
    text = str(error.value)
    assert text.startswith("2 populations cannot be quantised\npopulation 'p': numbers do not fit")
    assert "population 'q': numbers do not fit" in text
    wide = network(np.full((300, 1), 127.0), v_threshold=1000.0)
    more = wide.population("q", 1, sl.LIF(20e-3))
    wide.connect("s", more, weights=np.full((300, 1), 127.0))
    with pytest.raises(sl.FitError) as error:
        sl.compile(wide, sl.Target(accumulator_bits=16), sl.Quantization(scale=1))
    assert [row["population"] for row in error.value.table] == ["p", "q"]


def test_weights_that_no_shift_fits_are_refused() -> None:
    net = network([[1.0]])
    with pytest.raises(sl.CompileError) as error:
        sl.compile(net, "core", sl.Quantization(scale=2.0**40))
    assert str(error.value).startswith(
        "projection 's->p': weights are too large for the given scale\n"
        "  found: |w|·scale up to 1.09951e+12\n"
        "  expected: at most 127 << 30\n"
    )


def test_accumulators_that_could_overflow_are_refused_at_a_given_scale() -> None:
    net = network(np.full((300, 1), 127.0), v_threshold=1000.0)
    target = sl.Target(accumulator_bits=16)
    with pytest.raises(sl.FitError) as error:
        sl.compile(net, target, sl.Quantization(scale=1))
    assert str(error.value) == (
        "population 'p': an accumulator could overflow\n"
        "  found: 38100 at neuron 0, receptor 0, if all its 300 synapses got a spike in one step\n"
        "  expected: at most 32767 (16 bits)\n"
        f"  where: {net.populations['p'].origin}\n"
        "  remedy: use a smaller scale or scale='auto', share the synapses between both receptors, "
        "or a target with wider accumulators"
    )
    assert error.value.table == (
        {
            "resource": "accumulator_bits",
            "population": "p",
            "needed": 17,
            "available": 16,
            "per": "neuron",
        },
    )
    automatic = sl.compile(net, target)
    assert entry(automatic, "p")["accumulator"]["worst"][0] <= 32767


def test_a_slow_decay_that_vanishes_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="are times given in seconds"):
        net = network([[1.0]], tau_mem=20.0)
    with pytest.warns(UserWarning, match=r"\[\w+\]$") as caught:
        program = sl.compile(net)
    text = (
        "p: tau_mem of 2e+04 steps is rounded to a state that never decays [decay_is_representable]"
    )
    assert [str(w.message) for w in caught] == [text]
    assert program.report["warnings"] == [text]
    assert caught[0].filename == __file__


def test_weights_that_vanish_silence_the_population() -> None:
    net = network([[0.3, 0.2]], v_threshold=0.5)
    with pytest.warns(UserWarning, match=r"\[\w+\]$") as caught:
        sl.compile(net, "core", sl.Quantization(scale=1))
    assert [str(w.message) for w in caught] == [
        "p: 2 of 2 neurons (the first is 0) can no longer reach their threshold after "
        "quantisation [neurons_can_fire]",
        "s->p: all 2 weights became 0 [weights_survive]",
    ]


def test_whole_weights_that_need_more_bits_are_a_warning() -> None:
    net = network([[200.0, 3.0]], v_threshold=100.0)
    with pytest.warns(UserWarning, match=r"\[\w+\]$") as caught:
        sl.compile(net, "core", sl.Quantization(scale=1))
    assert [str(w.message) for w in caught] == [
        "s->p: whole numbers of LSBs, yet rounded: 8 bits cannot hold them all "
        "(largest error 1) [whole_weights_are_exact]"
    ]


def test_what_the_network_itself_says_is_a_note() -> None:
    net = network([[0.1]], v_threshold=5.0)
    net.population("eager", 1, sl.LIF(20e-3, v_threshold=1.0, bias=0.5))
    program = sl.compile(net)
    assert program.report["warnings"] == []
    assert program.report["notes"] == [
        "p: 1 of 1 neurons (the first is 0) cannot reach their threshold even if every synapse "
        "gets a spike in every step [neurons_can_fire]",
        "eager: 1 of 1 neurons (the first is 0) fire whatever their input is "
        "[neurons_can_be_silent]",
    ]


def test_neurons_that_fire_for_no_reason_are_a_warning() -> None:
    net = sl.Network()
    net.population("eager", 1, sl.LIF(20e-3, v_threshold=-50.0, v_reset=-70.0))
    with pytest.warns(
        UserWarning,
        match=r"^eager: 1 of 1 neurons \(the first is 0\) fire without bias or input: v rests "
        r"above threshold \[neurons_can_be_silent\]$",
    ):
        sl.compile(net)


@pytest.mark.parametrize("weight_bits", [4, 8, 16])
def test_a_readout_has_room_for_what_drives_it(weight_bits: int) -> None:
    """Nothing resets a readout: v is some 2,000 weights high here, and must not saturate."""
    net = sl.Network()
    source = net.source("s", 100, sl.Poisson(rate=50.0, seed=3))
    readout = net.population("r", 3, sl.LI(tau_mem=100e-3, tau_syn=20e-3))
    weights = np.random.default_rng(5).uniform(0.02, 0.1, (100, 3))
    net.connect(source, readout, weights=weights)
    net.probe(readout, "v")
    program = sl.compile(net, sl.TARGETS["core"].with_(weight_bits=weight_bits))
    real = sl.simulate(net, 600).states["r"]["v"]
    with sl.open("reference") as device:
        device.load(program)
        v = device.run(600).states["r"]["v"]  # a SaturationWarning would be an error
    assert real.max() > 400
    tolerance = {4: 0.06, 8: 0.02, 16: 0.01}[weight_bits]
    assert np.abs(v - real).max() < tolerance * real.max()


def test_quantization_arguments() -> None:
    with pytest.raises(sl.NetworkError) as error:
        sl.Quantization(scale=-1.0, rounding="neerest")  # type: ignore[arg-type]
    assert str(error.value).startswith(
        "Quantization: 2 problems\n"
        "  - rounding must be one of 'nearest', 'toward_zero', got 'neerest'; did you mean "
        "'nearest'?\n"
        "  - scale is not above 0.0: -1\n"
        "  where: test_quantise.py:"
    )
    with pytest.raises(sl.NetworkError, match="per_neuron belongs to automatic scales"):
        sl.Quantization(scale=2, per_neuron=True)
    net = network([[1.0]])
    with pytest.raises(sl.NetworkError) as error:
        sl.compile(net, "core", sl.Quantization(scale={"P": 2}))
    assert "expected: one of 'p'" in str(error.value)
    with pytest.raises(sl.NetworkError, match="3 values for 1 neurons"):
        sl.compile(net, "core", sl.Quantization(scale={"p": [1, 2, 3]}))
