"""Networks that snnTorch, Norse and SpikingJelly trained and exported themselves.

In floating point the import gives the framework's spikes, all of them; at 8 bits on the machine
its accuracy. The frameworks run in float64; the files then hold float64 too.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from support.peers import run_peer

import spikeloom as sl

pytestmark = [pytest.mark.slow, pytest.mark.peer]

STEPS, TRAINED = 16, 1300

INEXACT = "snntorch_leaky_now"
"""In steps that begin with v above the threshold snnTorch counts the threshold twice."""

CASES = [
    "snntorch_leaky",
    "snntorch_leaky_zero",
    "snntorch_leaky_zero_now",
    "snntorch_synaptic",
    "snntorch_synaptic_zero",
    "snntorch_rleaky",
    "snntorch_rleaky_zero",
    "snntorch_rsynaptic",
    "norse_lif",
    "norse_lif_leak",
    "norse_lifbox",
    "norse_iaf",
    "spikingjelly_lif",
    "spikingjelly_lif_undecayed",
    "spikingjelly_if",
    "spikingjelly_cuba",
]


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    """Bernoulli spikes from the 8x8 digits: train_x, test_x (samples, steps, 64) and labels."""
    data = load_digits()
    rng = np.random.default_rng(0)
    x = rng.random((len(data.data), STEPS, 64)) < (data.data / 16 * 0.7)[:, None, :]
    y = data.target.astype(np.int64)
    return {
        "train_x": x[:TRAINED],
        "test_x": x[TRAINED:],
        "train_y": y[:TRAINED],
        "test_y": y[TRAINED:],
    }


@pytest.fixture(scope="module")
def exports(digits: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with <case>.nir and <case>.npz of every case."""
    folder = tmp_path_factory.mktemp("exports")
    np.savez_compressed(folder / "data.npz", **digits)
    run_peer("torch", "torch_nir.py", folder / "data.npz", folder, timeout=600)
    return folder


def load(folder: Path, case: str, suffix: str = "") -> tuple[sl.Network, list[str], str]:
    """The imported network, its two layers in order, and its input."""
    source = case.partition("_")[0]
    options: dict[str, Any] = {"source": source, "dt": 1e-3 if source == "norse" else 1e-4}
    if source == "snntorch":
        options["reset"] = "zero" if "zero" in case else "subtract"
        if case.endswith("_now"):
            options["reset_delay"] = False
    net = sl.from_nir(folder / f"{case}{suffix}.nir", **options)
    layers = sorted(net.latency, key=lambda name: net.latency[name])
    (name,) = (n for n, s in net.sources.items() if s.kind == "host")
    return net, layers, name


def mismatches(
    net: sl.Network, layers: list[str], name: str, test_x: np.ndarray, expected: Any
) -> int:
    """Spikes of both layers that one has and the other has not, the shift taken off."""
    net.probe(layers[0])
    count = 0
    for sample in range(len(expected["out"])):
        x = np.vstack([test_x[sample], np.zeros((1, 64), bool)])
        result = sl.simulate(net, STEPS + 1, inputs={name: x})
        for late, (layer, key) in enumerate(zip(layers, ("hidden", "out"), strict=True)):
            raster = np.zeros((STEPS + 1, net.populations[layer].size), np.uint8)
            raster[tuple(result.spikes[layer].T)] = 1
            count += int((raster[late : late + STEPS] != expected[key][sample]).sum())
    return count


@pytest.mark.parametrize("case", CASES)
def test_floating_point_gives_the_frameworks_spikes(
    case: str, exports: Path, digits: dict[str, np.ndarray]
) -> None:
    net, layers, name = load(exports, case)
    assert [net.latency[layer] for layer in layers] == [0, 1]
    expected = np.load(exports / f"{case}.npz")
    assert expected["out"].sum() > 500
    assert mismatches(net, layers, name, digits["test_x"], expected) == 0


@pytest.mark.parametrize("case", CASES)
def test_float32_files_differ_at_most_in_ties(
    case: str, exports: Path, digits: dict[str, np.ndarray]
) -> None:
    """What users have: float32 rounds τ, so decays differ in the seventh digit."""
    expected = np.load(exports / f"{case}.npz")
    wrong = mismatches(*load(exports, case, "_float32"), digits["test_x"], expected)
    total = int(expected["hidden"].sum() + expected["out"].sum())
    print(f"{case}: {wrong} of {total} spikes")
    assert wrong <= 1e-3 * total


@pytest.mark.parametrize("case", [*CASES, INEXACT])
@pytest.mark.filterwarnings("ignore:snnTorch with reset_delay=False")
def test_eight_bits_keep_the_accuracy(
    case: str, exports: Path, digits: dict[str, np.ndarray]
) -> None:
    """Within 1.5 points of the framework, on the emulator."""
    net, layers, name = load(exports, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what quantisation costs is asserted below
        program = sl.compile(net)
    reference = np.load(exports / f"{case}.npz")
    right = 0
    with sl.open("emulator") as device:
        device.load(program)
        for x, label in zip(digits["test_x"], digits["test_y"], strict=True):
            device.reset()
            x = np.vstack([x, np.zeros((1, 64), bool)])
            result = device.run(STEPS + 1, inputs={name: x})
            spikes = result.spikes[layers[1]]
            counts = np.bincount(spikes[spikes[:, 0] >= 1, 1], minlength=10)
            right += int(counts.argmax() == label)
    accuracy = right / len(digits["test_y"])
    print(f"{case}: {100 * accuracy:.2f} % of {100 * float(reference['accuracy']):.2f} %")
    assert accuracy > float(reference["accuracy"]) - 0.015
    assert float(reference["accuracy"]) > 0.8


@pytest.mark.parametrize("case", ["norse_lif", "norse_lifbox"])
def test_norses_default_time_constants_are_caught_and_mended(case: str, exports: Path) -> None:
    """Its to_nir(dt=0.001) writes τ·dt (norse#411)."""
    path = exports / f"{case}_default.nir"
    with pytest.raises(sl.NetworkError, match=r"^A time constant is shorter than a step") as caught:
        sl.from_nir(path, source="norse", dt=1e-3)
    assert caught.value.remedy == (
        "Norse's to_nir writes τ too small by its own dt argument: export with to_nir(…, dt=1.0), "
        "or pass tau_scale=1000 if it was exported with dt=0.001"
    )
    mended = sl.from_nir(path, source="norse", dt=1e-3, tau_scale=1000)
    right, _, _ = load(exports, case)
    for name, population in right.populations.items():
        for field in ("factor_v", "factor_u", "bias"):
            a, b = population.params[field], mended.populations[name].params[field]
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_float32_changes_next_to_nothing(case: str, exports: Path) -> None:
    """Frameworks usually run in float32; only ties closer than its rounding may then differ."""
    expected = np.load(exports / f"{case}.npz")
    assert expected["float32_differs"] <= 1e-4 * expected["spikes"]


def test_the_wrong_dt_is_caught(exports: Path) -> None:
    with pytest.raises(sl.NetworkError, match=r"^snnTorch's neurons have the gain r·dt/τ = 1"):
        sl.from_nir(exports / "snntorch_leaky.nir", source="snntorch", reset="subtract", dt=5e-4)
