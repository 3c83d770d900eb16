"""Anomalies in an electrocardiogram: what the network did not expect.

The labelled series ``ecg-diff-count-3`` (made by GutenTAG, Wenig, Schmidl and Papenbrock 2022) in
the wheel of ``aeon`` up to version 1.6: 10,000 samples without an anomaly to learn from, 10,000
with three anomalies to choose a threshold on, and 10,000 with three others for the test. The task,
and that firing thresholds and weights learn in steps, are those of Nomura and Nishi 2024
(doi:10.3389/fnins.2024.1402646); the network is another.

A sample is a step: one of 16 inputs, one per level of the signal, fires. 800 cells with random
delays of up to 30 steps see the last beat and a half; each spike raises a cell's threshold by a
step, so that none is always or never active. From them 16 neurons learn what comes next, by the
delta rule at coincidence, ``x0*t0 - x0*y0``: the teacher is the level that then comes. A level that
was not predicted, nor one beside it, is a surprise. A readout sums surprises up and leaks; where it
exceeds the threshold there is an alarm. The threshold lies between the anomalies of the second
series and its other samples.

    pip install 'aeon<1.7' 'spikeloom[examples]'
    python examples/ecg_anomaly.py                    five seeds
    python examples/ecg_anomaly.py --folder FOLDER    where the three .csv files are
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "ecg-diff-count-3_{}.csv"
DT = 1e-3
BEAT = 20  # samples
LEVELS, CELLS, FAN_IN, DELAYS = 16, 800, 24, 30
THRESHOLD, THRESHOLD_STEP, TAU_THRESHOLD = 0.5, 0.1, 0.1
AT_ONCE = 2e-4  # a time constant after which nothing is left of the step before
TAU_ALARM = 20e-3
W_MAX, ETA, EPOCHS = 1.0, 0.02, 10
MEMORY = 60  # samples after an anomaly that are its own: cells and readout still know of it


@dataclass(frozen=True)
class Series:
    """A signal, (n,), and where it is said to be anomalous, (n,)."""

    signal: NDArray[np.float64]
    anomalous: NDArray[np.bool_]

    @staticmethod
    def read(path: Path) -> Series:
        """Columns timestamp, value-0, is_anomaly; OSError or ValueError where that is not so."""
        values = np.loadtxt(path, delimiter=",", skiprows=1, max_rows=1_000_000, ndmin=2)
        if values.shape[1] != 3 or len(values) < 10 * BEAT or not np.isfinite(values).all():
            raise ValueError(f"{path}: expected three columns of finite numbers, 200 rows or more")
        return Series(values[:, 1], values[:, 2] != 0)

    def anomalies(self) -> list[slice]:
        """Each anomaly, with the samples after it that are its own."""
        edges = np.flatnonzero(np.diff(np.r_[False, self.anomalous, False].astype(int)))
        return [slice(a, b + MEMORY) for a, b in edges.reshape(-1, 2)]

    def normal(self) -> NDArray[np.bool_]:
        """Samples that belong to no anomaly; the first ones are too early to tell."""
        mask = np.ones(len(self.signal), bool)
        mask[:MEMORY] = False
        for part in self.anomalies():
            mask[part] = False
        return mask


def folder_of_aeon() -> Path:
    """Where an installed aeon has the series; nothing of it is imported."""
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("aeon is not installed")
    return Path(spec.origin).parent / "datasets" / "data" / "UnitTest"


def network(seed: int) -> sl.Network:
    """Levels, cells with delays, predictions, surprises, and the readout."""
    random = np.random.default_rng(seed)
    net = sl.Network(dt=DT, name="ECG", seed=seed)
    level = net.source("level", LEVELS)
    cells = net.population(
        "cells",
        CELLS,
        sl.LIF(
            tau_mem=AT_ONCE,
            v_threshold=THRESHOLD,
            threshold_step=THRESHOLD_STEP,
            tau_threshold=TAU_THRESHOLD,
        ),
    )
    predicted = net.population("predicted", LEVELS, sl.LIF(tau_mem=AT_ONCE, v_threshold=1.0))
    surprise = net.population("surprise", LEVELS, sl.LIF(tau_mem=AT_ONCE, v_threshold=0.5))
    alarm = net.population("alarm", 1, sl.LI(tau_mem=TAU_ALARM))
    pre, delay = random.integers(0, (LEVELS, DELAYS), (CELLS * FAN_IN, 2)).T
    onto = np.repeat(np.arange(CELLS), FAN_IN)
    net.connect(level, cells, weights=sl.Synapses(pre, onto, 1.0, delay=delay * DT))
    rule = sl.Rule(dw=f"{ETA}*x0*t0 - {ETA}*x0*y0", w_min=-W_MAX, w_max=W_MAX, seed=seed)
    net.connect(cells, predicted, weights=np.zeros((CELLS, LEVELS)), learning=rule)
    apart = np.abs(np.subtract.outer(np.arange(LEVELS), np.arange(LEVELS)))
    net.connect(level, surprise, weights=np.eye(LEVELS), delay=DT)
    net.connect(predicted, surprise, weights=np.where(apart <= 1, -1.0, 0.0))
    net.connect(surprise, alarm, weights=1.0, connector=sl.AllToAll())
    net.probe(surprise, "spikes")
    net.probe(alarm, "v")
    return net


def show(device: sl.Device, series: Series, bounds: NDArray[np.float64], learn: bool) -> sl.Result:
    """One pass over a series; ``bounds`` lie between the levels."""
    levels = np.searchsorted(bounds, series.signal)
    events = np.stack([np.arange(len(levels)), levels], axis=1)
    device.learning = learn
    return device.run(len(levels), {"level": events, "predicted.teacher": events})


def judge(potential: NDArray[np.float64], series: Series, threshold: float) -> tuple[float, float]:
    """Share of the anomalies with an alarm, and of the beats elsewhere with one."""
    above: NDArray[np.bool_] = np.greater(potential, threshold)
    hits = [above[part].any() for part in series.anomalies()]
    whole = len(above) // BEAT * BEAT
    normal: NDArray[np.bool_] = series.normal()
    beats = np.any((above & normal)[:whole].reshape(-1, BEAT), axis=1)
    counted = np.any(normal[:whole].reshape(-1, BEAT), axis=1)
    return float(np.mean(hits)), float(beats[counted].mean())


def plot(series: Series, potential: NDArray[np.float64], threshold: float, path: Path) -> None:
    """The test series around each anomaly, and the readout over all of it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = series.anomalies()
    figure, axes = plt.subplots(
        len(found) + 1, 1, figsize=(9, 1.7 * (len(found) + 1)), layout="constrained"
    )
    for axis, part in zip(axes, found, strict=False):
        first, last = max(part.start - 100, 0), min(part.stop + 60, len(potential))
        axis.plot(np.arange(first, last), series.signal[first:last], color="black", linewidth=0.8)
        axis.set(ylabel="ECG", xlim=(first, last))
    axes[-1].plot(potential, color="tab:blue", linewidth=0.6)
    axes[-1].axhline(threshold, color="tab:red", linestyle=":")
    axes[-1].set(xlabel="sample", ylabel="surprise", xlim=(0, len(potential)))
    for axis in axes:
        for start in np.flatnonzero(np.diff(series.anomalous.astype(int)) == 1):
            length = int(np.argmin(np.r_[series.anomalous[start + 1 :], False]))
            axis.axvspan(start + 1, start + 1 + length, color="tab:red", alpha=0.15)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn the normal series, choose a threshold, and test with every seed."""
    parser = argparse.ArgumentParser(
        description="Find anomalies in an electrocardiogram by surprise.",
        epilog="example: python examples/ecg_anomaly.py --seeds 2 --epochs 5",
    )
    add_common_arguments(parser, "ecg_anomaly.png")
    add = parser.add_argument
    add("--folder", type=Path, help="where the .csv files are (default: in the installed aeon)")
    add("--epochs", type=count, default=EPOCHS, help="passes to learn (default: %(default)s)")
    args = parser.parse_args()
    try:
        folder = args.folder or folder_of_aeon()
        learned, chosen, test = (
            Series.read(folder / FILE.format(part)) for part in ("TRAIN_NA", "TRAIN_A", "TEST")
        )
    except (OSError, ValueError) as error:
        parser.exit(1, f"the ECG series is not there: {error}\n  remedy: pip install 'aeon<1.7', "
                    "or --folder with its three .csv files\n")  # fmt: skip
    bounds = np.linspace(learned.signal.min(), learned.signal.max(), LEVELS + 1)[1:-1]

    def once(seed: int) -> dict[str, Any]:
        with sl.open(args.device) as device:
            device.load(sl.compile(network(seed)))
            for _ in range(args.epochs):
                device.run(2 * DELAYS)  # the end of a series is not what comes before its beginning
                show(device, learned, bounds, learn=True)
            potentials = []
            for series in (chosen, test):
                device.run(10 * MEMORY)
                result = show(device, series, bounds, learn=False)
                potentials.append(np.asarray(result.states["alarm"]["v"])[:, 0])
        least = min(potentials[0][part].max() for part in chosen.anomalies())
        most = potentials[0][chosen.normal()].max()
        threshold = float(least + most) / 2
        hits, false = judge(potentials[1], test, threshold)
        if seed == 0 and not args.json:
            plot(test, potentials[1], threshold, args.plot)
        return {
            "seed": seed,
            "true_positive_rate": hits,
            "false_positive_rate": false,
            "surprises_per_sample": len(result.spikes["surprise"]) / len(test.signal),
            "threshold": threshold,
        }

    figures = ("true_positive_rate", "false_positive_rate", "surprises_per_sample")
    summary = {
        "device": args.device,
        "samples": [len(series.signal) for series in (learned, chosen, test)],
        "anomalies": [len(series.anomalies()) for series in (learned, chosen, test)],
        "epochs": args.epochs,
        **over_seeds(args.seeds, once, figures),
    }
    report(summary, args.json, figures[:2])
    if not args.json:
        print(f"\nthe test series' anomalies, and the readout (seed 0): {args.plot}")


if __name__ == "__main__":
    main()
