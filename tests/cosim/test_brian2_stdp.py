"""Brian2 as the judge of pair STDP: our real numbers are its, our integers keep their mean.

Spike trains of both sides are given: the cells fire when their drive does, whatever the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.peers import run_peer

import spikeloom as sl

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PRE, POST, STEPS, SEEDS = 20, 15, 1000, 24
A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS = 0.01, 0.012, 20e-3, 30e-3


def network(case: dict[str, Any], seed: int = 0) -> sl.Network:
    """All to all, each cell with a drive that makes it fire and outweighs all the rest."""
    net = sl.Network(dt=1e-3)
    pre, drive = net.source("pre", PRE), net.source("drive", POST)
    cells = net.population("cells", POST, sl.LIF(tau_mem=1e-3, v_threshold=50.0))
    *numbers, w_min, w_max = case["rule"].tolist()
    rule = sl.STDP(w_max, *numbers, w_min=w_min, seed=seed)
    net.connect(pre, cells, weights=case["weights"], delay=0.0, learning=rule, name="plastic")
    net.connect(drive, cells, weights=200.0 * np.eye(POST), delay=0.0)
    net.probe(cells)
    return net


def random_case(seed: int, limits: tuple[float, float], folder: Path) -> dict[str, Any]:
    """Spike trains, first weights, and what Brian2 makes of them."""
    rng = np.random.default_rng(seed)
    given = {
        "pre": rng.random((STEPS, PRE)) < 0.02,
        "post": rng.random((STEPS, POST)) < 0.02,
        "weights": rng.uniform(0.0, 1.0, (PRE, POST)),
        "rule": np.array([A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS, *limits]),
    }
    np.savez(folder / "given.npz", **given)
    run_peer("brian2", "brian2_stdp.py", folder / "given.npz", folder / "found.npz")
    theirs = np.load(folder / "found.npz")["weights"]
    assert np.abs(theirs - given["weights"]).mean() > 0.05
    return given | {"inputs": {"pre": given["pre"], "drive": given["post"]}, "theirs": theirs}


def test_real_numbers_are_equal(tmp_path):
    case = random_case(39, (0.0, 1.0), tmp_path)
    theirs = case["theirs"]
    assert ((theirs == 0.0) | (theirs == 1.0)).any()  # limits are met, and left again
    result = sl.simulate(network(case), STEPS, case["inputs"])
    np.testing.assert_array_equal(result.raster("cells"), case["post"])
    ours = result.learned["plastic"].weights.reshape(PRE, POST)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_integers_differ_by_their_rounding_only(tmp_path):
    """Far from limits, over seeds: no bias, and no more noise than rounding each event's change
    to a step of the weight makes."""
    case = random_case(40, (-0.5, 1.5), tmp_path)
    assert case["theirs"].min() > -0.25
    assert case["theirs"].max() < 1.25
    changes, step = [], 0.0
    for seed in range(SEEDS):
        program = sl.compile(network(case, seed))
        with sl.open("emulator") as device:
            device.load(program)
            first = device.read_weights("plastic")
            result = device.run(STEPS, case["inputs"])
            last = device.read_weights("plastic")
        np.testing.assert_array_equal(result.raster("cells"), case["post"])
        changes.append((last.values - first.values).reshape(PRE, POST))
        step = float(last.values.max() / last.raw.max())
    errors = np.array(changes) - (case["theirs"] - case["weights"])
    # Rounding one change has a variance of f(1 - f) <= 1/4 steps^2, f being its fraction.
    events = case["pre"].sum(0)[:, None] + case["post"].sum(0)
    spread = errors.std(0, ddof=1)
    per_seed = errors.mean((1, 2))
    z = errors.mean(0) / spread * np.sqrt(SEEDS)
    assert (spread**2).mean() < (step**2 * events / 4).mean()
    assert abs(per_seed.mean()) < 3 * per_seed.std(ddof=1) / np.sqrt(SEEDS)
    assert (np.abs(z) < 3).mean() > 0.97
