"""PyNN's neuron models in floating point, against exact solutions and an integrator of SciPy's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.pynn import signal, spike_times

import spikeloom as sl
import spikeloom.pynn as sim
from spikeloom.pynn.lower import lower


def test_firing_times_under_a_constant_current_are_the_analytic_ones():
    """v crosses the threshold at tau·ln(RI / (RI - θ)); the grid's next point is the spike."""
    sim.setup(timestep=0.1, device="float")
    currents = np.array([0.8, 1.0, 1.7, 3.0])
    cells = sim.Population(
        4, sim.IF_curr_exp(i_offset=currents, tau_m=20.0, cm=1.0, tau_refrac=2.0)
    )
    cells.record("spikes")
    sim.run(200.0)
    for index, current in enumerate(currents):
        crossing = 20.0 * np.log(20.0 * current / (20.0 * current - 15.0))
        period = np.ceil(crossing / 0.1 - 1e-9) * 0.1 + 2.0
        times = spike_times(cells, index)
        expected = np.arange(period - 2.0, 200.0 + 1e-9, period)
        np.testing.assert_allclose(times, expected, atol=1e-9)


def test_one_psp_of_an_exponential_current_is_the_analytic_one():
    sim.setup(timestep=0.1, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[2.0]))
    taus = {"tau_m": [20.0, 10.0], "tau_syn_E": [5.0, 10.0], "cm": [1.0, 0.5]}
    cells = sim.Population(2, sim.IF_curr_exp(v_rest=-70.0, **taus), initial_values={"v": -70.0})
    sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.7, delay=1.5))
    cells.record(["v", "isyn_exc"])
    sim.run(50.0)
    t = np.arange(501) * 0.1 - 3.5
    on = np.maximum(t, 0.0)
    differs = 0.7 / 1.0 / (1 / 5.0 - 1 / 20.0) * (np.exp(-on / 20.0) - np.exp(-on / 5.0))
    equal = 0.7 / 0.5 * on * np.exp(-on / 10.0)
    np.testing.assert_allclose(signal(cells, "v").T + 70.0, [differs, equal], atol=1e-11)
    current = np.where(t > 1e-9, 0.7 * np.exp(-on / 5.0), 0.0)  # at t = 0 not arrived yet
    np.testing.assert_allclose(signal(cells, "isyn_exc")[:, 0], current, atol=1e-12)


def test_one_psp_of_an_alpha_current_is_the_analytic_one():
    sim.setup(timestep=0.5, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    cells = sim.Population(1, sim.IF_curr_alpha(tau_syn_I=4.0, tau_refrac=1.0))
    sim.Projection(
        source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=-0.5, delay=1.0),
        receptor_type="inhibitory",
    )  # fmt: skip
    cells.record(["v", "isyn_inh"])
    sim.run(40.0)
    on = np.maximum(np.arange(81) * 0.5 - 2.0, 0.0)
    a = 1 / 4.0 - 1 / 20.0
    shape = np.exp(-on / 20.0) * (1 - (1 + a * on) * np.exp(-a * on)) / a**2
    np.testing.assert_allclose(
        signal(cells, "v")[:, 0] + 65.0, -0.5 * np.e / 4.0 * shape, atol=1e-11
    )
    alpha = -0.5 * on / 4.0 * np.exp(1 - on / 4.0)
    np.testing.assert_allclose(signal(cells, "isyn_inh")[:, 0], alpha, atol=1e-12)


def test_a_delta_synapse_moves_v_at_the_time_of_arrival():
    sim.setup(timestep=0.5, device="float")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    cells = sim.Population(1, sim.IF_curr_delta(tau_refrac=1.0))
    sim.Projection(source, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=3.0, delay=2.0))
    cells.record("v")
    sim.run(5.0)
    t = np.arange(11) * 0.5 - 3.0
    expected = -65.0 + np.where(t >= 0, 3.0 * np.exp(-np.maximum(t, 0) / 20.0), 0.0)
    np.testing.assert_allclose(signal(cells, "v")[:, 0], expected, atol=1e-12)


