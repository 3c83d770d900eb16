"""Run networks in SuperNeuroMAT: ``python superneuromat_run.py networks.json found.npz [folder]``.

The input is a list of networks, each a mapping of

- ``steps``, ``sparse`` (which of its matrix formats to use),
- ``neurons``: (threshold, leak (null: infinite), reset state, refractory period, initial state),
- ``synapses``: (pre, post, weight, delay in steps), and possibly whether STDP is enabled,
- possibly ``stdp``: Apos and Aneg (null: that update is off),
- ``inputs``: (step, neuron, value);
- or, instead of neurons and synapses, ``document``: what SuperNeuroMAT reads as JSON.

The output holds for network ``i`` the arrays ``spikes_i`` (k, 2) of step and neuron,
``states_i`` (steps, neurons), the internal states after each step, and ``weights_i`` (s, 3), the
synapses at the end: pre, post, weight, with those of hidden neurons. Each network is written to
``folder/i.json`` as SuperNeuroMAT itself writes it, before it is run.
"""

import json
import sys

import numpy as np
from superneuromat import SNN


def build(network):
    """The SNN, with its input."""
    snn = SNN()
    if "document" in network:
        snn.from_jsons(json.dumps(network["document"]))
    for threshold, leak, reset, refractory, initial in network.get("neurons", []):
        snn.create_neuron(
            threshold=threshold,
            leak=np.inf if leak is None else leak,
            reset_state=reset,
            refractory_period=refractory,
            initial_state=initial,
        )
    for pre, post, weight, delay, *stdp in network.get("synapses", []):
        snn.create_synapse(pre, post, weight=weight, delay=delay, stdp_enabled=any(stdp))
    if "stdp" in network:
        apos, aneg = network["stdp"]
        snn.stdp_setup(apos, aneg, apos is not None, aneg is not None)
    for step, neuron, value in network["inputs"]:
        snn.add_spike(step, neuron, value)
    return snn


def run(network, snn):
    """Spikes, internal states and weights of one network."""
    n = len(network.get("neurons", snn.neuron_states))  # Delays add hidden neurons behind these.
    before = []
    snn.simulate(
        network["steps"],
        callback=lambda snn, tick, steps: before.append(snn._internal_states[:n].copy()),
        use="cpu",
        sparse=network["sparse"],
    )
    states = np.array([*before[1:], snn.neuron_states[:n]])
    columns = snn.pre_synaptic_neuron_ids, snn.post_synaptic_neuron_ids, snn.synaptic_weights
    weights = np.array(columns, dtype=np.float64).reshape(3, -1).T
    return np.argwhere(np.array(snn.spike_train)[:, :n]), states, weights


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        networks = json.load(file)
    found = {}
    for number, network in enumerate(networks):
        snn = build(network)
        if len(sys.argv) > 3:
            form = ("json-native", "base64", "base85")[number % 3]
            with open(f"{sys.argv[3]}/{number}.json", "w", encoding="utf-8") as file:
                snn.saveas_json(file, array_representation=form)
        for name, array in zip(("spikes", "states", "weights"), run(network, snn), strict=True):
            found[f"{name}_{number}"] = array
    np.savez(sys.argv[2], **found)
