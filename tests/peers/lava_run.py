"""Run networks in Lava's fixed_pt models: ``python lava_run.py networks.json found.npz``.

The input is a list of networks, each a mapping of

- ``steps``; ``source``: ``size`` and ``spikes``, (step, index) pairs;
- ``populations``: mappings of ``size``, ``du``, ``dv``, ``vth``, ``bias_exp`` and
  ``bias_mant``, a list;
- ``connections``: mappings of ``pre`` (null for the source, or a population's number), ``post``,
  ``kind`` (Dense, Sparse or DelayDense), ``weights`` and ``delays`` (one list per postsynaptic
  neuron) and ``weight_exp``.

The output holds for population ``p`` of network ``i`` the (steps, size) arrays ``spikes_i_p``,
``u_i_p`` and ``v_i_p``.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

# What the installer puts into an environment; one that was made by hand may lack it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backends" / "lava" / "worker"))
import python311

warnings.simplefilter("ignore")  # Lava's own deprecations are no news here.
python311.prepare()

from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.dense.process import DelayDense, Dense  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402
from lava.proc.lif.process import LIF  # noqa: E402
from lava.proc.monitor.process import Monitor  # noqa: E402
from lava.proc.sparse.process import Sparse  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402


def build(network):
    """The source and the populations, connected."""
    raster = np.zeros((network["source"]["size"], network["steps"]), int)
    for step, index in network["source"]["spikes"]:
        raster[index, step] = 1
    source = RingBuffer(data=raster)
    populations = [
        LIF(
            shape=(p["size"],),
            du=p["du"],
            dv=p["dv"],
            vth=p["vth"],
            bias_mant=np.array(p["bias_mant"]),
            bias_exp=p["bias_exp"],
        )
        for p in network["populations"]
    ]
    for c in network["connections"]:
        weights, exponent = np.array(c["weights"]), c["weight_exp"]
        if c["kind"] == "DelayDense":
            synapses = DelayDense(
                weights=weights, delays=np.array(c["delays"]), weight_exp=exponent
            )
        elif c["kind"] == "Sparse":
            synapses = Sparse(weights=csr_matrix(weights), weight_exp=exponent)
        else:
            synapses = Dense(weights=weights, weight_exp=exponent)
        pre = source if c["pre"] is None else populations[c["pre"]]
        pre.s_out.connect(synapses.s_in)
        synapses.a_out.connect(populations[c["post"]].a_in)
    return source, populations


def run(network):
    """For each population its spikes, u and v after each step."""
    source, populations = build(network)
    monitors = []
    for population in populations:
        for variable in ("s_out", "u", "v"):
            monitor = Monitor()
            monitor.probe(getattr(population, variable), network["steps"])
            monitors.append((monitor, population.name, variable))
    try:
        source.run(
            condition=RunSteps(num_steps=network["steps"]),
            run_cfg=Loihi2SimCfg(select_tag="fixed_pt"),
        )
        values = [m.get_data()[name][variable].astype(int) for m, name, variable in monitors]
    finally:
        source.stop()
    return [values[i : i + 3] for i in range(0, len(values), 3)]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        networks = json.load(file)
    found = {}
    for i, network in enumerate(networks):
        for p, (spikes, u, v) in enumerate(run(network)):
            found[f"spikes_{i}_{p}"], found[f"u_{i}_{p}"], found[f"v_{i}_{p}"] = spikes, u, v
    np.savez(sys.argv[2], **found)
