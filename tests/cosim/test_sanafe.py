"""Latency and energy against SANA-FE, with the same numbers of a chip and the same spikes."""

import numpy as np
import pytest
from support.peers import run_peer
from support.sanafe import calibrated, in_their_order, random_program, write_case

from spikeloom.backends.chips.energy import CAUSES, count, joules
from spikeloom.backends.chips.routes import Routes
from spikeloom.backends.chips.step_times import Activity, StepTimer

pytestmark = pytest.mark.peer


def both(folder, chip, neurons, fan, rate, steps, modes, seed):
    """SANA-FE's figures by mode and key; our activity and routes."""
    program = random_program(chip, neurons, fan, seed)
    spikes = np.random.default_rng(seed).random((steps, program.neurons)) < rate
    arch, case = write_case(folder, chip, program, spikes)
    run_peer("sanafe", "sanafe_run.py", arch, case, folder / "out.npz", ",".join(modes))
    with np.load(folder / "out.npz") as found:
        theirs = dict(found)
    routes = in_their_order(Routes.of(program, chip))
    # Their input units are updated where they fire.
    step, neuron = np.nonzero(spikes)
    return theirs, routes, Activity(steps, step, neuron, spikes)


@pytest.mark.parametrize(
    ("neurons", "per_core", "fan", "rate"), [(60, 7, 10, 0.3), (400, 9, 40, 0.05), (30, 64, 9, 0.2)]
)
def test_simple_mode_is_theirs(tmp_path, neurons, per_core, fan, rate):
    chip = calibrated(per_core)
    theirs, routes, activity = both(tmp_path, chip, neurons, fan, rate, 20, ["simple"], 1)
    barrier = chip.table("time.barrier", routes.tiles_in_use)
    mine = StepTimer(routes, chip, "simple").run(activity).duration + barrier
    np.testing.assert_allclose(mine, theirs["simple.sim_time"], rtol=1e-9)
    counts = count(routes, activity)
    spent = dict(zip(CAUSES, joules(chip, counts).T, strict=True))
    parts = {
        "synapse": ("synapse_dense", "synapse_sparse"),
        "soma": ("neuron", "neuron_update", "neuron_spike"),
        "network": ("message_out", "message_in", "hop_north", "hop_east", "hop_south", "hop_west"),
        "total": CAUSES,
    }
    for part, causes in parts.items():
        ours = sum(spent[cause] for cause in causes)
        np.testing.assert_allclose(ours, theirs[f"simple.{part}_energy"], rtol=1e-9, atol=1e-18)
    assert np.array_equal(counts[:, -4:].sum(axis=1), theirs["simple.hops"])
    assert theirs["simple.hops"].sum() > 0 or per_core > neurons


@pytest.mark.slow
def test_contention_is_booksims_within_five_percent(tmp_path):
    """Every core in use, every spike to half of them: receivers and routers are saturated."""
    chip = calibrated(16)
    theirs, routes, activity = both(tmp_path, chip, 127 * 16, 100, 0.08, 6, ["simple", "cycle"], 4)
    barrier = chip.table("time.barrier", routes.tiles_in_use)
    booksim = theirs["cycle.sim_time"] - barrier
    free = theirs["simple.sim_time"] - barrier
    assert booksim.sum() > 1.25 * free.sum(), "it is congested"
    for mode in ("loose", "queue", "flit"):
        mine = StepTimer(routes, chip, mode).run(activity).duration
        assert mine.sum() == pytest.approx(booksim.sum(), rel=0.05), mode
        np.testing.assert_allclose(mine, booksim, rtol=0.15)
