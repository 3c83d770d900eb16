"""Lava's own process models, with hooks for input, read-back and a look at their ranges.

The arithmetic is Lava's: each model calls its parent's. What is added is where numbers come from
and go to (memory shared with the worker), since Lava's own ``Var.get`` and ``set`` send one element
at a time, and its buffers fix how long a run is before it is built.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import (
    PyDelayDenseModelBitAcc,
    PyDelayDenseModelFloat,
    PyDenseModelBitAcc,
    PyDenseModelFloat,
)
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.models import PyLifModelBitAcc, PyLifModelFloat
from lava.proc.lif.process import LIF
from lava.proc.sparse.models import (
    PyDelaySparseModelBitAcc,
    PyDelaySparseModelFloat,
    PySparseModelBitAcc,
    PySparseModelFloat,
)
from lava.proc.sparse.process import DelaySparse, Sparse
from scipy.sparse import csr_matrix

RUN, EPOCH = range(2)
"""Places in ``control``: number of the current window, and of the last state that was written."""
U, V, SPIKE = range(3)
"""What left its range, in an alarm: (1, row, neuron, kind, value)."""


class Clock:
    """Counts a model's steps within the worker's windows.

    Args:
        control: (2,) int64, shared: RUN and EPOCH.
    """

    def __init__(self, control: np.ndarray) -> None:
        self._control, self._run, self._epoch = control, 0, 0
        self.row = -1

    def tick(self) -> bool:
        """One step on; whether a new state has been written since the last one."""
        run, epoch = self._control.tolist()
        self.row = 0 if run != self._run else self.row + 1
        fresh = epoch != self._epoch
        self._run, self._epoch = run, epoch
        return fresh


class Input(AbstractProcess):
    """Spikes that the worker lays down: (window, channels) bytes, shared."""

    def __init__(self, *, raster: np.ndarray, control: np.ndarray, name: str) -> None:
        super().__init__(raster=raster, control=control, name=name)
        self.s_out = OutPort(shape=raster.shape[1:])


@implements(proc=Input, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class InputModel(PyLoihiProcessModel):
    """Sends a row of the raster per step."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._raster, self._clock = proc_params["raster"], Clock(proc_params["control"])

    def run_spk(self) -> None:
        """One step."""
        self._clock.tick()
        self.s_out.send(self._raster[self._clock.row].astype(np.int32))


class _Neurons:
    """Hooks of both LIF models. ``shared`` has u, v, graded, pending, u_rows, v_rows, spikes,
    alarm, control, limit and spiking of this population's neurons."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.shared = proc_params["shared"]
        self.clock = Clock(self.shared["control"])
        self.age = 0  # steps since a state was written

    def run_spk(self) -> None:
        shared = self.shared
        if self.clock.tick():
            self.u[:], self.v[:] = shared["u"], shared["v"]
            self.age = 0
        super().run_spk()
        row = self.clock.row
        shared["u_rows"][row], shared["v_rows"][row] = self.u, self.v
        shared["spikes"][row] = self.s_out_buff
        if not shared["spiking"]:
            self.watch(SPIKE, np.where(self.s_out_buff, shared["limit"] + 1, 0))
        self.age += 1

    def received(self, activation: np.ndarray) -> np.ndarray:
        """What arrives, and what was on its way when the state was written."""
        pending = self.shared["pending"]
        return activation + pending[self.age] if self.age < len(pending) else activation

    def watch(self, kind: int, values: np.ndarray) -> None:
        """Leave word of the first number that Lava and the machine do not treat alike."""
        alarm, wrong = self.shared["alarm"], np.abs(values) > self.shared["limit"]
        if not alarm[0] and wrong.any():
            neuron = int(np.argmax(wrong))
            alarm[1:] = self.clock.row, neuron, kind, int(values[neuron])
            alarm[0] = 1


class FixedNeurons(_Neurons, PyLifModelBitAcc):
    """Lava's fixed_pt LIF."""

    def scale_bias(self) -> None:
        """Lava's, and the step's graded input."""
        super().scale_bias()
        self.effective_bias = self.effective_bias + self.shared["graded"][self.clock.row]

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        """Lava's, and a look at the range of u and v."""
        activation = self.received(activation_in)
        # The sums before Lava wraps u and clips v: that it did cannot be seen afterwards.
        u = _decayed(self.u, self.du + self.ds_offset) + (activation.astype(np.int64) << 6)
        v = _decayed(self.v, self.dv)
        super().subthr_dynamics(activation)
        self.watch(U, u)
        self.watch(V, v + self.u + self.effective_bias)


