"""What users type, and what they are told when it is wrong."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import spikeloom as sl


def message(action: Callable[[], Any], error: type[Exception] = sl.NetworkError) -> str:
    """The message of the error that ``action`` raises, without the line's number."""
    with pytest.raises(error) as caught:
        action()
    here = f"{inspect.getsourcefile(message)}".rsplit("/", 1)[-1]
    lines = [
        line.split(":")[0] + f": {here}" if line.startswith(f"  where: {here}:") else line
        for line in str(caught.value).splitlines()
    ]
    return "\n".join(lines)


WHERE = "  where: test_network_api.py"


@pytest.fixture
def net() -> sl.Network:
    network = sl.Network(dt=1e-3)
    network.source("in", 3)
    network.population("out", 2, sl.LIF(20e-3))
    return network


# ------------------------------------------------------------------ objects


def test_objects_are_kept_by_name_in_order(net: sl.Network) -> None:
    noise = net.source("noise", 2, sl.Poisson(rate=20.0, seed=1))
    clock = net.source("clock", 1, sl.Periodic(period=5e-3, phase=1e-3))
    projection = net.connect(noise, "out", weights=np.ones((2, 2)))
    assert list(net.sources) == ["in", "noise", "clock"]
    assert list(net.populations) == ["out"]
    assert net.projections == {"noise->out": projection}
    assert (noise.kind, clock.kind, net.sources["in"].kind) == ("poisson", "periodic", "host")
    assert noise.value.tolist() == [round(0.02 * 2**32)] * 2
    assert (clock.value.tolist(), clock.phase.tolist()) == ([5], [1])
    assert repr(net) == "<network 'network', dt 0.001 s, 3 sources, 1 populations, 1 projections>"
    assert repr(noise) == "<source 'noise', 2 poisson neurons>"
    assert repr(net.populations["out"]) == "<population 'out', 2 neurons>"
    assert repr(projection) == "<projection 'noise->out', 4 synapses>"


def test_origins_name_the_users_line(net: sl.Network) -> None:
    line = inspect.currentframe().f_lineno  # type: ignore[union-attr]
    population = net.population("p", 1, sl.LIF(20e-3))
    assert population.origin == f"test_network_api.py:{line + 1}"


def test_second_projection_gets_a_number(net: sl.Network) -> None:
    names = [net.connect("in", "out", weights=np.ones((3, 2))).name for _ in range(3)]
    assert names == ["in->out", "in->out#2", "in->out#3"]
    assert net.connect("in", "out", weights=np.ones((3, 2)), name="mine").name == "mine"


def test_users_arrays_are_copied(net: sl.Network) -> None:
    weights, theta = np.ones((3, 2)), np.ones(2)
    projection = net.connect("in", "out", weights=weights)
    population = net.population("p", 2, sl.LIF(20e-3, v_threshold=theta))
    weights[:] = theta[:] = 5.0
    assert (projection.synapses.weight == 1.0).all()
    assert (population.params["threshold"] == 1.0).all()
    with pytest.raises(ValueError, match="read-only"):
        projection.synapses.weight[0] = 2.0


def test_probes(net: sl.Network) -> None:
    net.probe("out", "u", "v", "u0")
    net.probe(net.sources["in"])
    assert [(p.of, p.variable) for p in net.probes] == [
        ("out", "u0"),
        ("out", "v"),
        ("in", "spikes"),
    ]


# ------------------------------------------------------------------ wrong objects


def test_network_arguments() -> None:
    assert message(lambda: sl.Network(dt=0.0, seed=-1, name="")) == (
        "network: 3 problems\n"
        "  - a name must be a non-empty printable string without outer spaces, got ''\n"
        "  - dt is not above 0.0: 0\n"
        "  - seed must be an integer from 0 to 2^32 - 1, got -1\n"
        f"{WHERE}\n"
        "  remedy: dt is in seconds"
    )


def test_all_reasons_of_a_population_at_once(net: sl.Network) -> None:
    net.populations["out"]
    found = message(lambda: net.population("out", 0, sl.LIF(20e-3)))
    origin = net.populations["out"].origin
    assert found == (
        "population 'out': 2 problems\n"
        f"  - the name is taken by the population made at {origin}\n"
        "  - size must be a positive integer, got 0\n"
        f"{WHERE}"
    )


