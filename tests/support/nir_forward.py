"""A NIR graph run the obvious way, in float64: all layers within one step, NIR's own equations.

Forward Euler; currents are updated before voltages; a recurrent edge carries the value of the step
before. Deliberately shares nothing with the importer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NEURONS = ("LIF", "LI", "CubaLIF", "CubaLI", "IF", "I", "Threshold")


class Forward:
    """Runs a flat graph.

    Args:
        graph: has ``nodes`` and ``edges``; no sub-graphs.
        order: node names; an edge from a later (or the same) node is recurrent.
        dt: seconds.
        subtract: reset by subtraction.
    """

    def __init__(self, graph: Any, order: list[str], dt: float, subtract: bool = False) -> None:
        self.nodes, self.order, self.dt, self.subtract = graph.nodes, order, dt, subtract
        self.into = {n: [a for a, b in graph.edges if b == n] for n in order}
        self.v: dict[str, Any] = {}
        self.i: dict[str, Any] = {}
        self.line: dict[str, list[Any]] = {n: [] for n in order}
        for name in order:
            node = graph.nodes[name]
            if kind(node) in ("LIF", "LI", "CubaLIF", "CubaLI"):
                self.v[name] = node.v_leak.reshape(-1) * 1.0
                self.i[name] = 0.0 * self.v[name]
            elif kind(node) == "IF":
                self.v[name] = node.v_reset.reshape(-1) * 1.0
            elif kind(node) == "I":
                self.v[name] = 0.0 * node.r.reshape(-1)
        self.out = {n: self._size(n) for n in order}
        for name in order:  # what linear nodes send before the first step
            if kind(self.nodes[name]) in ("Affine", "Linear", "Scale"):
                self.out[name] = self._linear(name, self._sum(name, {}))

    def _size(self, name: str) -> Any:
        node = self.nodes[name]
        for field in ("v_threshold", "r", "threshold", "delay", "scale", "bias"):
            if hasattr(node, field):
                return np.zeros(getattr(node, field).size)
        if hasattr(node, "weight"):
            return np.zeros(node.weight.shape[0])
        return np.zeros(int(np.prod(next(iter(node.output_type.values())))))

    def run(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Output of every neuron node: spikes, or v of those that do not spike. (steps, n)."""
        record: dict[str, list[Any]] = {n: [] for n in self.order}
        for t in range(len(x)):
            now: dict[str, Any] = {}
            for name in self.order:
                node = self.nodes[name]
                now[name] = x[t] * 1.0 if kind(node) == "Input" else self._node(name, now)
                record[name].append(now[name])
            self.out = now
        return {n: np.array(r) for n, r in record.items()}

    def _sum(self, name: str, now: dict[str, Any]) -> Any:
        return sum(now[a] if a in now else self.out[a] for a in self.into[name])

    def _linear(self, name: str, x: Any) -> Any:
        node = self.nodes[name]
        if kind(node) == "Scale":
            return node.scale.reshape(-1) * x
        return node.weight @ x + getattr(node, "bias", 0.0)

    def _node(self, name: str, now: dict[str, Any]) -> Any:
        node, x = self.nodes[name], self._sum(name, now)
        if kind(node) in ("Affine", "Linear", "Scale"):
            return self._linear(name, x)
        if kind(node) == "Delay":
            self.line[name].append(x)
            steps = np.rint(node.delay.reshape(-1) / self.dt).astype(int)
            now_at = len(self.line[name]) - 1
            late = [
                self.line[name][now_at - s][k] if s <= now_at else 0.0 for k, s in enumerate(steps)
            ]
            return np.array(late)
        if kind(node) == "Threshold":
            return (x > node.threshold.reshape(-1)) * 1.0
        if kind(node) in NEURONS:
            return self._neuron(name, x)
        return x

    def _neuron(self, name: str, x: Any) -> Any:
        node, dt = self.nodes[name], self.dt
        flat = {k: np.reshape(a, -1) for k, a in vars(node).items() if isinstance(a, np.ndarray)}
        if kind(node).startswith("Cuba"):
            self.i[name] += dt / flat["tau_syn"] * (flat["w_in"] * x - self.i[name])
            x = self.i[name]
        if kind(node) in ("IF", "I"):
            v = self.v[name] + dt * flat["r"] * x
        else:
            tau = flat["tau" if kind(node) in ("LIF", "LI") else "tau_mem"]
            v = self.v[name] + dt / tau * (flat["v_leak"] - self.v[name] + flat["r"] * x)
        if "v_threshold" not in flat:
            self.v[name] = v
            return v.copy()
        spikes = v > flat["v_threshold"]
        after = v - flat["v_threshold"] if self.subtract else flat["v_reset"]
        self.v[name] = np.where(spikes, after, v)
        return spikes * 1.0


def kind(node: Any) -> str:
    """The node's NIR type."""
    return type(node).__name__