def integrated(alpha: bool, adaptive: bool, dt: float) -> np.ndarray:
    """v of a neuron with conductances, by SciPy, at the points of the grid."""
    arrivals = [(3.0, 0, 0.01), (6.0, 1, 0.03), (6.5, 0, 0.02)]
    tau, reversal = (5.0, 8.0), (0.0, -70.0)
    a, delta = (0.004, 2.0) if adaptive else (0.0, 0.0)

    def slopes(t: float, y: np.ndarray) -> list[float]:
        v, w = y
        current = 0.1 - w
        for at, receptor, weight in arrivals:
            s = max(t - at, 0.0)
            shape = s / tau[receptor] * np.e if alpha else float(t >= at)
            g = weight * shape * np.exp(-s / tau[receptor])
            current += g * (reversal[receptor] - v)
        upstroke = delta * np.exp((v + 50.4) / delta) if adaptive else 0.0
        dv = (-(v + 65.0) + upstroke) / 20.0 + current
        return [dv, (a * (v + 65.0) - w) / 100.0]

    times, v = [0.0, 3.0, 6.0, 6.5, 20.0], [np.array([-65.0])]
    state = np.array([-65.0, 0.0])
    for begin, stop in pairwise(times):
        grid = np.linspace(begin, stop, round((stop - begin) / dt) + 1)
        # Integrate from just after a jump.
        solution = solve_ivp(
            slopes, (begin + 1e-13, stop), state, t_eval=grid[1:], rtol=1e-10, atol=1e-10
        )
        v.append(solution.y[0])
        state = solution.y[:, -1]
    return np.concatenate(v)


@pytest.mark.parametrize(
    ("model", "alpha", "tolerance"),
    [
        (sim.IF_cond_exp, False, 2e-4),
        (sim.IF_cond_alpha, True, 3e-4),
        (sim.EIF_cond_exp_isfa_ista, False, 1e-5),
        (sim.EIF_cond_alpha_isfa_ista, True, 1e-5),
    ],
)
def test_models_with_conductances_agree_with_an_ode_solver(model, alpha, tolerance):
    adaptive = "EIF" in model.__name__
    parameters = {"tau_m": 20.0, "cm": 1.0, "i_offset": 0.1, "tau_syn_E": 5.0, "tau_syn_I": 8.0}
    parameters |= {"e_rev_I": -70.0, "v_rest": -65.0}
    parameters |= {"tau_w": 100.0, "v_thresh": -50.4} if adaptive else {"v_thresh": 100.0}
    sim.setup(timestep=0.1, device="float")
    sources = sim.Population(2, sim.SpikeSourceArray(spike_times=[[2.0, 5.5], [5.0]]))
    cells = sim.Population(1, model(**parameters), initial_values={"v": -65.0})
    for sign, pairs in (
        ("excitatory", [(0, 0, 0.01, 1.0)]),
        ("inhibitory", [(1, 0, 0.03, 1.0)]),
    ):
        connector = sim.FromListConnector(pairs, column_names=["weight", "delay"])
        sim.Projection(sources, cells, connector, sim.StaticSynapse(), receptor_type=sign)
    extra = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.5]))
    synapse = sim.StaticSynapse(weight=0.01, delay=1.0)
    sim.Projection(extra, cells, sim.OneToOneConnector(), synapse)
    cells.record("v")
    sim.run(20.0)
    v = signal(cells, "v")[:, 0]
    np.testing.assert_allclose(v, integrated(alpha, adaptive, 0.1), atol=tolerance)
    assert np.ptp(v) > 1.0


def test_the_adaptive_exponential_neuron_adapts():
    sim.setup(timestep=0.01, device="float")
    cell = sim.Population(1, sim.EIF_cond_exp_isfa_ista(i_offset=1.0, tau_refrac=2.0))
    cell.record(["spikes", "w"])
    sim.run(150.0)
    intervals = np.diff(spike_times(cell, 0))
    assert len(intervals) > 4
    assert (np.diff(intervals) > 0).all()
    assert signal(cell, "w").max() > 0.3


