"""Lava's LearningDense, when the machine learns and with the machine's random numbers.

The arithmetic is Lava's. What Lava does in one learning phase, first the traces and then the
weights, is done in two: traces in the step of the spikes, weights in the next one. Spikes come to
it when they come to the machine's rules, and roundings take the numbers that the worker lays down.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from lava.proc.dense.models import (
    PyLearningDenseModelBitApproximate,
    PyLearningDenseModelFloat,
)

from .models import _Connection


class _Learning(_Connection):
    """Hooks of both models. ``learn`` has, shared: ``on`` (1,), traces ``x`` and ``y`` (2, size),
    ``fired_x``, ``fired_y`` (size,), ``wait_x``, ``wait_y`` (lag, size), ``x_noise``, ``y_noise``,
    ``a`` and ``b`` (window, …); and ``enable`` (post, pre), ``low``, ``high``, ``shift``, ``unit``
    (of a_buff) and ``early``, whether weights change before the step's spikes are sent on."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.learn = proc_params["learn"]

    def _reload(self) -> None:
        super()._reload()
        self.weights_set = True  # what has been learned is not to lose its lowest bit again
        learn = self.learn
        for name in ("x1", "x2", "y1", "y2"):
            kind = getattr(self, name).dtype
            setattr(self, name, learn[name[0]][int(name[1]) - 1].astype(kind))
        self.fired = learn["fired_x"] != 0, learn["fired_y"] != 0
        self.waiting = deque(learn["wait_x"] != 0), deque(learn["wait_y"] != 0)

    def prepared(self) -> None:
        """A neuron's spike is sent on with the weights of the step in which it arrives."""
        if self.learn["early"]:
            self._change_weights()

    def _process_pre_spikes(self, s_in: np.ndarray) -> None:
        self.waiting[0].append(s_in.astype(bool))
        super()._process_pre_spikes(self.waiting[0].popleft())

    def _process_post_spikes(self, s_in_bap: np.ndarray) -> None:
        self.waiting[1].append(s_in_bap)
        super()._process_post_spikes(self.waiting[1].popleft())

    def run_lrn(self) -> None:
        """Weights by the spikes of the step before, then traces by this one's."""
        if not self.learn["early"]:
            self._change_weights()
        self._update_dependencies()
        self._update_traces(*self._compute_trace_histories())
        self.fired = self.tx > 0, self.ty > 0
        self._reset_dependencies_and_spike_times()
        for name in ("x1", "x2", "y1", "y2"):
            self.learn[name[0]][int(name[1]) - 1] = getattr(self, name)
        self.shared["held"][:] = self.weights[self.shared["rows"], self.shared["cols"]]

    def _change_weights(self) -> None:
        if not self.learn["on"][0]:
            return
        now = self.tx, self.ty
        self.tx, self.ty = (fired.astype(int) for fired in self.fired)
        self._update_dependencies()
        x, y = self._x_traces, self._y_traces
        self._apply_learning_rules(np.stack([x, x]), np.stack([y, y]))
        self.tx, self.ty = now

    def _saturate_synaptic_variable(self, name: str, values: np.ndarray) -> np.ndarray:
        values = super()._saturate_synaptic_variable(name, values)
        limited = np.clip(values, self.learn["low"], self.learn["high"])
        now: Any = self.weights
        return np.where(self.learn["enable"], limited, now).astype(now.dtype)


class _Draws:
    """The machine's numbers in place of Lava's generators."""

    random_impulse_addition = 0  # impulses are whole

    def __init__(self, model: Any, noise: str) -> None:
        self.model, self.noise = model, noise

    def advance(self) -> None:
        """They are numbered by steps."""

    @property
    def random_trace_decay(self) -> np.ndarray:
        """(traces, neurons) for this step."""
        return self.model.learn[self.noise][self.model.clock.row]

    @property
    def random_stochastic_round(self) -> np.ndarray:
        """(post, pre) for this step: machine.md's multiply-shift."""
        model = self.model
        learn, row = model.learn, model.clock.row
        a, b = (learn[name][row].astype(np.uint64) for name in ("a", "b"))
        j = np.arange(len(model.weights), dtype=np.uint64)[:, None]
        q = (a * j + b) % np.uint64(1 << 32)
        one = 2.0 ** learn["shift"]
        return (one - 0.5 - (q >> np.uint64(32 - learn["shift"])).astype(float)) / one


class FixedLearning(_Learning, PyLearningDenseModelBitApproximate):
    """Lava's fixed_pt LearningDense."""

    def _init_randoms(self) -> None:
        self._x_random, self._y_random = _Draws(self, "x_noise"), _Draws(self, "y_noise")
        self._conn_var_random = _Draws(self, "")


class FloatLearning(_Learning, PyLearningDenseModelFloat):
    """Lava's floating_pt LearningDense; its weights are mantissas."""

    def run_spk(self) -> None:
        """Lava's, and what a mantissa moves u by."""
        super().run_spk()
        self.a_buff = self.a_buff * self.learn["unit"]
        self.shared["buffer"][:] = self.a_buff.reshape(self.shared["buffer"].shape)


MODELS = {"fixed_pt": FixedLearning, "floating_pt": FloatLearning}
"""Mode -> which model computes a LearningDense."""
