"""Learn in Lava's LearningDense: ``python lava_learning.py networks.json found.npz``.

The input is a list of networks, each a mapping of

- ``mode``: fixed_pt or floating_pt; ``steps``;
- ``pre``, ``drive``: for each neuron the steps in which it is made to fire, and ``relay``: whether
  neurons that fire when ``pre`` did stand between it and the plastic synapses;
- ``weights``: the plastic ones, one list per postsynaptic neuron; ``weight_exp``; ``sign_mode``:
  MIXED, EXCITATORY or INHIBITORY; ``vth``: of the postsynaptic neurons, ``dv``: the decay of
  their v; ``drive_weight`` and ``drive_exp``;
- ``rule``: keywords of STDPLoihi, or of Loihi2FLearningRule where it has ``dw``.

The output holds for network ``i`` what was there after each step: ``spikes_i`` (steps, post),
``x1_i``, ``y1_i`` and ``weights_i`` (steps, post, pre); in fixed_pt ``random_i`` (steps, 3) are the
numbers that the step's roundings of x1, of y1 and of the weights used.
"""

import json
import mmap
import sys
import warnings
from pathlib import Path

import numpy as np

# What the installer puts into an environment; one that was made by hand may lack it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backends" / "lava" / "worker"))
import python311

warnings.simplefilter("ignore")  # Lava's own deprecations are no news here.
python311.prepare()

from lava.magma.core.learning.learning_rule import Loihi2FLearningRule  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.dense.models import (  # noqa: E402
    PyLearningDenseModelBitApproximate,
    PyLearningDenseModelFloat,
)
from lava.proc.dense.process import Dense, LearningDense  # noqa: E402
from lava.proc.io.sink import RingBuffer as Sink  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi  # noqa: E402
from lava.proc.lif.process import LIF  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402


class _Recorded:
    """Writes down what Lava has computed; it computes as ever."""

    def run_lrn(self):
        super().run_lrn()
        kept, row = self.proc_params["kept"], self.time_step - 1
        kept["x1"][row], kept["y1"][row] = self.x1, self.y1
        kept["weights"][row] = self.weights
        if "random" in kept:
            kept["random"][row] = (
                self._x_random.random_trace_decay,
                self._y_random.random_trace_decay,
                self._conn_var_random.random_stochastic_round,
            )


class RecordedFixed(_Recorded, PyLearningDenseModelBitApproximate):
    """The fixed_pt model."""


class RecordedFloat(_Recorded, PyLearningDenseModelFloat):
    """The floating_pt model."""


def shared(*shape):
    """Numbers that Lava's processes, which are forked, share with this one."""
    count = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(8 * count, 1)), float, count).reshape(shape)


def source(trains, steps):
    """Fires as it is told."""
    data = np.zeros((len(trains), steps), int)
    for neuron, train in enumerate(trains):
        data[neuron, train] = 1
    return RingBuffer(data=data)


def driven(trains, network, lif):
    """A source that makes neurons fire one step later."""
    size = len(trains)
    weights = network["drive_weight"] * np.eye(size, dtype=int)
    if network["mode"] == "floating_pt":
        synapses = Dense(weights=weights * 2.0 ** network["drive_exp"])
    else:
        synapses = Dense(weights=weights, weight_exp=network["drive_exp"])
    source(trains, network["steps"]).s_out.connect(synapses.s_in)
    synapses.a_out.connect(lif.a_in)


def run(network):
    """What was there after each step."""
    steps, fixed = network["steps"], network["mode"] == "fixed_pt"
    weights = np.array(network["weights"])
    n_post, n_pre = weights.shape
    kept = {"x1": shared(steps, n_pre), "y1": shared(steps, n_post)}
    kept["weights"] = shared(steps, n_post, n_pre)
    if fixed:
        kept["random"] = shared(steps, 3)
    rule = Loihi2FLearningRule if "dw" in network["rule"] else STDPLoihi
    plastic = LearningDense(
        weights=weights,
        weight_exp=network["weight_exp"],
        sign_mode=SignMode[network["sign_mode"]],
        learning_rule=rule(**network["rule"]),
        kept=kept,
    )
    decays = (4095, network["dv"]) if fixed else (1.0, network["dv"] / 4096)
    cells = LIF(shape=(n_post,), du=decays[0], dv=decays[1], vth=network["vth"])
    driven(network["drive"], network, cells)
    if network["relay"]:
        pre = LIF(shape=(n_pre,), du=decays[0], dv=4096 if fixed else 1.0, vth=network["vth"])
        driven(network["pre"], network, pre)
    else:
        pre = source(network["pre"], steps)
    pre.s_out.connect(plastic.s_in)
    plastic.a_out.connect(cells.a_in)
    cells.s_out.connect(plastic.s_in_bap)
    sink = Sink(shape=(n_post,), buffer=steps)
    cells.s_out.connect(sink.a_in)
    model = RecordedFixed if fixed else RecordedFloat
    config = Loihi2SimCfg(
        select_tag=network["mode"], exception_proc_model_map={LearningDense: model}
    )
    try:
        cells.run(condition=RunSteps(num_steps=steps), run_cfg=config)
        spikes = sink.data.get().astype(int).T
    finally:
        cells.stop()
    return {"spikes": spikes, **kept}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        networks = json.load(file)
    found = {}
    for i, network in enumerate(networks):
        found.update({f"{name}_{i}": values for name, values in run(network).items()})
    np.savez(sys.argv[2], **found)
