"""Run given spikes on SANA-FE; called with its own interpreter.

    sanafe_run.py ARCH.yaml CASE.npz OUT.npz MODES

CASE holds ``core`` (neurons,) SANA-FE's core numbers, ``pre`` and ``post`` of the synapses, and
``spikes`` (steps, neurons). Every neuron has an input unit of its own, which fires as told. OUT
gets for each mode the time and the energies of every step, and seconds of CPU time.
"""

import contextlib
import io
import resource
import sys
import time

import numpy as np
import sanafe

KEYS = ("sim_time", "total_energy", "synapse_energy", "soma_energy", "network_energy", "hops")


def main(arch_path: str, case_path: str, out_path: str, modes: str) -> None:
    case = np.load(case_path)
    spikes, cores = case["spikes"], case["core"]
    arch = sanafe.load_arch(arch_path)
    places = arch.cores()
    net = sanafe.Network()
    group = net.create_neuron_group("neurons", len(cores))
    wanted = modes.split(",")
    unit = np.zeros(len(places), int)
    for i, core in enumerate(cores.tolist()):
        train = np.tile(spikes[:, i], len(wanted)).tolist()
        group[i].set_attributes(
            soma_hw_name=f"soma[{unit[core]}]", model_attributes={"spikes": train}
        )
        group[i].map_to_core(places[core])
        unit[core] += 1
    pairs = list(zip(case["pre"].tolist(), case["post"].tolist(), strict=True))
    group.connect_neurons_sparse(group, {"weight": [0.0] * len(pairs)}, pairs)
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    found = {}
    for mode in wanted:
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            result = chip.sim(len(spikes), timing_model=mode, perf_trace=True)
        found[f"{mode}.seconds"] = time.process_time() - began
        for key in KEYS:
            found[f"{mode}.{key}"] = np.array(result["perf_trace"][key])
    found["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    np.savez(out_path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
