"""Learning as users meet it: the switch, tags, traces, delays, input files, lockstep, snapshots."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.devices import DEVICES, install_broken
from support.programs import random_events, random_plastic_program, record_everything

import spikeloom as sl
from spikeloom import FileError, InputError, Snapshot
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.runtime.files import read_inputs
from spikeloom.runtime.npz import read_npz, write_npz
from spikeloom.runtime.snapshot import same_state

LEARNERS = DEVICES
"""Devices that learn."""


def plastic_network(**more):
    """Two inputs onto two neurons; everything that a rule can read is read."""
    net = sl.Network(dt=1e-3)
    pre = net.source("pre", 2)
    post = net.population("post", 2, sl.IF(v_threshold=100.0))
    rule = sl.Rule(
        dw="x0 + x1*t0 + r*x0 + m*u",
        dtag="2*x0",
        ddelay="y0",
        traces={"x1": sl.Trace(decay=0, impulse=3, nearest=True)},
        w_min=-50,
        w_max=100,
        delay_max=9,
        units="raw",
        rounding="floor",
        **more,
    )
    net.connect(pre, post, weights=[[1.0, 2.0], [3.0, 4.0]], delay=0.0, learning=rule)
    net.connect(pre, post, weights=[[1.0, 1.0], [1.0, 1.0]], delay=0.0, name="fixed")
    net.probe(post, "spikes", "v")
    return net


PROGRAM = sl.compile(plastic_network(), quantization=sl.Quantization(scale=1))


def loaded(url="reference", program=PROGRAM):
    device = sl.open(url)
    device.load(program)
    return device


@pytest.mark.parametrize("url", LEARNERS)
def test_what_rules_read_reaches_them(url):
    device = loaded(url)
    device.run(
        4,
        {
            "pre": [[0, 0]],
            "post.teacher": [[1, 1], [2, 0]],
            "post.third_factor": ([[0, 0]], [5]),
            "modulator": ([3], [-1]),
        },
    )
    weights = device.read_weights("pre->post")
    # Step 0: 1 each from x0, 5 more for post 0; then 3 with the teacher; then -1 for all.
    assert weights.raw.reshape(2, 2).tolist() == [[1 + 1 + 5 + 3 - 1, 2 + 1 + 3 - 1], [2, 3]]
    assert weights.enabled.all()
    assert not device.read_weights("fixed").enabled.any()
    assert device.read_tags("pre->post").tolist() == [2, 2, 0, 0]
    traces = {name: values.tolist() for name, values in device.read_traces("pre->post").items()}
    assert traces == {"x1": [3, 0], "x2": [0, 0], "y1": [0, 0], "y2": [0, 0]}
    # The registers hold on into the next run.
    device.run(2, {"pre": [[0, 1]]})
    assert device.read_weights("pre->post").raw.tolist() == [7, 3, 2 + 6 - 2, 3 + 1 - 2]


@pytest.mark.parametrize("url", LEARNERS)
def test_delays_that_learn_are_read_back(url):
    device = loaded(url)
    device.run(1, {"post": ([[0, 1]], [200.0])})  # post 1 fires
    assert device.read_weights("pre->post").delay_steps.tolist() == [0, 1, 0, 1]
    assert device.read_weights("pre->post").delay.tolist() == [0, 1e-3, 0, 1e-3]
    device.run(1, {"pre": [[0, 0]]})
    device.run(1)
    v = device.read_state("post")["v"]
    assert v[0] == 1 + 1, "the plastic synapse and the fixed one"
    assert v[1] == 1 + 2, "the weight of 2 came a step later"
    learned = device.read_program()
    again = loaded(url, learned)
    for field in ("raw", "delay_steps"):
        a, b = (getattr(d.read_weights("pre->post"), field) for d in (device, again))
        assert np.array_equal(a, b)


@pytest.mark.parametrize("url", LEARNERS)
def test_the_switch(url):
    device = loaded(url)
    assert device.learning
    device.run(1, {"pre": [[0, 0]]})
    device.learning = False
    assert not device.learning
    frozen = device.read_weights("pre->post").raw
    device.run(1, {"pre": [[0, 0], [0, 1]]})
    assert np.array_equal(device.read_weights("pre->post").raw, frozen)
    assert device.read_traces("pre->post")["x1"].tolist() == [3, 3]
    snapshot = device.snapshot()
    device.reset()
    assert not device.learning, "a reset leaves the switch alone"
    assert np.array_equal(device.read_weights("pre->post").raw, frozen)
    assert device.read_tags("pre->post").tolist() == [0, 0, 0, 0]
    device.run(1, {"pre": [[0, 0]]})
    assert np.array_equal(device.read_weights("pre->post").raw, frozen)
    device.learning = np.bool_(True)
    device.run(1, {"pre": [[0, 0]]})
    assert not np.array_equal(device.read_weights("pre->post").raw, frozen)
    device.restore(snapshot)
    assert not device.learning, "a snapshot holds the switch"
    device.reset(weights=True)
    assert device.read_weights("pre->post").raw.tolist() == [1, 2, 3, 4]
    device.load(PROGRAM)
    assert device.learning


def test_what_does_not_learn_says_so():
    net = sl.Network(dt=1e-3)
    net.connect(net.source("a", 1), net.population("b", 1, sl.IF(v_threshold=1.0)), weights=[[1.0]])
    with sl.open("reference") as device:
        device.load(sl.compile(net))
        assert device.learning is False
        device.learning = False
        with pytest.raises(InputError) as caught:
            device.learning = True
        assert str(caught.value) == (
            "nothing in the loaded Program learns\n"
            "  where: reference\n"
            "  remedy: connect with a rule: net.connect(…, learning=…)"
        )
    device = loaded()
    with pytest.raises(InputError) as caught:
        device.read_tags("fixed")
    assert str(caught.value) == (
        "projection 'fixed' does not learn\n"
        "  expected: one of 'pre->post'\n"
        "  remedy: connect with a rule: net.connect(…, learning=…)"
    )
    with pytest.raises(InputError, match="learning is either on or off\n  found: 'yes'"):
        device.learning = "yes"


def test_written_weights_keep_the_rules_limits():
    device = loaded()
    with pytest.raises(InputError) as caught:
        device.write_weights("pre->post", raw=[1, 2, 101, 3])
    assert str(caught.value) == (
        "a weight of 'pre->post' is beyond the limits of the rule that changes it\n"
        "  found: 101 from 1 to 0\n"
        "  expected: -50 to 100\n"
        "  remedy: give the rule wider limits: w_min and w_max"
    )
    device.write_weights("pre->post", raw=[100, -50, 0, 0])
    device.write_weights("fixed", raw=[127, -128, 0, 0])


def test_accumulators_are_proved_for_what_rules_may_do():
    target = sl.TARGETS["core"].with_(accumulator_bits=16, weight_bits=16)
    net = sl.Network(dt=1e-3)
    pre, post = net.source("pre", 1), net.population("post", 1, sl.IF(v_threshold=100.0))
    rule = sl.Rule(dw="x0", w_max=30000, units="raw")
    net.connect(pre, post, weights=[[1.0]], delay=0.0, learning=rule)
    net.connect(pre, post, weights=[[1.0]], delay=0.0, name="fixed")
    device = loaded(program=sl.compile(net, target, quantization=sl.Quantization(scale=1)))
    with pytest.raises(InputError) as caught:
        device.write_weights("fixed", raw=[2768])
    assert str(caught.value).splitlines()[:3] == [
        "with these weights an accumulator could overflow",
        "  found: weights onto 'post'[0], receptor 0, that add up to 32768",
        "  expected: at most 32767",
    ]
    device.write_weights("fixed", raw=[2767])


def test_input_files(tmp_path):
    path = tmp_path / "in.npz"
    np.savez(
        path,
        **{
            "pre": [[0, 0]],
            "post.teacher": np.array([[0, 0], [0, 1], [1, 0], [0, 0]], bool),
            "post.third_factor.events": [[0, 0]],
            "post.third_factor.values": [5],
            "modulator": np.array([0, 0, 0, -1]),
        },
    )
    inputs, steps = read_inputs(path, PROGRAM)
    assert steps == 4
    device = loaded()
    device.run(steps, inputs)
    assert device.read_weights("pre->post").raw.tolist() == [9, 5, 2, 3]
    np.savez(path, **{"post.third_factor.events": [[0, 0]]})
    with pytest.raises(InputError, match=r"array 'post\.third_factor\.events' needs another one"):
        read_inputs(path, PROGRAM, 4)
    np.savez(path, modulator=np.zeros(5000, np.int64))
    with pytest.raises(FileError, match="array 'modulator' is larger than a run of this length"):
        read_inputs(path, PROGRAM, 4)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 9))
def test_windows_of_a_stream_are_one_run(every):
    rng = np.random.default_rng(every)
    inputs = {
        "pre": rng.random((20, 2)) < 0.3,
        "post.teacher": rng.random((20, 2)) < 0.3,
        "post.third_factor": rng.integers(-2, 3, (20, 2)),
        "modulator": ([3, 9, 11], [1, -1, 0]),
    }
    whole, parts = loaded(), loaded()
    whole.run(20, inputs)
    for _ in parts.stream(20, inputs, every=every):
        pass
    assert whole.snapshot() == parts.snapshot()


# ---------------------------------------------------------------- snapshots


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1 << 32),
    steps=st.integers(0, 40),
    on=st.booleans(),
    first=st.sampled_from(LEARNERS),
    second=st.sampled_from(LEARNERS),
)
def test_the_future_of_a_snapshot_is_the_same(tmp_path, seed, steps, on, first, second):
    program = random_plastic_program(seed, neurons=10)
    record, rng = record_everything(program), np.random.default_rng(seed)
    past, future = random_events(program, steps, rng), random_events(program, 20, rng)
    path = tmp_path / "snapshot.npz"
    with sl.open(first) as one, sl.open(second) as other:
        one.load(program)
        if program.rules:
            one.learning = on
        one.backend.run(steps, past, record)
        one.snapshot().save(path)
        other.load(program)
        other.backend.run(3, random_events(program, 3, rng), record)
        other.restore(Snapshot.load(path))
        assert other.snapshot() == one.snapshot() == Snapshot.load(path)
        assert other.learning == one.learning
        a, b = (device.backend.run(20, future, record) for device in (one, other))
        assert np.array_equal(a.neuron, b.neuron)
        assert all(map(np.array_equal, a.states, b.states))
        assert one.snapshot() == other.snapshot()


@pytest.fixture
def snapshot():
    device = loaded()
    device.run(3, {"pre": [[0, 0], [1, 1]], "post.third_factor": ([[0, 0]], [5])})
    return device.snapshot()


def test_snapshots_differ_in_every_part_of_learning(snapshot):
    learning = snapshot.state.learning
    changes = {
        "on": False,
        "x": learning.x + 1,
        "y": learning.y + 1,
        "fired_before": learning.fired_before + np.uint64(1),
        "third_factor": learning.third_factor + 1,
        "modulator": 1,
        "sparse_tag": tuple(tag + 1 for tag in learning.sparse_tag),
        "dense_tag": (*learning.dense_tag, np.zeros(0, np.int8)),
    }
    assert set(changes) == set(vars(learning))
    for name, value in changes.items():
        state = replace(snapshot.state, learning=replace(learning, **{name: value}))
        assert not same_state(snapshot.state, state), name
        assert replace(snapshot, state=state) != snapshot, name
    weights = tuple(replace(w, delay=w.delay + 1) for w in snapshot.weights)
    assert replace(snapshot, weights=weights) != snapshot


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([[128, 0], [0, 0]], np.uint32)}, "traces x\n  found: 128\n  expected: 0"),
        ({"x": np.array([[0, 1], [0, 0]], np.uint32)}, "traces x\n  found: 1\n  expected: 0 to 0"),
        ({"y": np.zeros((1, 2), np.uint32)}, "traces y\n  found: shape (1, 2) of uint32"),
        ({"fired_before": np.ones(2, np.uint64)}, "fired_before\n  found: 1\n  expected: 0 to 0"),
        ({"third_factor": np.full(2, 128, np.int16)}, "third_factor\n  found: 128\n"),
        ({"modulator": 128}, "modulator\n  found: 128\n  expected: -128 to 127"),
        ({"modulator": 1.0}, "modulator\n  found: 1.0\n"),
        ({"on": 1}, "learning\n  found: 1\n  expected: True or False"),
        ({"sparse_tag": ()}, "tags\n  found: 0 cores\n  expected: 1 cores"),
        ({"dense_tag": (np.ones(1, np.int8),)}, "dense tags of core 0\n  found: shape (1,)"),
    ],
)  # fmt: skip
def test_states_that_no_device_could_have_made(snapshot, change, message):
    device = loaded()
    state = replace(snapshot.state, learning=replace(snapshot.state.learning, **change))
    with pytest.raises(InputError) as caught:
        device.restore(replace(snapshot, state=state))
    assert str(caught.value).startswith(f"the snapshot does not fit the Program: {message}")
    assert device.step == 0


def test_synapses_that_no_rule_could_have_made(snapshot):
    def refused(**change):
        first = replace(snapshot.weights[0], **change)
        with pytest.raises(InputError) as caught:
            loaded().restore(replace(snapshot, weights=(first,)))
        return str(caught.value).removeprefix("the snapshot does not fit the Program: ")

    old = snapshot.weights[0]
    places = np.flatnonzero(PROGRAM.cores[0].sparse_enable)
    weights, delays = old.sparse.copy(), old.delay.copy()
    weights[places[0]], delays[places[0]] = 101, 10
    assert refused(sparse=weights) == (
        "sparse weights of core 0\n  found: 101\n  expected: -50 to 100"
    )
    assert refused(delay=delays) == "delays of core 0\n  found: 10\n  expected: 0 to 9"
    assert refused(delay=None) == "delays of core 0\n  found: none\n  expected: some"
    state = replace(snapshot.state, learning=None)
    with pytest.raises(InputError, match="learning\n  found: none\n  expected: some"):
        loaded().restore(replace(snapshot, state=state))


def refusal(arrays, tmp_path):
    write_npz(tmp_path / "bad.npz", arrays)
    with pytest.raises(FileError) as caught:
        Snapshot.load(tmp_path / "bad.npz")
    return str(caught.value)


def test_hostile_files(snapshot, tmp_path):
    snapshot.save(tmp_path / "good.npz")
    arrays = read_npz(tmp_path / "good.npz")

    for name in ("x", "fired_before", "sparse_tag", "sparse_delay"):
        fewer = {key: array for key, array in arrays.items() if key != name}
        assert refusal(fewer, tmp_path).startswith("not a snapshot of this version\n")
    for name, array in (
        ("x", np.zeros((2, 3), np.uint32)),
        ("y", np.zeros((2, 2), np.int32)),
        ("fired_before", np.zeros(3, np.uint64)),
        ("third_factor", np.zeros(3, np.int16)),
        ("sparse_tag", np.zeros((2, 2), np.int8)),
    ):
        message = refusal({**arrays, name: array}, tmp_path)
        assert message.startswith(f"not a valid snapshot: array {name!r}"), name
    more = {**arrays, "sparse_tag": np.zeros(99, np.int8)}
    assert refusal(more, tmp_path).startswith("not a valid snapshot: its tags do not add up")
    more = {**arrays, "sparse_delay": np.zeros(99, np.uint8)}
    assert refusal(more, tmp_path).startswith("not a valid snapshot: its weights do not add up")

    told = json.loads(arrays["meta"].tobytes())
    for change in ({"learning": 1}, {"modulator": 0.5}, {"delays": None}, {"learning": None}):
        meta = np.frombuffer(json.dumps({**told, **change}).encode(), np.uint8)
        message = refusal({**arrays, "meta": meta}, tmp_path)
        assert message.startswith("not a valid snapshot: its description of learning is wrong")
    del told["learning"]
    meta = np.frombuffer(json.dumps(told).encode(), np.uint8)
    message = refusal({**arrays, "meta": meta}, tmp_path)
    assert message.startswith("not a valid snapshot: its description of learning is wrong")


# ---------------------------------------------------------------- lockstep


def divergence(monkeypatch, fault):
    install_broken(monkeypatch, "broken", fault)
    inputs = {"pre": [[0, 0], [9, 1]], "post.teacher": [[3, 1]]}
    return str(sl.cosim(PROGRAM, ("reference", "broken"), 12, inputs))


def break_from(step, change):
    def fault(backend: ReferenceBackend):
        if backend._step >= step:
            change(backend)

    return fault


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b: b._weights[0].delay.__setitem__(slice(None), 3),
            "step 6: delay of 'pre->post'[0, 0] is 0 on reference, 3 on broken",
        ),
        (
            lambda b: [tag.__iadd__(1) for tag in b._learning.tag[0].values()],
            "step 6: tag of 'pre->post'[0, 0] is 2 on reference, 3 on broken",
        ),
        (
            lambda b: b._learning.x.__setitem__((1, 0), 9),
            "step 6: trace x1 of 'pre->post'[1] is 0 on reference, 9 on broken",
        ),
        (
            lambda b: b._learning.third_factor.__setitem__(1, 9),
            "step 6: third factor of 'post'[1] is 0 on reference, 9 on broken",
        ),
        (
            lambda b: setattr(b._learning, "modulator", 4),
            "step 6: modulator of 'device' is 0 on reference, 4 on broken",
        ),
        (
            lambda b: setattr(b._learning, "on", False),
            "step 6: learning of 'device' is 1 on reference, 0 on broken",
        ),
    ],
)
def test_lockstep_names_what_learning_keeps(monkeypatch, change, message):
    assert divergence(monkeypatch, break_from(7, change)) == message


def test_lockstep_agrees(monkeypatch):
    assert divergence(monkeypatch, lambda backend: None) == "None"