def test_all_reasons_of_a_neuron_at_once() -> None:
    assert message(
        lambda: sl.LIF(
            -1.0, tau_syn=(1e-3, 0.0), v_reset=np.nan, refractory=[0.0, -1e-3, -2e-3],
            reset="valu", spiking=1, v_threshold="high", bias=[[1.0]],  # type: ignore[arg-type]
        )
    ) == (
        "neuron: 8 problems\n"
        "  - tau_mem is not above 0.0: -1\n"
        "  - v_threshold must be a number or an array of numbers, got 'high'\n"
        "  - v_reset is not a number: nan\n"
        "  - refractory[1] is below 0.0: -0.001 (and 1 more)\n"
        "  - bias must have 0 or 1 dimensions, got shape (1, 1)\n"
        "  - tau_syn[1] is not above 0.0: 0\n"
        "  - reset must be one of 'value', 'subtract', got 'valu'; did you mean 'value'?\n"
        "  - spiking must be True or False, got 1\n"
        f"{WHERE}"
    )  # fmt: skip


def test_parameters_that_contradict_each_other() -> None:
    assert message(
        lambda: sl.LIF(20e-3, leak="linear", reset="subtract", v_reset=0.1, tau_threshold=1.0)
    ) == (
        "neuron: 3 problems\n"
        "  - tau_mem belongs to leak='exponential'; pass None with leak='linear'\n"
        "  - v_reset belongs to reset='value'; reset='subtract' takes v_threshold off\n"
        "  - tau_threshold has no effect while threshold_step is 0\n"
        f"{WHERE}"
    )
    assert message(lambda: sl.LIF(None, leak_rate=1.0)) == (
        f"neuron: leak_rate belongs to leak='linear'\n{WHERE}"
    )


def test_arrays_must_fit_the_population(net: sl.Network) -> None:
    neuron = sl.LIF([20e-3, 30e-3], v_threshold=[1.0, 2.0, 3.0, 4.0])
    assert message(lambda: net.population("p", 3, neuron)) == (
        "population 'p': 2 problems\n"
        "  - v_threshold has 4 values for 3 neurons\n"
        "  - tau_mem has 2 values for 3 neurons\n"
        f"{WHERE}"
    )


def test_neuron_must_be_a_neuron(net: sl.Network) -> None:
    assert message(lambda: net.population("p", 3, 20e-3)) == (  # type: ignore[arg-type]
        f"population 'p': neuron must be sl.LIF(…), sl.LI(…) or sl.IF(…), got 0.02\n{WHERE}"
    )


def test_time_constants_in_milliseconds_are_doubted(net: sl.Network) -> None:
    text = (
        "population 'p': tau_mem[0] of 20 s is 20000 steps of 0.001 s: are times given in "
        "seconds? So slow a decay cannot be told from none (use inf for none)"
    )
    with pytest.warns(UserWarning, match="are times given in seconds") as caught:
        net.population("p", 2, sl.LIF(20))
    assert [(str(w.message), w.filename) for w in caught] == [(text, __file__)]


def test_time_constants_far_below_a_step_are_refused(net: sl.Network) -> None:
    assert message(lambda: net.population("p", 1, sl.LIF(20e-6))) == (
        f"population 'p': tau_mem[0] of 2e-05 s is shorter than dt/20 (dt = 0.001 s)\n{WHERE}"
    )
    euler = sl.LIF(0.5e-3, discretization="euler")
    assert message(lambda: net.population("p", 1, euler)) == (
        "population 'p': tau_mem[0] of 0.0005 s is shorter than dt with discretization='euler' "
        f"(dt = 0.001 s)\n{WHERE}"
    )


def test_refractory_period_is_rounded_with_a_warning(net: sl.Network) -> None:
    with pytest.warns(UserWarning, match="refractory") as caught:
        population = net.population("p", 1, sl.LIF(20e-3, refractory=2.4e-3))
    assert str(caught[0].message) == (
        "population 'p': refractory[0] of 0.0024 s is no whole number of steps of 0.001 s; "
        "rounded to 0.002 s"
    )
    assert population.params["refractory"].tolist() == [2]
    assert message(lambda: net.population("q", 1, sl.LIF(20e-3, refractory=100.0))) == (
        "population 'q': refractory[0] of 100 s is longer than 65535 steps of 0.001 s: are times "
        f"given in seconds?\n{WHERE}"
    )


def test_sources(net: sl.Network) -> None:
    assert message(lambda: net.source("s", 2, sl.Periodic(period=[2e-3, 2.5e-3]))) == (
        "source 's': period[1] of 0.0025 s is no whole number of steps of 0.001 s; the nearest "
        f"is 0.002 s\n{WHERE}"
    )
    assert message(lambda: net.source("s", 2, sl.Poisson(rate=2000.0))) == (
        "source 's': rate[0] of 2000 Hz would fire more than once in a step of 0.001 s (p = 2) "
        f"(and 1 more); use a smaller dt\n{WHERE}"
    )
    assert message(lambda: net.source("s", 3, sl.Poisson(rate=[0.0, 1e-8, 1.0]))) == (
        "source 's': rate[1] of 1e-08 Hz is less than one spike in 2^33 steps of 0.001 s; "
        f"use 0 for none\n{WHERE}"
    )
    assert message(lambda: net.source("s", 2, 20.0)) == (  # type: ignore[arg-type]
        f"source 's': generator must be Poisson, Periodic or None, got 20.0\n{WHERE}"
    )
    assert message(lambda: sl.Poisson(rate=[10.0, -1.0], seed=1 << 32)) == (
        "Poisson: 2 problems\n"
        "  - rate[1] is below 0.0: -1\n"
        "  - seed must be an integer from 0 to 2^32 - 1, got 4294967296\n"
        f"{WHERE}\n  remedy: rates are in Hz"
    )
    assert message(lambda: sl.Periodic(period=0.0)) == (
        f"Periodic: period is not above 0.0: 0\n{WHERE}\n  remedy: times are in seconds"
    )


