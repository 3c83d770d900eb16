"""The core that is made for a Program holds it, and computes it, whatever the Program is.

The other tests run many Programs on few cores. Here each gets its own: of random sizes, lanes and
parts, as ``sl.open("rtl")`` and ``spikeloom build --for`` make them.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    assert_same_weights,
    random_events,
    random_plastic_program,
    random_program,
    record_everything,
)
from support.rtl import needs_compiler

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.compiler.program import Program

pytestmark = [needs_compiler, pytest.mark.slow]

STEPS = 15
RULES = (
    None,
    sl.STDP(w_max=1.0),
    sl.STDP(w_max=1.0, dependence="multiplicative"),
    sl.TripletSTDP(w_max=1.0),
    sl.Supervised(w_max=1.0, w_min=-1.0, eta=0.01),
    sl.RewardSTDP(w_max=1.0),
)


def network(seed: int) -> Program:
    """Of one or two populations, with a rule or none for each of their projections."""
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=1e-3, seed=seed)
    senders = [net.source("inputs", int(rng.integers(1, 200)))]
    for name in ("first", "second")[: int(rng.integers(1, 3))]:
        neuron = sl.LIF(
            tau_mem=20e-3,
            tau_syn=float(rng.choice([1e-3, 5e-3])),
            v_threshold=float(rng.choice([0.3, 1.0, 3.0])),
            refractory=float(rng.choice([0.0, 2e-3])),
        )
        size = int(rng.choice([1, 3, 17, 70, 200, 400]))
        population = net.population(name, size, neuron)
        sender = senders[int(rng.integers(len(senders)))]
        weights = rng.uniform(0.01, 0.5, (sender.size, size))
        weights *= rng.random(weights.shape) < rng.choice([0.3, 1.0])
        weights[0, 0] = 0.5
        delay = float(rng.choice([1e-3, 5e-3]))
        rule = RULES[int(rng.integers(len(RULES)))]
        net.connect(sender, population, weights=weights, learning=rule, delay=delay)
        senders.append(population)
    lanes = int(rng.choice([1, 2, 4, 8]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what rounding does to such networks
        return sl.compile(net, target=sl.TARGETS["core"].with_(lanes=lanes))


def without_synapses() -> Program:
    """A rule of a projection without synapses: its traces take up spikes all the same."""
    net = sl.Network(dt=1e-3)
    one = net.source("one", 3)
    other = net.population("other", 4, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(
        one, other, connector=sl.FixedProbability(0.0), weights=0.5, learning=sl.STDP(w_max=1.0)
    )
    return sl.compile(net)


PROGRAMS = {
    "rules without synapses": without_synapses,
    "random": lambda: random_program(1, cores=1),
    "random, with rules": lambda: random_plastic_program(2, cores=1),
    **{f"network {seed}": (lambda seed=seed: network(seed)) for seed in (5, 7, 9)},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_the_reference(name):
    program, seed = PROGRAMS[name](), list(PROGRAMS).index(name)
    rtl = RtlBackend(simulator="compiled", geometry=geometry_for(program))
    reference, emulator = ReferenceBackend(), EmulatorBackend()
    events = random_events(program, STEPS, np.random.default_rng(seed))
    record = record_everything(program)
    for device in (reference, emulator, rtl):
        device.load(program)
    expected, found = (device.run(STEPS, events, record) for device in (reference, rtl))
    assert_same_run(expected, found, program, record)
    assert_same_state(reference.read_state(), rtl.read_state(), program)
    assert_same_weights(reference.read_weights(), rtl.read_weights(), program)
    np.testing.assert_array_equal(found.cycles, emulator.run(STEPS, events, record).cycles)
    rtl.close()
