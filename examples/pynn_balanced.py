"""A balanced random network, written for PyNN, on any device.

Excitatory and inhibitory integrate-and-fire neurons with exponential currents, connected at random
and driven by Poisson noise (after Brunel, 2000, doi:10.1023/A:1008925309027, with currents instead
of delta pulses). Nothing in it is particular to Spikeloom but ``setup(device=…)``.

    python examples/pynn_balanced.py                        on the emulator
    python examples/pynn_balanced.py --device float         the same in floating point
    python examples/pynn_balanced.py --neurons 400 --time 300
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import spikeloom.pynn as sim

G = 8.0  # an inhibitory synapse is so much stronger than an excitatory one
P = 0.1  # probability of a connection


def build(neurons: int) -> tuple[sim.Population, sim.Population]:
    """Four excitatory neurons to an inhibitory one; returns both populations."""
    n_exc, n_inh = neurons * 4 // 5, neurons // 5
    weight = 0.5 * 1000 / neurons  # nA; together all neighbours have the same effect at any size
    neuron = sim.IF_curr_exp(
        tau_m=20.0, cm=1.0, v_rest=-65.0, v_reset=-65.0, v_thresh=-50.0, tau_refrac=2.0,
        tau_syn_E=3.0, tau_syn_I=3.0,
    )  # fmt: skip
    exc = sim.Population(n_exc, neuron, label="exc")
    inh = sim.Population(n_inh, neuron, label="inh")
    rng = sim.NumpyRNG(seed=1)
    everyone = exc + inh
    everyone.initialize(v=sim.RandomDistribution("uniform", low=-65.0, high=-50.0, rng=rng))
    noise = sim.Population(neurons, sim.SpikeSourcePoisson(rate=500.0), label="noise")
    sim.Projection(
        noise, everyone, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.8, delay=1.0)
    )
    some = sim.FixedProbabilityConnector(P, rng=rng)
    for pre, size, receptor in ((exc, weight, "excitatory"), (inh, -G * weight, "inhibitory")):
        synapse = sim.StaticSynapse(weight=size, delay=2.0)
        sim.Projection(pre, everyone, some, synapse, receptor_type=receptor)
    return exc, inh


def irregularity(population: sim.Population) -> float:
    """Mean coefficient of variation of the intervals between spikes; 1 for a Poisson process."""
    found = []
    for train in population.get_data("spikes").segments[0].spiketrains:
        intervals = np.diff(np.asarray(train.magnitude))
        if len(intervals) >= 5:
            found.append(intervals.std() / intervals.mean())
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Run and say how the network fires."""
    parser = argparse.ArgumentParser(description="A balanced network through PyNN.")
    parser.add_argument("--device", default="emulator", help="where to run (default: emulator)")
    parser.add_argument("--neurons", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--time", type=float, default=1000.0, help="ms (default: 1000)")
    args = parser.parse_args()

    sim.setup(timestep=1.0, device=args.device, seed=1)
    exc, inh = build(args.neurons)
    (exc + inh).record("spikes")
    sim.run(0.0)  # compiles and loads
    start = time.process_time()
    sim.run(args.time)
    seconds = time.process_time() - start
    print(f"device         {args.device}")
    for population in (exc, inh):
        rate = population.mean_spike_count() / args.time * 1e3
        print(
            f"{population.label}            {population.size} neurons, {rate:.2f} Hz, "
            f"irregularity {irregularity(population):.2f}"
        )
    print(f"cpu_seconds    {seconds:.3f}")
    sim.end()


if __name__ == "__main__":
    main()