def _decayed(x: np.ndarray, k: Any) -> np.ndarray:
    return np.sign(x) * (np.abs(x.astype(np.int64)) * (4096 - int(np.ravel(k)[0])) >> 12)


class FloatNeurons(_Neurons, PyLifModelFloat):
    """Lava's floating_pt LIF."""

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        """Lava's with graded input, and a look at the range of u and v."""
        bias = self.bias_mant
        self.bias_mant = bias + self.shared["graded"][self.clock.row]
        super().subthr_dynamics(self.received(activation_in))
        self.bias_mant = bias
        self.watch(U, self.u)
        self.watch(V, self.v)


class _Connection:
    """Hooks of all connection models. ``shared`` has rows, cols, weights, held, exponent, buffer
    and control; ``sparse`` says how the weights are kept."""

    sparse = False

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.shared = proc_params["shared"]
        self.clock = Clock(self.shared["control"])

    def run_spk(self) -> None:
        fresh = self.clock.tick()
        if fresh:
            self._reload()
        self.prepared()
        super().run_spk()
        self.shared["buffer"][:] = self.a_buff.reshape(self.shared["buffer"].shape)
        if fresh:  # Lava has clipped and truncated them by now: what it holds is what counts.
            at = self.shared["rows"], self.shared["cols"]
            self.shared["held"][:] = np.asarray(self.weights[at]).ravel()

    def prepared(self) -> None:
        """Before the step's spikes are taken in."""

    def _reload(self) -> None:
        shared, kind = self.shared, self.weights.dtype
        at, values = (shared["rows"], shared["cols"]), shared["weights"].astype(kind)
        if self.sparse:
            self.weights = csr_matrix((values, at), self.weights.shape)
        else:
            self.weights = np.zeros_like(self.weights)
            self.weights[at] = values
        self.weights_set = False
        self.proc_params.overwrite("weight_exp", int(shared["exponent"][0]))
        self.a_buff = np.zeros_like(self.a_buff)


class FixedDense(_Connection, PyDenseModelBitAcc):
    """Lava's fixed_pt Dense."""


class FixedSparse(_Connection, PySparseModelBitAcc):
    """Lava's fixed_pt Sparse."""

    sparse = True


class FixedDelayDense(_Connection, PyDelayDenseModelBitAcc):
    """Lava's fixed_pt DelayDense."""


class FixedDelaySparse(_Connection, PyDelaySparseModelBitAcc):
    """Lava's fixed_pt DelaySparse."""

    sparse = True


class FloatDense(_Connection, PyDenseModelFloat):
    """Lava's floating_pt Dense."""


class FloatSparse(_Connection, PySparseModelFloat):
    """Lava's floating_pt Sparse."""

    sparse = True


class FloatDelayDense(_Connection, PyDelayDenseModelFloat):
    """Lava's floating_pt DelayDense."""


class FloatDelaySparse(_Connection, PyDelaySparseModelFloat):
    """Lava's floating_pt DelaySparse."""

    sparse = True


MODELS = {
    "fixed_pt": {
        LIF: FixedNeurons,
        Dense: FixedDense,
        Sparse: FixedSparse,
        DelayDense: FixedDelayDense,
        DelaySparse: FixedDelaySparse,
        Input: InputModel,
    },
    "floating_pt": {
        LIF: FloatNeurons,
        Dense: FloatDense,
        Sparse: FloatSparse,
        DelayDense: FloatDelayDense,
        DelaySparse: FloatDelaySparse,
        Input: InputModel,
    },
}
"""Mode -> which model computes each kind of process."""
