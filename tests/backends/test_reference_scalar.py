"""The reference against docs/machine.md §5 written once more, for one neuron in plain integers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import record_everything
from support.tiny import Synapse, events, tiny_program

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.counter_hash import random

STEPS = 25


class OneNeuron:
    """A neuron as the page has it; ``p`` holds its parameters by their names in PROFILE."""

    def __init__(self, p, bits, seed):
        self.p, self.seed = p, seed
        self.low, self.high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        self.u, self.v, self.adapt, self.counter, self.pending = [0, 0], p["v_init"], 0, 0, False
        self.clipped = {"u": 0, "v": 0, "threshold": 0}

    def sat(self, x, kind):
        if self.low <= x <= self.high:
            return x
        self.clipped[kind] += 1
        return self.low if x < self.low else self.high

    def step(self, t, acc, injected):
        p = self.p
        thr, held = p["threshold"] + self.adapt, self.counter > 0
        for r in (0, 1):
            kept = decayed(self.u[r], p["decay_u"][r])
            self.u[r] = self.sat(kept + acc[r] * 2 ** p["shift"], "u")
        x = sum(self.u) + p["bias"] + injected
        if held and p["refractory_mode"] == 0:
            base = self.v
        elif p["leak"] == 0:
            base = decayed(self.v, p["decay_v"]) + x
        elif self.v >= 0:
            base = max(self.v - p["leak_step"], 0) + x
        else:
            base = min(self.v + p["leak_step"], 0) + x
        if self.pending:
            base = p["v_reset"] if p["reset"] == 0 else base - thr
        self.v = self.sat(base, "v")
        fire = bool(p["spiking"]) and self.v > thr and not held
        if fire and not p["reset_delay"]:
            self.v = p["v_reset"] if p["reset"] == 0 else self.sat(self.v - thr, "v")
        self.pending = fire and bool(p["reset_delay"])
        self.counter = p["refractory"] if fire else max(self.counter - 1, 0)
        noise = int(random(self.seed, t, [p["key"]], 2)[0]) // 2**20
        kept = (self.adapt * (4096 - p["adapt_decay"]) + noise) // 4096
        self.adapt = self.sat(kept + (p["adapt_step"] if fire else 0), "threshold")
        return fire


def decayed(x, k):
    size = abs(x) * (4096 - k) // 4096
    return size if x >= 0 else -size


@st.composite
def neurons(draw):
    """Parameters, state_bits, and whether numbers are small beside the state's range."""
    bits = draw(st.sampled_from([12, 16, 24]))
    top = (1 << (bits - 1)) - 1
    near = draw(st.sampled_from([10, 300, top]))
    state = st.integers(-near - 1, near)
    size = st.integers(0, near)
    factor = st.sampled_from([0, 4096]) | st.integers(0, 4096)
    flag = st.integers(0, 1)
    return bits, {
        "threshold": draw(state),
        "bias": draw(state),
        "v_init": draw(state),
        "key": draw(st.integers(0, 0xFFFFFFFF)),
        "spiking": draw(st.sampled_from([1, 1, 1, 0])),
        "shift": draw(st.sampled_from([0, 1, 6, 15])),
        "decay_u": (draw(factor), draw(factor)),
        "leak": draw(flag),
        "decay_v": draw(factor),
        "leak_step": draw(size),
        "reset": draw(flag),
        "reset_delay": draw(flag),
        "v_reset": draw(state),
        "refractory": draw(st.sampled_from([0, 1, 2, 5])),
        "refractory_mode": draw(flag),
        "adapt_step": draw(size),
        "adapt_decay": draw(factor),
    }


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    neurons(),
    st.integers(0, 0xFFFFFFFF),
    st.tuples(st.integers(-40, 60), st.integers(-60, 40)),
    st.lists(st.tuples(st.integers(0, STEPS - 1), st.integers(0, 1)), unique=True),
    st.dictionaries(st.integers(0, STEPS - 1), st.integers(-2000, 2000)),
)
def test_every_step_of_one_neuron(neuron, seed, weights, spikes, graded):
    bits, parameters = neuron
    synapses = [Synapse(f"c{r}", 0, weights[r], receptor=r) for r in (0, 1)]
    program = tiny_program([parameters], synapses, channels=2, seed=seed, state_bits=bits)
    device = ReferenceBackend()
    device.load(program)
    inputs = events(spikes, [(t, 0, value) for t, value in graded.items()])
    data = device.run(STEPS, inputs, record_everything(program))

    neuron = OneNeuron(parameters, bits, seed)
    expected, fired = [], []
    for t in range(STEPS):
        acc = [weights[r] if (t, r) in spikes else 0 for r in (0, 1)]
        if neuron.step(t, acc, graded.get(t, 0)):
            fired.append(t)
        expected.append([neuron.v, *neuron.u, parameters["threshold"] + neuron.adapt])
    assert [list(row) for row in zip(*(s[:, 0].tolist() for s in data.states), strict=True)] == (
        expected
    )
    assert data.neuron_step.tolist() == fired
    state = device.read_state()
    assert state.saturations.tolist() == [list(neuron.clipped.values())]
    assert state.refractory.tolist() == [neuron.counter]
    assert state.reset_pending.tolist() == [int(neuron.pending)]
