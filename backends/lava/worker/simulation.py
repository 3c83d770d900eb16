"""A network of Lava processes, built from plain data, run in windows, read and written."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import DelaySparse, Sparse
from scipy.sparse import csr_matrix

from . import learning
from .memory import shared
from .models import EPOCH, MODELS, RUN, Input

KINDS = {"Dense": Dense, "Sparse": Sparse, "DelayDense": DelayDense, "DelaySparse": DelaySparse}
TRACES = ("x1", "x2", "y1", "y2")


class Simulation:
    """What ``build`` asks for. ``n`` neurons and ``c`` channels in the order of their processes,
    ``s`` synapses, ``k`` connections.

    Args:
        header: ``mode``, ``window`` (most steps of a run), ``limit`` (of u and v), ``depth`` (of
            what can be pending), ``channels``, and lists: ``sources`` of (name, first, last),
            ``groups`` of (name, first, last, du, dv, vth, spiking), ``connections`` of (name, kind,
            whether the sender is a source, its number, the target's number, first, last synapse,
            depth), ``rules`` of mappings, by connection.
        arrays: ``bias_mant`` and ``bias_exp`` (n,); ``rows``, ``cols``,
            ``delays`` and ``enable`` (s,).
    """

    def __init__(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.mode, self.window, self.limit = header["mode"], header["window"], header["limit"]
        n, s = len(arrays["bias_mant"]), len(arrays["rows"])
        channels = header["channels"]
        number = np.int32 if self.mode == "fixed_pt" else np.float64
        self.control = shared((2,), np.int64)
        self.input = shared((self.window, channels), np.uint8)
        self.graded = shared((self.window, n), number)
        self.pending = shared((header["depth"], n), number)
        self.u, self.v = shared((n,), number), shared((n,), number)
        self.u_rows, self.v_rows = (shared((self.window, n), number) for _ in range(2))
        self.spikes = shared((self.window, n), np.uint8)
        self.alarms = shared((len(header["groups"]), 5), np.int64)
        self.weights, self.held = shared((s,), np.float64), shared((s,), np.float64)
        self.exponents = shared((len(header["connections"]),), np.int64)
        self.buffers: list[tuple[slice, np.ndarray]] = []
        self.age = 0  # steps since a state was written
        self.last = -1  # row of the last step
        self.groups = [slice(first, last) for _, first, last, *_ in header["groups"]]
        sources = [self._source(*source) for source in header["sources"]]
        groups = [self._neurons(arrays, i, *g) for i, g in enumerate(header["groups"])]
        self.processes = [*sources, *groups]
        self.on = shared((1,), np.uint8)
        self.learning: dict[int, dict[str, Any]] = {}
        self.rules = {rule["connection"]: rule for rule in header["rules"]}
        for number, connection in enumerate(header["connections"]):
            self._connect(arrays, sources, groups, number, *connection)
        self.roots: list[Any] = []

    def _source(self, name: str, first: int, last: int) -> Input:
        return Input(raster=self.input[:, first:last], control=self.control, name=name)

    def _neurons(
        self, arrays: dict[str, np.ndarray], number: int, name: str, first: int, last: int,
        du: float, dv: float, vth: float, spiking: bool,
    ) -> LIF:  # fmt: skip
        here = slice(first, last)
        given = {
            "control": self.control,
            "alarm": self.alarms[number],
            "limit": self.limit,
            "spiking": spiking,
            "u": self.u[here],
            "v": self.v[here],
        }
        for key in ("graded", "pending", "u_rows", "v_rows", "spikes"):
            given[key] = getattr(self, key)[:, here]
        return LIF(
            shape=(last - first,),
            du=du,
            dv=dv,
            vth=vth,
            bias_mant=arrays["bias_mant"][here],
            bias_exp=arrays["bias_exp"][here],
            name=name,
            shared=given,
        )

    def _connect(
        self, arrays: dict[str, np.ndarray], sources: list[Any], groups: list[Any], number: int,
        name: str, kind: str, from_source: bool, pre: int, post: int, first: int, last: int,
        depth: int,
    ) -> None:  # fmt: skip
        sender = sources[pre] if from_source else groups[pre]
        shape = (*groups[post].a_in.shape, *sender.s_out.shape)
        here = slice(first, last)
        rows, cols, delays = (arrays[key][here] for key in ("rows", "cols", "delays"))
        buffer = shared((shape[0], depth), np.float64)
        self.buffers.append((self.groups[post], buffer))
        given = {
            "control": self.control,
            "rows": rows,
            "cols": cols,
            "weights": self.weights[here],
            "held": self.held[here],
            "exponent": self.exponents[number : number + 1],
            "buffer": buffer,
        }
        options: dict[str, Any] = {"name": name, "shared": given, "weight_exp": 0}
        # The true weights come with the first state; until then there is a place for each.
        ones: Any = csr_matrix((np.ones(len(rows), int), (rows, cols)), shape)
        waits: Any = csr_matrix((delays, (rows, cols)), shape)
        if "Sparse" not in kind:
            ones, waits = ones.toarray(), waits.toarray()
        if "Delay" in kind:
            options.update(delays=waits, max_delay=depth - 1)
        if kind == "LearningDense":
            process = self._plastic(self.rules[number], ones, options, arrays["enable"][here])
            groups[post].s_out.connect(process.s_in_bap)
        else:
            process = KINDS[kind](weights=ones, **options)
        sender.s_out.connect(process.s_in)
        process.a_out.connect(groups[post].a_in)
        self.processes.append(process)

    def _plastic(
        self, rule: dict[str, Any], ones: np.ndarray, options: dict[str, Any], enable: np.ndarray
    ) -> LearningDense:
        """A LearningDense; its numbers are kept by the rule's number."""
        post, pre = ones.shape
        places = options["shared"]["rows"], options["shared"]["cols"]
        may = np.zeros(ones.shape, bool)
        may[places] = enable
        learn: dict[str, Any] = {key: rule[key] for key in ("low", "high", "shift", "early")}
        learn |= {"unit": rule["unit"], "on": self.on, "enable": may}
        for side, size, lag in (("x", pre, rule["lag_x"]), ("y", post, rule["lag_y"])):
            learn[side] = shared((2, size), np.float64)
            learn[f"fired_{side}"] = shared((size,), np.uint8)
            learn[f"wait_{side}"] = shared((lag, size), np.uint8)
            rows = 2 if side == "x" else 3  # Lava has a y3, too
            learn[f"{side}_noise"] = shared((self.window, rows, size), np.float64)
        for name in ("a", "b"):
            learn[name] = shared((self.window, pre), np.int64)
        self.learning[rule["number"]] = learn
        taus = {f"{name}_tau": float(rule["tau"][name]) for name in TRACES}
        impulses = {f"{name}_impulse": rule["impulse"][name] for name in TRACES}
        lava = Loihi2FLearningRule(dw=rule["dw"], y3_tau=1.0, rng_seed=1, **taus, **impulses)
        return LearningDense(weights=ones, learning_rule=lava, learn=learn, **options)

    def start(self) -> None:
        """Compile and start; processes that are not connected get a runtime of their own."""
        models = {**MODELS[self.mode], LearningDense: learning.MODELS[self.mode]}
        config = Loihi2SimCfg(select_tag=self.mode, exception_proc_model_map=models)
        for process in self.processes:
            if process.runtime is None:
                process.create_runtime(run_cfg=config)
                self.roots.append(process)

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from ``u``, ``v``, ``pending``, ``weights`` and ``exponents``."""
        for name in ("u", "v", "pending", "weights", "exponents"):
            getattr(self, name)[...] = arrays[name]
        self.held[:] = self.weights
        for number, learn in self.learning.items():
            for name in ("x", "y", "fired_x", "fired_y", "wait_x", "wait_y"):
                learn[name][...] = arrays[f"{name}{number}"]
        for _, buffer in self.buffers:
            buffer[:] = 0
        self.control[EPOCH] += 1
        self.age, self.last = 0, -1

    def run(self, steps: int, arrays: dict[str, np.ndarray]) -> None:
        """Run a window; ``spike_step``, ``spike_channel``, ``graded_step``, ``graded_neuron``,
        ``graded_value`` are its input."""
        self.input[:], self.graded[:], self.alarms[:] = 0, 0, 0
        self.input[arrays["spike_step"], arrays["spike_channel"]] = 1
        self.graded[arrays["graded_step"], arrays["graded_neuron"]] = arrays["graded_value"]
        for number, learn in self.learning.items():
            for name in ("x_noise", "y_noise", "a", "b"):
                learn[name][:steps] = arrays[f"{name}{number}"]
        self.control[RUN] += 1
        for root in self.roots:
            root.run(RunSteps(num_steps=steps))
        self.age, self.last = self.age + steps, steps - 1

    def alarm(self, group: int) -> list[int] | None:
        """What left its range in the last window, with the neuron's number among all."""
        found = self.alarms[group].tolist()
        return [found[1], found[2] + self.groups[group].start, *found[3:]] if found[0] else None

    def state(self) -> dict[str, np.ndarray]:
        """``u`` and ``v`` (n,), ``pending`` (depth, n), ``held`` weights (s,), and by
        rule the traces ``x`` and ``y`` (2, size)."""
        u, v = (
            (self.u, self.v) if self.last < 0 else (self.u_rows[self.last], self.v_rows[self.last])
        )
        pending = np.zeros(self.pending.shape)
        left = self.pending[self.age :]
        pending[: len(left)] = left
        for group, buffer in self.buffers:
            pending[: buffer.shape[1], group] += buffer.T
        return {
            "u": u.astype(np.float64),
            "v": v.astype(np.float64),
            "pending": pending,
            "held": self.held,
            **{f"{s}{number}": learn[s] for number, learn in self.learning.items() for s in "xy"},
        }

    def stop(self) -> None:
        """End Lava's processes."""
        for root in self.roots:
            # Lava stops only what has been run; what has not would wait for ever.
            root.runtime._is_started = True
            root.stop()
        self.roots = []

    def actors(self) -> list[Any]:
        """Lava's operating system processes."""
        return [a for root in self.roots for a in root.runtime._messaging_infrastructure.actors]
