"""Synapses that change: in floating point against formulas, and the machine against that."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.pynn import signal

import spikeloom as sl
import spikeloom.pynn as sim

PRE, POST = [10.0, 30.0, 31.0, 70.0], [15.0, 28.0, 31.0, 66.0]


def learned(weight_dependence, fraction: float, delay: float, **rule: float) -> float:
    """The weight after the spikes PRE and POST, where POST is forced."""
    sim.setup(timestep=1.0, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=PRE))
    teacher = sim.Population(1, sim.SpikeSourceArray(spike_times=[t - 1.0 for t in POST]))
    # A spike of the teacher makes the cell fire 1 ms later; the plastic weight alone cannot.
    cell = sim.Population(1, sim.IF_curr_delta(tau_m=1.0, tau_refrac=0.0))
    sim.Projection(
        teacher, cell, sim.OneToOneConnector(), sim.StaticSynapse(weight=50.0, delay=1.0)
    )
    synapse = sim.STDPMechanism(
        sim.SpikePairRule(**rule),
        weight_dependence,
        dendritic_delay_fraction=fraction,
        weight=0.4,
        delay=delay,
    )
    projection = sim.Projection(source, cell, sim.OneToOneConnector(), synapse)
    cell.record("spikes")
    sim.run(100.0)
    assert list(cell.get_data().segments[0].spiketrains[0].magnitude) == POST
    return projection.get("weight", "list", with_address=False)[0]


def expected(up, down, fraction: float, delay: float, rule: dict[str, float]) -> float:
    """All pairs, one by one, in the order in which they complete at the synapse."""
    behind = round(fraction * delay)
    events = sorted([(t + delay - behind, 0) for t in PRE] + [(t + behind, 1) for t in POST])
    w = 0.4
    for now, kind in events:
        others = [t for t, k in events if k != kind and t < now]
        if kind == 0:
            for_all = sum(np.exp(-(now - t) / rule["tau_minus"]) for t in others)
            w = max(w - rule["A_minus"] * for_all * down(w), 0.1)
        else:
            for_all = sum(np.exp(-(now - t) / rule["tau_plus"]) for t in others)
            w = min(w + rule["A_plus"] * for_all * up(w), 1.0)
            if (now, 0) in events:
                zero = rule.get("A_zero", 0.0)
                w = min(max(w + zero * (up(w) if zero > 0 else down(w)), 0.1), 1.0)
    return w


BOUNDS = {"w_min": 0.1, "w_max": 1.0}
DEPENDENCES = {
    "additive": (sim.AdditiveWeightDependence, {}, lambda w: 1.0, lambda w: 1.0),
    "multiplicative": (
        sim.MultiplicativeWeightDependence, {}, lambda w: 1.0 - w, lambda w: w - 0.1,
    ),
    "mixed": (
        sim.AdditivePotentiationMultiplicativeDepression, {}, lambda w: 1.0, lambda w: w - 0.1,
    ),
    "gutig": (
        sim.GutigWeightDependence, {"mu_plus": 0.3, "mu_minus": 0.6},
        lambda w: 0.9 * (1 - (w - 0.1) / 0.9) ** 0.3, lambda w: 0.9 * ((w - 0.1) / 0.9) ** 0.6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEPENDENCES)
@pytest.mark.parametrize(("fraction", "delay"), [(1.0, 1.0), (0.5, 4.0), (1.0, 3.0)])
def test_stdp_is_the_sum_over_all_pairs(name, fraction, delay):
    kind, exponents, up, down = DEPENDENCES[name]
    rule = {"tau_plus": 15.0, "tau_minus": 25.0, "A_plus": 0.07, "A_minus": 0.05}
    found = learned(kind(**BOUNDS, **exponents), fraction, delay, **rule)
    assert found == pytest.approx(expected(up, down, fraction, delay, rule), rel=1e-12)
    assert abs(found - 0.4) > 1e-3


@pytest.mark.parametrize("zero", [-0.06, 0.08])
def test_pairs_that_meet_count_as_they_are_told_to(zero):
    dependence, exponents, up, down = DEPENDENCES["mixed"]
    rule = {"tau_plus": 15.0, "tau_minus": 25.0, "A_plus": 0.07, "A_minus": 0.05}
    met = learned(dependence(**BOUNDS, **exponents), 1.0, 3.0, **rule, A_zero=zero)
    assert met == pytest.approx(expected(up, down, 1.0, 3.0, {**rule, "A_zero": zero}), rel=1e-12)
    assert abs(met - expected(up, down, 1.0, 3.0, rule)) > 0.01


def test_weights_stay_within_their_bounds():
    strong = {"tau_plus": 15.0, "tau_minus": 25.0}
    bounded = sim.AdditiveWeightDependence(**BOUNDS)
    assert learned(bounded, 1.0, 1.0, A_plus=9.0, A_minus=0.0, **strong) == 1.0
    assert learned(bounded, 1.0, 1.0, A_plus=0.0, A_minus=9.0, **strong) == 0.1


def test_learning_goes_on_over_runs_and_changes_and_reset_undoes_it():
    sim.setup(timestep=1.0, device="float", seed=4)
    noise = sim.Population(10, sim.SpikeSourcePoisson(rate=60.0))
    cells = sim.Population(4, sim.IF_curr_exp(tau_refrac=2.0, i_offset=0.9))
    rule = sim.STDPMechanism(
        sim.SpikePairRule(A_plus=0.02, A_minus=0.022),
        sim.MultiplicativeWeightDependence(w_max=0.4),
        weight=0.2,
        delay=2.0,
    )
    projection = sim.Projection(noise, cells, sim.AllToAllConnector(), rule)

    def weights() -> np.ndarray:
        return projection.get("weight", "array")

    np.testing.assert_array_equal(weights(), np.full((10, 4), 0.2))
    sim.run(200.0)
    once = weights()
    assert np.ptp(once) > 0.01
    cells.set(tau_m=20.0)  # a change of nothing, after which learning goes on
    np.testing.assert_array_equal(weights(), once)
    sim.run(200.0)
    twice = weights()
    assert not np.array_equal(once, twice)
    projection.set(A_plus=0.0, A_minus=0.0)
    np.testing.assert_array_equal(weights(), twice)
    sim.run(50.0)
    np.testing.assert_array_equal(weights(), twice)
    projection.set(A_plus=0.02, A_minus=0.022)
    sim.reset()
    np.testing.assert_array_equal(weights(), np.full((10, 4), 0.2))
    sim.run(400.0)
    np.testing.assert_array_equal(weights(), twice)


def test_weights_set_between_runs_are_where_learning_goes_on():
    sim.setup(timestep=1.0, device="float", seed=4)
    noise = sim.Population(3, sim.SpikeSourcePoisson(rate=60.0))
    cells = sim.Population(2, sim.IF_curr_exp(tau_refrac=2.0, i_offset=0.9))
    rule = sim.STDPMechanism(sim.SpikePairRule(), sim.AdditiveWeightDependence(), weight=0.2)
    projection = sim.Projection(noise, cells, sim.AllToAllConnector(), rule)
    sim.run(100.0)
    projection.set(weight=0.7)
    np.testing.assert_array_equal(projection.get("weight", "array"), np.full((3, 2), 0.7))
    sim.run(100.0)
    after = projection.get("weight", "array")
    assert 0 < np.abs(after - 0.7).max() < 0.3
    assert projection[1].weight == after[1, 0]


def test_short_term_plasticity_agrees_with_an_ode_solver():
    times = [5.0, 12.0, 20.0, 60.0, 64.0]
    p = {"U": 0.4, "tau_rec": 80.0, "tau_facil": 50.0}
    sim.setup(timestep=1.0, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    cell = sim.Population(1, sim.IF_curr_exp(tau_syn_E=3.0, v_thresh=1e3, tau_refrac=1.0))
    synapse = sim.TsodyksMarkramSynapse(weight=2.0, delay=1.0, **p)
    sim.Projection(source, cell, sim.OneToOneConnector(), synapse)
    cell.record("isyn_exc")
    sim.run(80.0)
    state, now, released = np.array([1.0, 0.0, 0.0]), 0.0, []  # x, y, u

    def slopes(_: float, s: np.ndarray) -> list[float]:
        x, y, u = s
        return [(1 - x - y) / p["tau_rec"], -y / 3.0, -u / p["tau_facil"]]

    for t in times:
        state = solve_ivp(slopes, (now, t), state, rtol=1e-10, atol=1e-12).y[:, -1]
        x, y, u = state
        u += p["U"] * (1 - u)
        released.append(2.0 * u * x)
        state, now = np.array([x - u * x, y + u * x, u]), t
    sampled = np.arange(81.0)
    expected_current = sum(
        np.where(sampled > t + 1, r * np.exp(-np.maximum(sampled - t - 1, 0) / 3.0), 0.0)
        for t, r in zip(times, released, strict=True)
    )
    np.testing.assert_allclose(signal(cell, "isyn_exc")[:, 0], expected_current, atol=1e-8)
    assert len({round(r, 6) for r in released}) == 5


def test_what_plastic_synapses_need_of_their_target():
    sim.setup(timestep=1.0, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_curr_delta(tau_refrac=1.0))
    sim.Projection(source, cell, sim.OneToOneConnector(), sim.TsodyksMarkramSynapse(weight=1.0))
    with pytest.raises(sl.UnsupportedError, match="without a synaptic time constant"):
        sim.run(1.0)
    sim.setup(timestep=1.0, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_curr_delta(tau_refrac=1.0))
    rule = sim.STDPMechanism(
        sim.SpikePairRule(), sim.AdditiveWeightDependence(), dendritic_delay_fraction=0.0
    )
    sim.Projection(source, cell, sim.OneToOneConnector(), rule)
    with pytest.raises(sl.UnsupportedError, match="STDP with an axonal delay only"):
        sim.run(1.0)


def taught(device: str, dependence, **options) -> tuple[np.ndarray, dict[int, int]]:
    """Weights after 2 runs with a change between them; the teacher decides when cells fire."""
    sim.setup(timestep=1.0, device=device, seed=4, **options)
    noise = sim.Population(12, sim.SpikeSourcePoisson(rate=60.0))
    teacher = sim.Population(3, sim.SpikeSourcePoisson(rate=40.0))
    cells = sim.Population(3, sim.IF_curr_delta(tau_m=2.0, tau_refrac=1.0))
    forced = sim.StaticSynapse(weight=60.0, delay=1.0)
    sim.Projection(teacher, cells, sim.OneToOneConnector(), forced)
    rule = sim.STDPMechanism(
        sim.SpikePairRule(A_plus=0.03, A_minus=0.032, A_zero=-0.06),
        dependence,
        weight=0.2,
        delay=2.0,
    )
    projection = sim.Projection(noise, cells, sim.AllToAllConnector(), rule)
    cells.record("spikes")
    sim.run(250.0)
    cells.set(i_offset=0.01)  # another Program, which goes on with weights and traces
    sim.run(250.0)
    return projection.get("weight", "array"), cells.get_spike_counts()


@pytest.mark.parametrize(
    "kind",
    [
        sim.AdditiveWeightDependence,
        sim.MultiplicativeWeightDependence,
        sim.AdditivePotentiationMultiplicativeDepression,
    ],
)
def test_the_machine_learns_what_floating_point_learns(kind):
    """But for its rounding: 16-bit weights and 8-bit traces here."""
    exact, spikes = taught("float", kind(w_max=0.4))
    target = sl.TARGETS["emulator"].with_(weight_bits=16, trace_bits=8)
    found, same = taught("reference", kind(w_max=0.4), target=target)
    assert spikes == same
    assert np.ptp(exact) > 0.03
    assert np.corrcoef(exact.ravel(), found.ravel())[0, 1] > 0.99
    assert np.abs(found - exact).max() < 0.15 * np.ptp(exact)
    assert abs((found - exact).mean()) < 0.01 * np.ptp(exact)


@pytest.mark.parametrize(
    ("rule", "delay", "found"),
    [
        ({"dendritic_delay_fraction": 0.5}, 2.0, "dendritic_delay_fraction=0.5"),
        ({}, "1 + d", "delay from 1 to 3"),
        ({"weight_dependence": sim.GutigWeightDependence()}, 2.0,
         "SpikePairRule with GutigWeightDependence"),
    ],
)  # fmt: skip
def test_stdp_that_the_machine_does_not_have_is_refused(rule, delay, found):
    sim.setup(timestep=1.0, device="reference")
    cells = sim.Population(3, sim.IF_curr_exp(tau_refrac=1.0))
    rule = {"weight_dependence": sim.AdditiveWeightDependence(), **rule}
    synapse = sim.STDPMechanism(sim.SpikePairRule(), weight=0.1, delay=delay, **rule)
    sim.Projection(cells, cells, sim.AllToAllConnector(), synapse)
    with pytest.raises(sl.UnsupportedError) as caught:
        sim.run(1.0)
    assert caught.value.found == found
