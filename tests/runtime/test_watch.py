"""What runs record can be chosen while a Program is loaded; nothing that is computed changes."""

import numpy as np
import pytest
from support.devices import DEVICES
from support.paper_program import paper_program

import spikeloom as sl
from spikeloom import InputError

INPUT = {"in": [[0, 0], [1, 1]]}


@pytest.mark.parametrize("url", DEVICES)
def test_what_is_recorded_changes_and_nothing_else(url):
    whole = tuple(("pop", v) for v in ("spikes", "v"))
    with sl.open(url) as device, sl.open(url) as plain:
        plain.load(paper_program(whole))
        device.load(paper_program(()))
        expected = plain.run(5, INPUT).states["pop"]["v"]
        device.watch({"pop": ["v"], "in": "spikes"}, {"pop": [2, 0]})
        assert [(p.of, p.variable) for p in device.probes] == [("pop", "v"), ("in", "spikes")]
        result = device.run(5, INPUT)
        assert result.states["pop"]["v"].tolist() == expected[:, [2, 0]].tolist()
        assert np.array_equal(result.states["pop"]["v"].raw, expected.raw[:, [2, 0]])
        assert result.spikes["in"].tolist() == [[0, 0], [1, 1]]
        assert list(result.spikes) == ["in"]
        device.watch(None)
        assert device.probes == ()
        assert device.run(1).states == {}
        assert device.step == 6


@pytest.mark.parametrize(
    ("probes", "neurons", "message"),
    [
        (
            {"pip": ["v"]},
            None,
            "there is no source or population of this name\n  found: 'pip'\n"
            "  expected: one of 'in', 'clock', 'pop'\n  remedy: did you mean 'pop'?",
        ),
        (
            {"in": ["v"]},
            None,
            "'in' has no such variable\n  found: 'v'\n  expected: one of spikes",
        ),
        (
            {"pop": ["v"]},
            {"pop": [0, 3]},
            "there is no such neuron in 'pop'\n  found: 3\n  expected: 0 to 2",
        ),
        (
            {"pop": ["v"]},
            {"pop": [0.5]},
            "neurons of 'pop' are chosen by their indices\n  found: shape (1,), dtype float64\n"
            "  expected: a list of integers",
        ),
        (
            {"pop": ["v"]},
            {"in": [0]},
            "there is no population of this name\n  found: 'in'\n  expected: one of 'pop'",
        ),
    ],
)
def test_what_is_not_there_is_refused(probes, neurons, message):
    with sl.open("reference") as device:
        device.load(paper_program((("pop", "spikes"),)))
        with pytest.raises(InputError) as caught:
            device.watch(probes, neurons)
        assert str(caught.value) == message
        assert list(device.run(1).spikes) == ["pop"]
