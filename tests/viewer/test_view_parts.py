"""The bounded history behind the pages, and weights as images."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.recording import Result
from spikeloom.runtime.weights import Weights
from spikeloom.viewer.facts import Shown
from spikeloom.viewer.feed import MOST_SPIKES, MOST_STEPS, Feed
from spikeloom.viewer.images import MOST_SIDE, NO_SYNAPSE, lay_out, paint

SHOWN = Shown(("a", "b"), (0, 10, 30))


def result(start: int, steps: int, a=(), b=()) -> Result:
    events = {n: np.array(e, np.int64).reshape(-1, 2) for n, e in (("a", a), ("b", b))}
    return Result(steps, start, 1e-3, events, sizes={"a": 10, "b": 20})


def spikes(told: dict) -> set[tuple[int, int]]:
    return {(told["from"] + t, y) for t, y in zip(told["t"], told["y"], strict=True)}


def test_a_page_gets_what_it_has_not_seen():
    feed = Feed(SHOWN, {"state": "paused"})
    feed.add(result(0, 5, a=[[0, 1], [4, 9]], b=[[4, 0]]))
    first = feed.news(-1, -1, 0.0)
    assert spikes(first) == {(0, 1), (4, 9), (4, 10)}
    assert (first["counts"], first["step"], first["whole"]) == ([2, 1], 5, [[0, 5]])
    feed.add(result(5, 2, b=[[1, 3]]))
    feed.tell(state="running")
    second = feed.news(first["epoch"], first["number"], 0.0)
    assert spikes(second) == {(6, 13)}
    assert (second["counts"], second["whole"], second["state"]) == ([2, 2], [[5, 7]], "running")
    assert spikes(feed.news(-1, -1, 0.0)) == {(0, 1), (4, 9), (4, 10), (6, 13)}
    feed.clear(0)
    again = feed.news(second["epoch"], second["number"], 0.0)
    assert (again["counts"], spikes(again), again["step"]) == ([0, 0], set(), 0)
    assert feed.news(again["epoch"], again["number"], 0.0)["number"] == again["number"]


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(0, 30_000), st.integers(0, 1 << 32)),
        min_size=1,
        max_size=6,
    )
)
def test_the_history_is_bounded_and_says_what_is_whole(windows):
    feed, now, everything, counts = Feed(SHOWN, {}), 0, [], np.zeros(2, int)
    for steps, n, seed in windows:
        rng = np.random.default_rng(seed)
        parts = []
        for size in (10, 20):
            wanted = rng.choice(steps * size, min(n // 2, steps * size), replace=False)
            parts.append(np.stack(divmod(np.sort(wanted), size), axis=1))
        feed.add(result(now, steps, *parts))
        everything += [p + np.array([now, first]) for p, first in zip(parts, (0, 10), strict=True)]
        counts += [len(p) for p in parts]
        now += steps
    told = feed.news(-1, -1, 0.0)
    assert (told["counts"], told["step"]) == (counts.tolist(), now)
    assert told["marks"][-1] == {"step": now, "counts": counts.tolist()}
    truth = np.concatenate(everything)
    if len(told["t"]) > MOST_SPIKES:
        pytest.fail("too many spikes")
    shown = spikes(told)
    assert len(shown) == len(told["t"])
    for low, high in told["whole"]:
        assert now - high < MOST_STEPS + 3000
        right = truth[(truth[:, 0] >= low) & (truth[:, 0] < high)]
        assert {s for s in shown if low <= s[0] < high} == set(map(tuple, right.tolist()))
    if counts.sum() <= MOST_SPIKES:
        # Nothing had to be left out: the last steps are all there.
        assert told["whole"][0][0] <= max(0, now - MOST_STEPS)
        assert told["whole"][-1][1] == now


def weights(pre: int, post: int, where=None) -> Weights:
    i, j = np.indices((pre, post)).reshape(2, -1)
    if where is not None:
        keep = where(i, j)
        i, j = i[keep], j[keep]
    values = np.cos(i * 0.7) + j * 0.01
    zero = np.zeros(len(i), np.int64)
    return Weights((pre, post), i, j, values, zero, zero, zero * 0.0, zero, zero == 0)


def pixels(picture: dict) -> np.ndarray:
    code = np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8)
    return code.reshape(picture["height"], picture["width"])


def test_a_small_matrix_is_itself():
    some = weights(6, 4, where=lambda i, j: i != j)
    picture = paint(lay_out(some, "matrix", ()), some.values, 0.0)
    code = pixels(picture)
    assert code.shape == (4, 6)  # neurons after from top to bottom
    assert (code[np.arange(4), np.arange(4)] == NO_SYNAPSE).all()
    right = np.rint(some.values / picture["top"] * 127) + 127
    assert np.array_equal(code[some.post, some.pre], right)
    assert picture["top"] == np.abs(some.values).max()
    assert (picture["low"], picture["high"]) == (some.values.min(), some.values.max())
    assert picture["text"] == "6 × 4 neurons, 20 synapses"
    # The colours stay what they are while weights shrink.
    assert (
        paint(lay_out(some, "matrix", ()), some.values / 2, picture["top"])["top"] == picture["top"]
    )


def test_a_large_matrix_is_averaged_and_says_so():
    some = weights(1000, 30)
    picture = paint(lay_out(some, "matrix", ()), some.values, 0.0)
    assert (picture["width"], picture["height"]) == (334, 30)
    assert picture["text"].endswith("; a pixel is the mean over 3 × 1 neurons")
    mean = some.toarray()[:999].reshape(333, 3, 30).mean(axis=1)
    assert np.array_equal(pixels(picture)[:, :333], (np.rint(mean / picture["top"] * 127) + 127).T)


def test_fields():
    some = weights(12, 3)
    picture = paint(lay_out(some, "fields", (3, 4)), some.values, 0.0)
    code, matrix = pixels(picture), pixels(paint(lay_out(some, "matrix", ()), some.values, 0.0))
    columns = (picture["width"] + 1) // 5
    for neuron in range(3):
        y, x = neuron // columns * 4, neuron % columns * 5
        assert np.array_equal(code[y : y + 3, x : x + 4], matrix[neuron].reshape(3, 4))
    assert np.count_nonzero(code != NO_SYNAPSE) == 36
    assert picture["text"] == "what each of 3 neurons sees: 4 × 3"


@pytest.mark.parametrize(("sides", "post"), [((28, 28), 400), ((2, 300, 10), 5), ((1, 2), 9000)])
def test_fields_are_never_larger_than_an_image(sides, post):
    pre = int(np.prod(sides))
    some = weights(pre, post, where=lambda i, j: (i + j) % 97 == 0)
    layout = lay_out(some, "fields", sides)
    assert max(layout.width, layout.height) <= MOST_SIDE
    assert layout.pixel.max() < layout.width * layout.height
    assert ("the first" in layout.text) == bool((layout.pixel < 0).any())


def test_large_networks_show_their_first_populations():
    net = sl.Network()
    source = net.source("s", 1)
    for k in range(230):
        net.connect(source, net.population(f"p{k}", 1, sl.LIF(tau_mem=20e-3)), weights=[[0.5]])
    program = sl.compile(net)
    assert len(Shown.of(program).names) == 200
    with sl.view(program, speed=1000) as live:
        live._command({"do": "step", "steps": 2})
        facts = live._server.assets["network"][1]
        assert b'"all_nodes": 231' in facts
        assert facts.count(b'"kind": "population"') == 199
