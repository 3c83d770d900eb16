"""A network of Brian2's, built from plain arrays, run in windows and read.

Brian2 adds up synapses with their delays, updates neurons and finds who fires. A step is a
millisecond of its clock, whatever it is elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import Clock, Network, NetworkOperation, NeuronGroup, SpikeGeneratorGroup, Synapses, ms

PARAMETERS = (
    *("ku0", "ku1", "gain", "exponential", "kv", "leak", "theta", "bias", "to_value", "v_reset"),
    *("reset_late", "rest", "hold", "adapt_step", "adapt_decay", "spiking"),
)
STATE = ("u0", "u1", "v", "adapt", "counter", "due")
EQUATIONS = "\n".join(f"{name} : 1" for name in (*PARAMETERS, *STATE, "acc0", "acc1", "graded"))
EQUATIONS += "\nfires : 1"
# docs/machine.md §5 in real numbers.
UPDATE = """
u0 = u0*(1 - ku0) + acc0*gain
u1 = u1*(1 - ku1) + acc1*gain
acc0 = 0
acc1 = 0
frozen = int(counter > 0)*hold
shrunk = (int(v > 0) - int(v < 0))*clip(abs(v) - leak, 0, 1e300)
leaked = exponential*v*(1 - kv) + (1 - exponential)*shrunk
base = frozen*v + (1 - frozen)*(leaked + u0 + u1 + bias + graded)
passed = theta + adapt
v = due*(to_value*v_reset + (1 - to_value)*(base - passed)) + (1 - due)*base
fires = spiking*int(v > passed)*int(counter <= 0)
at_once = fires*(1 - reset_late)
v = at_once*(to_value*v_reset + (1 - to_value)*(v - passed)) + (1 - at_once)*v
due = fires*reset_late
counter = fires*rest + (1 - fires)*clip(counter - 1, 0, 1e300)
adapt = adapt*(1 - adapt_decay) + fires*adapt_step
"""
SCHEDULE = ["start", "sources", "arrivals", "groups", "thresholds", "synapses", "resets", "end"]
"""A source's spike arrives in its own step, a neuron's in the next one."""


class Simulation:
    """``n`` neurons and ``c`` channels.

    Args:
        header: ``channels``.
        arrays: PARAMETERS and STATE, (n,) each; ``pending`` (depth, 2, n), what is on its way;
            ``sender`` (neurons, then channels), ``post``, ``receptor``, ``delay`` in steps and
            ``weight``, (s,) each.
    """

    def __init__(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        n, channels = len(arrays["v"]), header["channels"]
        clock = Clock(dt=1 * ms)
        self.pending, self.step = arrays["pending"], 0
        self.cells = NeuronGroup(n, EQUATIONS, threshold="fires > 0.5", reset="", clock=clock)
        for name in (*PARAMETERS, *STATE):
            setattr(self.cells, name, arrays[name])
        self.cells.run_regularly(UPDATE, clock=clock, when="groups")
        self.source = SpikeGeneratorGroup(
            max(channels, 1), [], [] * ms, when="sources", clock=clock
        )
        self.synapses = []
        from_source = arrays["sender"] >= n
        for mine, sender, first, when in (
            (~from_source, self.cells, 0, "synapses"),
            (from_source, self.source, n, "arrivals"),
        ):
            if mine.any():
                self.synapses.append(self._connect(arrays, mine, sender, first, when, clock))
        before = NetworkOperation(self._before, clock=clock, when="start")
        after = NetworkOperation(self._after, clock=clock, when="end")
        made = [synapses for synapses, _ in self.synapses]
        self.network = Network(self.cells, self.source, *made, before, after)
        self.network.schedule = SCHEDULE

    def _connect(
        self, arrays: dict[str, np.ndarray], mine: np.ndarray, sender: Any, first: int, when: str,
        clock: Clock,
    ) -> tuple[Any, np.ndarray]:  # fmt: skip
        code = "acc0_post += w*(1 - receptor)\nacc1_post += w*receptor"
        synapses = Synapses(sender, self.cells, "w : 1\nreceptor : 1", on_pre=code, clock=clock)
        synapses.connect(i=arrays["sender"][mine] - first, j=arrays["post"][mine])
        synapses.w, synapses.receptor = arrays["weight"][mine], arrays["receptor"][mine]
        synapses.pre.delay = arrays["delay"][mine] * ms
        synapses.pre.when = when
        return synapses, np.flatnonzero(mine)

    def _before(self) -> None:
        """What was on its way when the state was written, and the step's graded input."""
        if self.step < len(self.pending):
            self.cells.acc0_[:] += self.pending[self.step, 0]
            self.cells.acc1_[:] += self.pending[self.step, 1]
        self.cells.graded_[:] = self.given[self.row]

    def _after(self) -> None:
        for name, rows in self.rows.items():
            rows[self.row] = getattr(self.cells, f"{name}_")[:]
        fired = np.array(self.cells.spikes)
        self.fired.append((np.full(len(fired), self.row), np.sort(fired)))
        self.step, self.row = self.step + 1, self.row + 1

    def run(self, steps: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a window; ``spike_step``, ``spike_channel``, ``graded_step``, ``graded_neuron`` and
        ``graded_value`` are its input."""
        n = len(self.cells)
        self.given = np.zeros((steps, n))
        self.given[arrays["graded_step"], arrays["graded_neuron"]] = arrays["graded_value"]
        self.rows = {name: np.zeros((steps, n)) for name in ("u0", "u1", "v", "adapt")}
        self.fired: list[tuple[np.ndarray, np.ndarray]] = []
        self.row = 0
        times = (arrays["spike_step"] + self.step) * ms
        self.source.set_spikes(arrays["spike_channel"], times, sorted=True)
        self.network.run(steps * ms, namespace={})
        step, neuron = (np.concatenate(column) for column in zip(*self.fired, strict=True))
        return {"step": step.astype(np.int64), "neuron": neuron.astype(np.int64), **self.rows}

    def state(self) -> dict[str, np.ndarray]:
        """STATE (n,), and ``weight`` (s,)."""
        weight = np.zeros(sum(len(places) for _, places in self.synapses))
        for synapses, places in self.synapses:
            weight[places] = np.array(synapses.w)
        return {name: np.array(getattr(self.cells, f"{name}_")) for name in STATE} | {
            "weight": weight
        }