# ------------------------------------------------------------------ wrong connections


def test_misspelt_name(net: sl.Network) -> None:
    assert message(lambda: net.connect("in", "outt", weights=1.0)) == (
        "post: not a population of network 'network'\n"
        "  found: 'outt'\n"
        "  expected: one of 'out'\n"
        f"{WHERE}\n"
        "  remedy: did you mean 'out'?"
    )


def test_sources_are_no_targets(net: sl.Network) -> None:
    source = net.sources["in"]
    assert message(lambda: net.connect("out", source, weights=1.0)) == (  # type: ignore[arg-type]
        "post: not a population of network 'network'\n"
        "  found: <source 'in', 3 host neurons>\n"
        "  expected: one of 'out'\n"
        f"{WHERE}\n"
        "  remedy: a source only sends spikes; it cannot be a target"
    )


def test_objects_of_another_network(net: sl.Network) -> None:
    other = sl.Network()
    stranger = other.population("out", 2, sl.LIF(20e-3))
    assert message(lambda: net.connect("in", stranger, weights=1.0)) == (
        "post: not a population of network 'network'\n"
        "  found: <population 'out', 2 neurons>\n"
        "  expected: one of 'out'\n"
        f"{WHERE}\n"
        f"  remedy: it was made at {stranger.origin} for another network"
    )


def test_transposed_weights(net: sl.Network) -> None:
    assert message(lambda: net.connect("in", "out", weights=np.ones((2, 3)))) == (
        "projection 'in->out': weights has shape (2, 3), expected (3, 2) (n_pre, n_post); "
        f"transpose it\n{WHERE}"
    )
    sparse = scipy.sparse.eye_array(5)
    assert message(lambda: net.connect("in", "out", weights=sparse)) == (
        f"projection 'in->out': weights has shape (5, 5), expected (3, 2) (n_pre, n_post)\n{WHERE}"
    )


def test_weights_that_are_no_numbers(net: sl.Network) -> None:
    weights = np.ones((3, 2))
    weights[1, 0] = weights[2, 1] = np.nan
    assert message(lambda: net.connect("in", "out", weights=weights)) == (
        f"projection 'in->out': weights[1, 0] is not a number: nan (and 1 more)\n{WHERE}"
    )
    assert message(lambda: net.connect("in", "out", weights=np.full((3, 2), -np.inf))) == (
        f"projection 'in->out': weights[0, 0] is infinite: -inf (and 5 more)\n{WHERE}"
    )
    assert message(lambda: net.connect("in", "out")) == (
        f"projection 'in->out': weights are missing\n{WHERE}"
    )
    assert message(lambda: net.connect("in", "out", weights=1.0)) == (
        "projection 'in->out': a scalar weight needs a connector: connector=sl.AllToAll(), "
        f"sl.OneToOne() or sl.FixedProbability(p)\n{WHERE}"
    )


def test_delays_out_of_range(net: sl.Network) -> None:
    connect, ones = net.connect, np.ones((3, 2))
    assert message(lambda: connect("in", "out", weights=ones, delay=64e-3)) == (
        "projection 'in->out': delay of 0.064 s is 64 steps of 0.001 s; at most 63 are possible\n"
        f"{WHERE}"
    )
    assert message(lambda: connect("out", "out", weights=np.ones((2, 2)), delay=0.0)) == (
        "projection 'out->out': delay of 0 s is 0 steps; between populations a spike takes at "
        f"least one step of 0.001 s\n{WHERE}"
    )
    assert message(lambda: connect("in", "out", weights=ones, delay=-ones)) == (
        f"projection 'in->out': delay[0, 0] is below 0.0: -1 (and 5 more)\n{WHERE}"
    )


