"""Rate errors of a device against floating point."""

from __future__ import annotations

import math

import numpy as np
import pytest

import spikeloom as sl
from spikeloom.measure import RateError, _partnered


def network() -> sl.Network:
    net = sl.Network()
    noise = net.source("noise", 20, sl.Poisson(100.0, seed=2))
    cells = net.population("cells", 10, sl.LIF(20e-3, tau_syn=5e-3, refractory=2e-3))
    weights = np.random.default_rng(0).uniform(0.02, 0.2, (20, 10))
    net.connect(noise, cells, weights=weights)
    net.population("quiet", 1, sl.LIF(20e-3))
    return net


def test_fine_quantisation_keeps_rates() -> None:
    net = network()
    fine = sl.rate_errors(net, sl.compile(net), None, 400, device="reference")
    cells = fine.populations["cells"]
    assert cells.reference_spikes > 100
    assert abs(cells.ratio - 1) < 0.05
    assert cells.coincidence > 0.9
    rough = sl.compile(net, sl.Target(weight_bits=2))
    coarse = sl.rate_errors(net, rough, None, 400, device="reference").populations["cells"]
    assert coarse.rmse > cells.rmse
    assert coarse.coincidence < cells.coincidence


def test_silent_populations() -> None:
    net = network()
    quiet = sl.rate_errors(net, sl.compile(net), None, 20, device="reference").populations["quiet"]
    assert (quiet.spikes, quiet.reference_spikes, quiet.rmse, quiet.coincidence) == (0, 0, 0, 1)
    assert math.isnan(quiet.ratio)


def test_table() -> None:
    errors = sl.rate_errors(network(), sl.compile(network()), None, 50, device="reference")
    head, *rows = str(errors).splitlines()
    assert head.split() == ["population", "spikes", "reference", "ratio", "rate", "RMSE",
                            "coincidence"]  # fmt: skip
    assert [row.split()[0] for row in rows] == ["cells", "quiet"]
    assert (errors.steps, errors.window, errors.device) == (50, 1, "reference")
    assert isinstance(errors.populations["cells"], RateError)


def test_networks_own_probes_do_not_matter() -> None:
    net = network()
    net.probe("cells", "v")
    before = list(net.probes)
    sl.rate_errors(net, sl.compile(net), None, 20, device="reference")
    assert net.probes == before


def test_partners_are_of_the_same_neuron_and_within_the_window() -> None:
    events = np.array([[0, 0], [5, 0], [5, 1], [9, 1]])
    others = np.array([[1, 0], [7, 0], [4, 1], [0, 1]])
    assert _partnered(events, others, 0) == 0
    assert _partnered(events, others, 1) == 2
    assert _partnered(events, others, 2) == 3
    assert _partnered(events, others[:0], 2) == 0


def test_refusals() -> None:
    net = network()
    other = sl.Network()
    other.population("cells", 3, sl.LIF(20e-3))
    with pytest.raises(sl.InputError, match="the Program was not compiled from this network"):
        sl.rate_errors(net, sl.compile(other), None, 10)
    with pytest.raises(sl.InputError, match="a rate needs at least one step"):
        sl.rate_errors(net, sl.compile(net), None, 0)