def test_the_hodgkin_huxley_neuron_agrees_with_an_ode_solver():
    sim.setup(timestep=0.02, device="float")
    cell = sim.Population(1, sim.HH_cond_exp(i_offset=0.3), initial_values={"v": -64.0})
    cell.record(["v", "spikes"])
    sim.run(30.0)

    def ratio(x: float, scale: float) -> float:
        return x / (np.exp(x / scale) - 1)

    def slopes(_: float, y: np.ndarray) -> list[float]:
        v, m, h, n = y
        x = v + 63.0
        ionic = 20.0 * m**3 * h * (50.0 - v) + 6.0 * n**4 * (-90.0 - v) + 0.01 * (-65.0 - v)
        return [
            (ionic + 0.3) / 0.2,
            0.32 * ratio(13 - x, 4) * (1 - m) - 0.28 * ratio(x - 40, 5) * m,
            0.128 * np.exp((17 - x) / 18) * (1 - h) - 4 / (1 + np.exp((40 - x) / 5)) * h,
            0.032 * ratio(15 - x, 5) * (1 - n) - 0.5 * np.exp((10 - x) / 40) * n,
        ]

    grid = np.arange(1501) * 0.02
    solved = solve_ivp(
        slopes, (0, 30), [-64.0, 0.0, 1.0, 0.0], t_eval=grid, rtol=1e-9, atol=1e-9, method="LSODA"
    )
    v = signal(cell, "v")[:, 0]
    np.testing.assert_allclose(v, solved.y[0], atol=0.01)
    rising = np.flatnonzero((v[1:] > 0) & (v[:-1] <= 0)) + 1
    assert len(rising) >= 2
    np.testing.assert_allclose(spike_times(cell, 0), grid[rising])


def test_a_network_in_floating_point_is_what_simulate_makes_of_the_lowered_one():
    """Two implementations: this engine in PyNN's terms, sl.simulate in the machine's."""
    rng = np.random.default_rng(5)
    sim.setup(timestep=0.5, device="float")
    trains = [np.unique(rng.integers(0, 180, 40)) * 0.5 for _ in range(30)]
    inputs = sim.Population(30, sim.SpikeSourceArray(spike_times=trains), label="inputs")
    exponential = sim.IF_curr_exp(
        tau_refrac=2.0, tau_syn_E=rng.uniform(2, 6, 20), i_offset=0.2, v_rest=-68.0
    )
    first = sim.Population(20, exponential, label="first")
    second = sim.Population(10, sim.IF_curr_delta(tau_refrac=1.0), label="second")
    random = sim.FixedProbabilityConnector(0.4, rng=sim.NumpyRNG(seed=2))
    delays = sim.RandomDistribution("uniform_int", low=1, high=9, rng=sim.NumpyRNG(seed=3))
    for pre, post, weight, receptor in (
        (inputs, first, 0.6, "excitatory"),
        (first, first, -0.3, "inhibitory"),
        (first, second, 4.0, "excitatory"),
        (second, first + second, 0.2, "excitatory"),
    ):
        synapse = sim.StaticSynapse(weight=weight, delay=delays)
        sim.Projection(pre, post, random, synapse, receptor_type=receptor)
    for population in (first, second):
        population.record(["spikes", "v"])
    sim.run(90.0)

    plan = sim.state.prepare()
    net, lowered = lower(plan, exact=True)
    events = [(round(t / 0.5), i) for i, train in enumerate(trains) for t in train]
    result = sl.simulate(net, 180, {"inputs": np.array(events)})
    for population in (first, second):
        found = result.spikes[population.label]
        assert len(found) > 20
        for index in range(population.size):
            times = (found[found[:, 1] == index, 0] + 1) * 0.5
            np.testing.assert_allclose(spike_times(population, index), times)
        v = result.states[population.label]["v"] + lowered[population.label].rest
        np.testing.assert_allclose(signal(population, "v")[1:], v, atol=1e-9)
