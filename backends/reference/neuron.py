"""The neuron: one update of all neurons (docs/machine.md §3 and §5).

Everything is int64 inside, so that the sums are exact before they are saturated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.program import EXPONENTIAL, HOLD, RESET_VALUE
from ...counter_hash import THRESHOLD_DECAY, random
from ...runtime.backend import SATURATION_KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program

_U, _V, _THRESHOLD = range(len(SATURATION_KINDS))


def decay(x: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.int64]:
    """``x`` times ``1 − k/4096``, truncated toward zero."""
    return np.sign(x) * (np.abs(x) * (4096 - k) >> 12)


class Neurons:
    """Parameters and state of all neurons of a Program; ``n`` global neurons.

    The arrays of state are those of :class:`~spikeloom.runtime.backend.State`, as int64 or bool.
    """

    def __init__(self, program: Program) -> None:
        cores = program.cores
        self.seed = program.seed
        self.top = program.target.state_max
        self.core = np.repeat(np.arange(len(cores)), [c.neurons for c in cores])
        self.threshold = np.concatenate([c.threshold for c in cores]).astype(np.int64)
        self.bias = np.concatenate([c.bias for c in cores]).astype(np.int64)
        self.key = np.concatenate([c.key for c in cores])
        profile = np.concatenate([c.profiles[c.profile] for c in cores])
        # Each neuron gets a copy of its profile's fields; names are those of PROFILE.
        self.spiking = profile["spiking"] != 0
        self.shift = profile["shift"].astype(np.int64)
        self.decay_u = profile["decay_u"].astype(np.int64).T
        self.exponential = profile["leak"] == EXPONENTIAL
        self.decay_v = profile["decay_v"].astype(np.int64)
        self.leak_step = profile["leak_step"].astype(np.int64)
        self.to_value = profile["reset"] == RESET_VALUE
        self.reset_delay = profile["reset_delay"] != 0
        self.v_reset = profile["v_reset"].astype(np.int64)
        self.refractory_steps = profile["refractory"].astype(np.int64)
        self.hold = profile["refractory_mode"] == HOLD
        self.adapt_step = profile["adapt_step"].astype(np.int64)
        self.adapt_decay = profile["adapt_decay"].astype(np.int64)

        n = program.neurons
        self.u = np.zeros((2, n), np.int64)
        self.v = np.concatenate([c.v_init for c in cores]).astype(np.int64)
        self.adapt = np.zeros(n, np.int64)
        self.refractory = np.zeros(n, np.int64)
        self.reset_pending = np.zeros(n, bool)
        self.fired = np.zeros(n, bool)
        self.saturated = np.zeros(n, np.int64)
        self.saturations = np.zeros((len(cores), len(SATURATION_KINDS)), np.int64)

    def update(self, acc: NDArray[np.int64], injected: NDArray[np.int64], step: int) -> None:
        """Integrate one step; afterwards ``fired`` says who fired in it.

        Args:
            acc: (2, n) accumulators of this step.
            injected: (n,) graded events of this step, 0 where there is none.
            step: absolute step since the last reset.
        """
        thr = self.threshold + self.adapt
        held = self.refractory > 0

        for r in (0, 1):
            u = decay(self.u[r], self.decay_u[r]) + (acc[r] << self.shift)
            self.u[r] = self._sat(u, _U)
        x = self.u[0] + self.u[1] + self.bias + injected

        shrunk = np.sign(self.v) * np.maximum(np.abs(self.v) - self.leak_step, 0)
        base = np.where(self.exponential, decay(self.v, self.decay_v), shrunk) + x
        base = np.where(held & self.hold, self.v, base)
        late = np.where(self.to_value, self.v_reset, base - thr)
        self.v = self._sat(np.where(self.reset_pending, late, base), _V)

        fire = self.spiking & (self.v > thr) & ~held
        now = fire & ~self.reset_delay
        subtracted = self._sat(np.where(now & ~self.to_value, self.v - thr, self.v), _V)
        self.v = np.where(now & self.to_value, self.v_reset, subtracted)

        self.reset_pending = fire & self.reset_delay
        self.refractory = np.where(fire, self.refractory_steps, np.maximum(self.refractory - 1, 0))
        noise = random(self.seed, step, self.key, THRESHOLD_DECAY).astype(np.int64) >> 20
        adapt = (self.adapt * (4096 - self.adapt_decay) + noise) >> 12
        self.adapt = self._sat(adapt + np.where(fire, self.adapt_step, 0), _THRESHOLD)
        self.fired = fire

    def _sat(self, x: NDArray[np.int64], kind: int) -> NDArray[np.int64]:
        """Clip to the state's range; count what changes, per core, and mark its neurons."""
        clipped = np.clip(x, -self.top - 1, self.top)
        changed = clipped != x
        self.saturated[changed] |= 1 << kind
        np.add.at(self.saturations[:, kind], self.core[changed], 1)
        return clipped