def test_delays_are_rounded_with_a_warning(net: sl.Network) -> None:
    delay = np.full((3, 2), 2e-3)
    delay[1, 1] = 2.6e-3
    with pytest.warns(UserWarning, match="delay") as caught:
        projection = net.connect("in", "out", weights=np.ones((3, 2)), delay=delay)
    assert [(str(w.message), w.filename) for w in caught] == [
        (
            "projection 'in->out': delay[1, 1] of 0.0026 s is no whole number of steps of 0.001 s; "
            "rounded to 0.003 s",
            __file__,
        )
    ]
    assert projection.synapses.delay.tolist() == [2, 2, 2, 3, 2, 2]


def test_floating_point_noise_in_times_is_no_rounding(net: sl.Network) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        projection = net.connect("in", "out", weights=np.ones((3, 2)), delay=0.1 + 0.2 - 0.295)
    assert projection.synapses.delay[0] == 5


def test_default_delay_is_one_step(net: sl.Network) -> None:
    for pre in ("in", "out"):
        size = 3 if pre == "in" else 2
        projection = net.connect(pre, "out", weights=np.ones((size, 2)))
        assert (projection.synapses.delay == 1).all()


def test_receptor_and_learning_and_names(net: sl.Network) -> None:
    ones = np.ones((3, 2))
    assert message(lambda: net.connect("in", "out", weights=ones, receptor=2)) == (
        f"projection 'in->out': receptor must be 0 or 1, got 2\n{WHERE}"
    )
    assert message(
        lambda: net.connect("in", "out", weights=ones, learning="stdp")  # type: ignore[arg-type]
    ) == (f"projection 'in->out': learning must be sl.Rule(…) or None, got 'stdp'\n{WHERE}")
    first = net.connect("in", "out", weights=ones, name="x")
    assert message(lambda: net.connect("in", "out", weights=ones, name="x")) == (
        "projection 'x': the name is taken\n"
        f"  found: one made at {first.origin}\n"
        f"{WHERE}\n"
        "  remedy: leave name out, or choose another"
    )


def test_probe_of_what_is_not_there(net: sl.Network) -> None:
    assert message(lambda: net.probe("out", "w", "spike")) == (
        "probe of population 'out': 2 problems\n"
        "  - no variable 'w'; there is spikes, v, u0, u1, threshold\n"
        "  - no variable 'spike'; there is spikes, v, u0, u1, threshold; did you mean 'spikes'?\n"
        f"{WHERE}"
    )
    assert message(lambda: net.probe("in", "v")) == (
        f"probe of source 'in': no variable 'v'; there is spikes\n{WHERE}"
    )
    assert net.probes == []


def test_only_networks_compile() -> None:
    with pytest.raises(sl.CompileError) as caught:
        sl.compile("net.nir")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "only a Network can be compiled\n"
        "  found: 'net.nir'\n"
        "  remedy: build one with sl.Network, sl.from_nir or sl.from_networkx"
    )


def test_a_projection_gets_another_delay() -> None:
    net = sl.Network(dt=1e-3)
    host = net.source("host", 2)
    cells = net.population("cells", 2, sl.LIF(tau_mem=20e-3))
    net.connect(host, cells, weights=np.ones((2, 2)), delay=np.array([[1, 2], [3, 4]]) * 1e-3)
    back = net.connect(cells, cells, weights=np.eye(2), learning=sl.STDP(w_max=2.0))
    first = net.set_delay("host->cells", 0.0)
    assert first is net.projections["host->cells"]
    assert first.synapses.delay.tolist() == [0, 0, 0, 0]
    assert net.set_delay(back, 5e-3).synapses.delay.tolist() == [5] * 4
    assert net.projections["cells->cells"].learning is back.learning
    assert list(net.projections) == ["host->cells", "cells->cells"]
    with pytest.warns(UserWarning, match="is no whole number of steps"):
        assert net.set_delay("host->cells", 2.4e-3).synapses.delay.tolist() == [2] * 4


@pytest.mark.parametrize(
    ("projection", "delay", "told"),
    [
        ("host", 1e-3, "set_delay: not a projection of network 'network'"),
        (3, 1e-3, "remedy: pass the object that net.connect made"),
        ("cells->cells", 0.0, "between populations a spike takes at least one step"),
        ("host->cells", 1.0, "is 1000 steps of 0.001 s; at most 63 are possible"),
        ("host->cells", [1e-3], "delay"),
        ("host->cells", -1e-3, "delay"),
        ("host->cells", float("nan"), "delay"),
    ],
)
def test_delays_that_cannot_be(projection: Any, delay: Any, told: str) -> None:
    net = sl.Network(dt=1e-3)
    host = net.source("host", 2)
    cells = net.population("cells", 2, sl.LIF(tau_mem=20e-3))
    net.connect(host, cells, weights=np.eye(2))
    net.connect(cells, cells, weights=np.eye(2))
    with pytest.raises(sl.NetworkError, match=told):
        net.set_delay(projection, delay)
    assert {p.synapses.delay.max() for p in net.projections.values()} == {1}
