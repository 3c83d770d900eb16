"""Ready-made rules against their own formulas, in floating point and on the reference device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloom as sl

PRE = 60


def curve(
    rule: sl.Rule, pre: list[int], post: list[int], steps: int = 160, w: float = 0.1
) -> float:
    """Change of one weight by given spikes, seen in floating point."""
    return learned(rule, pre, post, steps, w).weights[0] - w


def learned(
    rule: sl.Rule, pre: list[int], post: list[int], steps: int, w: float, **inputs: Any
) -> Any:
    net = driven(rule, w)
    inputs |= {
        "pre": np.array([(t, 0) for t in pre], np.int64).reshape(-1, 2),
        "drive": np.array([(t, 0) for t in post], np.int64).reshape(-1, 2),
    }
    result = sl.simulate(net, steps, inputs)
    assert result.spikes["cell"][:, 0].tolist() == sorted(post)
    return result.learned["p"]


def driven(rule: sl.Rule, w: float) -> sl.Network:
    """A cell that fires exactly when its drive does, and a synapse that learns."""
    net = sl.Network()
    pre, drive = net.source("pre", 1), net.source("drive", 1)
    cell = net.population("cell", 1, sl.LIF(tau_mem=1e-3, v_threshold=50.0))
    net.connect(pre, cell, weights=[[w]], delay=0.0, learning=rule, name="p")
    net.connect(drive, cell, weights=[[200.0]], delay=0.0)
    net.probe(cell)
    return net


@pytest.mark.parametrize("pairing", ["all", "nearest"])
@pytest.mark.parametrize("at_zero", ["ignore", "potentiate", "depress"])
def test_pair_stdp(pairing: Any, at_zero: Any) -> None:
    rule = sl.STDP(1.0, 0.01, 0.012, 20e-3, 30e-3, pairing=pairing, at_zero=at_zero)
    zero = {"ignore": 0.0, "potentiate": 0.01, "depress": -0.012}[at_zero]
    for d in (-50, -31, -12, -3, -2, -1, 0, 1, 2, 3, 11, 30, 50):
        exact = 0.01 * np.exp(-d / 20) if d > 0 else -0.012 * np.exp(d / 30) if d else zero
        assert curve(rule, [PRE], [PRE + d]) == pytest.approx(exact, abs=1e-15)


def test_all_pairs_add_up_and_nearest_ones_do_not() -> None:
    pre, post = [10, 14, 40], [20, 25, 47]
    every = sum(
        0.01 * np.exp(-(b - a) / 20) if b > a else -0.012 * np.exp(-(a - b) / 20)
        for a in pre
        for b in post
    )
    assert curve(sl.STDP(1.0), pre, post) == pytest.approx(every)
    near = 0.01 * sum(np.exp(-d / 20) for d in (6, 11, 7)) - 0.012 * np.exp(-15 / 20)
    assert curve(sl.STDP(1.0, pairing="nearest"), pre, post) == pytest.approx(near)


def test_multiplicative_stdp_slows_down_at_its_limits() -> None:
    rule = sl.STDP(1.0, 0.1, 0.2, dependence="multiplicative", w_min=0.05)
    assert curve(rule, [60], [65], w=0.8) == pytest.approx(0.1 * 0.2 * np.exp(-5 / 20))
    assert curve(rule, [65], [60], w=0.8) == pytest.approx(-0.2 * 0.75 * np.exp(-5 / 20))


def test_dendritic_delay_shifts_the_curve() -> None:
    rule = sl.STDP(1.0, dendritic_delay=7e-3)
    for d in (-20, -8, -7, -6, -1, 0, 5):
        seen = d + 7
        exact = 0.01 * np.exp(-seen / 20) if seen > 0 else -0.012 * np.exp(seen / 20) if seen else 0
        assert curve(rule, [PRE], [PRE + d]) == pytest.approx(exact, abs=1e-15)


def test_triplet_stdp() -> None:
    """Sums over all pairs and triplets of spikes, as the paper writes them."""
    a2p, a2m, a3p, a3m = 4e-3, 6e-3, 7e-3, 3e-3
    rule = sl.TripletSTDP(1.0, a2p, a2m, a3p, a3m, 16.8e-3, 33.7e-3, 101e-3, 125e-3)
    pre, post = [20, 33, 70, 95], [26, 40, 64, 101, 110]

    def sums(spikes: list[int], t: int, tau: float) -> float:
        return sum(np.exp(-(t - s) / tau) for s in spikes if s < t)

    exact = sum(sums(pre, t, 16.8) * (a2p + a3p * sums(post, t, 125)) for t in post)
    exact -= sum(sums(post, t, 33.7) * (a2m + a3m * sums(pre, t, 101)) for t in pre)
    assert curve(rule, pre, post) == pytest.approx(exact)


def test_symmetric_and_anti_hebbian() -> None:
    both = sl.SymmetricSTDP(1.0, 0.01, 20e-3, alpha=0.3)
    for d in (-9, 9):
        assert curve(both, [60], [60 + d]) == pytest.approx(0.01 * (np.exp(-9 / 20) - 0.3))
    anti = sl.AntiHebbian(1.0, 0.01, 0.004, growth=0.002)
    assert curve(anti, [60], [65]) == pytest.approx(0.002 - 0.01 * np.exp(-5 / 20))
    assert curve(anti, [65], [60]) == pytest.approx(0.002 + 0.004 * np.exp(-5 / 20))


def test_oja_settles_where_input_and_output_agree() -> None:
    pre, post = [10, 15], [20, 28]
    w = 0.1
    for t in post:
        x = sum(np.exp(-(t - s) / 20) for s in pre)
        y = sum(np.exp(-(t - s) / 20) for s in post if s < t)
        w += 0.01 * (x - y * w)
    assert curve(sl.Oja(1.0), pre, post) == pytest.approx(w - 0.1)


def test_supervised_follows_the_teacher() -> None:
    rule = sl.Supervised(1.0, 0.01)
    taught = learned(rule, [60], [70], 100, 0.1, **{"cell.teacher": np.array([[64, 0]])})
    exact = 0.01 * (np.exp(-4 / 20) - np.exp(-10 / 20))
    assert taught.weights[0] - 0.1 == pytest.approx(exact)


def test_reward_comes_later_and_in_proportion() -> None:
    rule = sl.RewardSTDP(1.0, 1e-3, 0.2, epoch=2)
    modulator = np.zeros(160, np.int64)
    modulator[119] = 5  # the last step of an epoch
    got = learned(rule, [60], [65], 160, 0.1, modulator=modulator)
    tag = np.exp(-5 / 20)
    keeps = np.exp(-4e-3 / 0.2)
    epochs = sum(1 for t in range(65, 119) if (t + 1) % 4 == 0)
    assert got.weights[0] - 0.1 == pytest.approx(1e-3 * 5 * tag * keeps**epochs)
    assert got.tags[0] == pytest.approx(
        tag * keeps ** sum((t + 1) % 4 == 0 for t in range(65, 160))
    )


def test_rectangular_windows() -> None:
    rule = sl.RectangularSTDP(1.0, 0.02, 0.01, 10, 5)
    for d in (-14, -6, -5, -1, 0, 1, 9, 10, 11):
        exact = 0.02 if 1 <= d <= 10 else -0.01 if -5 <= d <= -1 else 0.0
        assert curve(rule, [PRE], [PRE + d]) == pytest.approx(exact, abs=1e-15)
    assert curve(rule, [55, 57, 60], [62]) == pytest.approx(0.02)


@settings(max_examples=25, deadline=None)
@given(
    taps=st.lists(st.tuples(st.integers(-3, 4), st.integers(-3, 1)), min_size=1, max_size=6),
    seed=st.integers(0, 1 << 16),
)
def test_taps_as_superneuromat_counts_them(taps: list[tuple[int, int]], seed: int) -> None:
    """Each step and tap: one constant or the other; on the reference device to the bit."""
    a_pos, a_neg = (list(column) for column in zip(*taps, strict=True))
    products = [a_pos[0] != a_neg[0], a_pos != a_neg, sum(a_neg) != 0]
    if not any(products):
        return
    rng = np.random.default_rng(seed)
    pre, post = (sorted(rng.choice(np.arange(4, 40), 12, replace=False).tolist()) for _ in "ab")
    change = 0
    for t in range(44):
        for k, (up, down) in enumerate(taps):
            change += up if t in post and t - k in pre else down
    net = driven(sl.TapSTDP(a_pos, a_neg, 2000.0, w_min=-2000.0), 0.0)
    inputs = {"pre": np.array([(t, 0) for t in pre]), "drive": np.array([(t, 0) for t in post])}
    # A drive of 200 000 beats whatever the weight becomes; 16 bits hold every whole weight.
    net.populations["cell"].params["threshold"] = 50_000.0
    net.projections["drive->cell"].synapses.weight.flags.writeable = True
    net.projections["drive->cell"].synapses.weight[:] = 200_000.0
    result = sl.simulate(net, 44, inputs)
    assert result.spikes["cell"][:, 0].tolist() == post
    assert result.learned["p"].weights[0] == pytest.approx(change)
    target = sl.TARGETS["core"].with_(weight_bits=16)
    with sl.open("reference") as device:
        device.load(sl.compile(net, target, sl.Quantization(scale=8)))
        device.run(44, inputs)
        assert device.read_weights("p").values[0] == change


def test_delays_move_to_the_spike_that_they_miss() -> None:
    rule = sl.DelaySTDP(-1, window=20)
    got = learned(rule, [20, 60, 100, 140], [30, 70, 110, 150], 160, 0.1)
    assert got.weights[0] == 0.1
    assert got.delays[0] == pytest.approx(10e-3 * (1 - 0.5**4))
    ahead = sl.DelaySTDP(0, lead=2)
    assert learned(ahead, [20], [30], 160, 0.1).delays[0] == pytest.approx(8e-3)


def test_loihi_counts_in_integers() -> None:
    rule = sl.LoihiSTDP(-2, -2, impulse=16)
    assert curve(rule, [60], [61], w=5.0) == 4.0  # a raw trace is undecayed one step later
    assert curve(rule, [60], [62], w=5.0) == pytest.approx(4 * np.exp(-1 / 20))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: sl.STDP(1.0, pairing="some"),  # type: ignore[arg-type]
            "STDP: pairing must be one of 'all', 'nearest', got 'some'",
        ),
        (
            lambda: sl.STDP(1.0, a_plus="x"),  # type: ignore[arg-type]
            "STDP: the coefficient of x1*y0 must be a number or an array of "
            "numbers, got 'x'",
        ),
        (lambda: sl.TapSTDP([1, 2], [1], 5.0), "TapSTDP: a_pos has 2 taps, a_neg 1"),
        (
            lambda: sl.RectangularSTDP(1, 1, 1, 40, 5),
            "RectangularSTDP: window_plus must be an integer from 1 to 32, got 40",
        ),
        (
            lambda: sl.RewardSTDP(1.0, epoch=99),
            "RewardSTDP: epoch must be an integer from 0 to 16, got 99",
        ),
        (
            lambda: sl.DelaySTDP(lead=31),
            "DelaySTDP: lead 31 leaves nothing of a window of 31 steps",
        ),
        (lambda: sl.AntiHebbian(1.0, 0.0), "Rule: it changes nothing"),
    ],
)  # fmt: skip
def test_wrong_arguments(make: Any, problem: str) -> None:
    with pytest.raises((sl.NetworkError, TypeError)) as caught:
        make()
    assert str(caught.value).splitlines()[0] == problem


def test_presets_are_rules_that_can_be_read() -> None:
    assert sl.STDP(1.0).dw == "0.01*x1*y0 - 0.012*y1*x0"
    assert sl.STDP(1.0, -0.01, 0.0).dw == "-0.01*x1*y0"
    assert sl.TapSTDP([3, 2], [-1, -0.5], 9.0).dw == "-1.5*u + 4.0*x0*y0 + 1.0*x1*y0"
    assert sl.TripletSTDP(1.0).dw == "0.0065*x1*y2*y0 - 0.0071*y1*x0"


@pytest.mark.parametrize(
    "rule",
    [
        sl.STDP(0.3, 0.01, 0.01),
        sl.STDP(0.3, 0.1, 0.1, dependence="multiplicative", pairing="nearest"),
        sl.SymmetricSTDP(0.3, 0.01, alpha=1.0),
        sl.TripletSTDP(0.3, a2_minus=0.01, a3_plus=0.01),
    ],
    ids=["stdp", "multiplicative", "symmetric", "triplet"],
)
def test_a_device_learns_what_floating_point_learns(rule: sl.Rule) -> None:
    """Driven cells, so that spikes are the same: mean and pattern of the weights agree."""
    n = 30
    net = sl.Network(seed=5)
    pre, drive = net.source("pre", n), net.source("drive", 4)
    cells = net.population("cells", 4, sl.LIF(tau_mem=1e-3, v_threshold=15.0))
    net.connect(pre, cells, weights=np.full((n, 4), 0.15), learning=rule, name="p")
    net.connect(drive, cells, weights=30.0 * np.eye(4))
    net.probe(cells)
    rng = np.random.default_rng(1)
    rates = np.linspace(0.01, 0.06, n)
    inputs = {"pre": rng.random((400, n)) < rates, "drive": rng.random((400, 4)) < 0.03}
    exact = sl.simulate(net, 400, inputs)
    with sl.open("reference") as device:
        device.load(sl.compile(net))
        result = device.run(400, inputs)
        got = device.read_weights("p").values
    np.testing.assert_array_equal(result.spikes["cells"], exact.spikes["cells"])
    wanted = exact.learned["p"].weights
    assert np.corrcoef(got, wanted)[0, 1] > 0.9
    assert np.abs(got - wanted).mean() < 0.25 * wanted.std()
