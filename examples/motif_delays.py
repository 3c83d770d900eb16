"""Motifs of spikes are found by neurons that learn delays: each spike waits for the last one.

A motif is one spike on each of 32 inputs, spread over 16 steps; every input also fires at random
with probability 0.05 in each step, and spikes of a motif come a step early or late now and then.
All weights are equal and fixed: a neuron can only tell its motif from others by delays that make
its spikes arrive together. They are learned, 0 to 15 steps (4 bits), in the same noise: after each
motif a teacher makes its neuron fire, and the delay of every synapse moves towards the age of its
youngest spike (``DelaySTDP``, after Hüning, Glünder and Palm 1998). That is often one of the noise;
a factor more in the rule lets synapses learn only if a single spike came in the last 17 steps
(``--all-spikes`` is without).

Then the delays are frozen, the smallest threshold with at most one false alarm in 2,000 steps is
chosen on a second stream, and hits and false alarms are counted on a third. A hit is a spike of the
right neuron within 2 steps of the motif's end, any other spike is a false alarm. The same with all
delays equal shows what they are for.

    python examples/motif_delays.py                       five seeds: five sets of 8 motifs
    python examples/motif_delays.py --noise 0.1 --presentations 200
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DT = 1e-3
INPUTS, MOTIFS, SPAN = 32, 8, 16
JITTER = 0.2  # probability that a spike of a motif comes one step early, and as much late
GAP = (30, 60)  # steps from one motif to the next
TAU_MEMBRANE = 1.5e-3
TEACHER = 4.0 * INPUTS
STEPS = 20_000  # of the streams on which thresholds are chosen, and on which they are tested
SLACK = 2
LOG2_RATE = -3


@dataclass(frozen=True)
class Stream:
    """Spikes of the inputs, (steps, 32), and motifs in them: (n, 2) of last step and which."""

    spikes: NDArray[np.bool_]
    motifs: NDArray[np.int64]

    @staticmethod
    def draw(
        times: NDArray[np.int64], noise: float, steps: int, random: np.random.Generator
    ) -> Stream:
        """Motifs in random order at random distances, in noise."""
        spikes = random.random((steps, INPUTS)) < noise
        motifs, start = [], GAP[0]
        while start < steps - 2 * SPAN:
            which = int(random.integers(MOTIFS))
            early_or_late = random.choice([-1, 0, 1], INPUTS, p=[JITTER, 1 - 2 * JITTER, JITTER])
            spikes[start + times[which] + early_or_late, np.arange(INPUTS)] = True
            motifs.append((start + SPAN - 1, which))
            start += int(random.integers(*GAP))
        return Stream(spikes, np.array(motifs))


def network(
    delays: NDArray[np.float64], threshold: float, learning: sl.Rule | None, seed: int
) -> sl.Network:
    """All inputs onto one neuron per motif; delays (32, 8) in seconds."""
    net = sl.Network(dt=DT, name="motifs", seed=seed)
    inputs, teacher = net.source("inputs", INPUTS), net.source("teacher", MOTIFS)
    cells = net.population(
        "cells", MOTIFS, sl.LIF(tau_mem=TAU_MEMBRANE, v_threshold=threshold, refractory=5 * DT)
    )
    pairs = np.divmod(np.arange(INPUTS * MOTIFS), MOTIFS)
    synapses = sl.Synapses(*pairs, 1.0, delay=delays.ravel())
    net.connect(inputs, cells, weights=synapses, learning=learning)
    net.connect(teacher, cells, weights=TEACHER, connector=sl.OneToOne(), delay=0.0)
    net.probe(cells, "spikes")
    return net


def rule(lone: bool, seed: int) -> sl.Rule:
    """``DelaySTDP``, or the same for spikes that come alone: x2 counts them, up to two."""
    limits: dict[str, Any] = {"delay_min": 0, "delay_max": SPAN - 1, "seed": seed}
    if not lone:
        return sl.DelaySTDP(LOG2_RATE, SPAN + 1, lead=1, **limits)
    limits["delay_max"] *= DT
    ages = sl.Window([age * DT for age in range(SPAN + 1)], nearest=True)
    # A trace stops at its limit, here all but two: that many spikes or more leave (2 - x2) nothing.
    spikes = sl.Window([1.0] * (SPAN + 1), limit=127 / 64)
    text = f"2^{LOG2_RATE}*y0*(x1 - delay*sgn(x1))*(2 - x2)"
    return sl.Rule(ddelay=text, traces={"x1": ages, "x2": spikes}, **limits)


def learn(device: str, stream: Stream, lone: bool, seed: int) -> NDArray[np.float64]:
    """(32, 8) learned delays in seconds: a teacher follows each motif of the stream."""
    start = np.full((INPUTS, MOTIFS), SPAN // 2 * DT)
    with sl.open(device) as chip:
        # No threshold but the teacher's is ever reached.
        chip.load(sl.compile(network(start, TEACHER / 2, rule(lone, seed), seed)))
        inputs = {"inputs": stream.spikes, "teacher": stream.motifs + np.array([1, 0])}
        chip.run(len(stream.spikes), inputs)
        synapses = chip.read_weights("inputs->cells")
    learned = np.zeros((INPUTS, MOTIFS))
    learned[synapses.pre, synapses.post] = synapses.delay
    return learned


def detect(
    device: str, delays: NDArray[np.float64], threshold: float, stream: Stream
) -> tuple[float, float]:
    """Share of motifs found, and false alarms in 1,000 steps."""
    with sl.open(device) as chip:
        chip.load(sl.compile(network(delays, threshold, None, 0)))
        result = chip.run(len(stream.spikes), {"inputs": stream.spikes})
    right = np.zeros((len(stream.spikes) + SLACK + 1, MOTIFS), bool)
    for shift in range(-SLACK, SLACK + 1):
        right[stream.motifs[:, 0] + shift, stream.motifs[:, 1]] = True
    step, cell = result.spikes["cells"].T
    fired = result.raster("cells")
    hits = [fired[end - SLACK : end + SLACK + 1, which].any() for end, which in stream.motifs]
    return float(np.mean(hits)), float((~right[step, cell]).sum() / len(fired) * 1e3)


def choose(device: str, delays: NDArray[np.float64], stream: Stream) -> float:
    """The smallest threshold with at most one false alarm in 2,000 steps."""
    thresholds = np.arange(4.5, INPUTS, 0.5)
    for threshold in thresholds:
        if detect(device, delays, float(threshold), stream)[1] <= 0.5:
            return float(threshold)
    return float(thresholds[-1])


def plot(
    stream: Stream, learned: NDArray[np.float64], times: NDArray[np.int64], path: Path
) -> None:
    """A motif as it comes and as its neuron sees it, and all delays beside what they should be."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    end, which = stream.motifs[0]
    first = end - SPAN - 8
    step, index = np.nonzero(stream.spikes[first : end + 16])
    arrives = step + np.rint(learned[index, which] / DT)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
    for axis, x, title in ((axes[0], step, "as it comes"), (axes[1], arrives, "after the delays")):
        axis.scatter(x, index, s=12, marker="|", color="black")
        axis.axvline(end - first, color="tab:red", linewidth=0.8, zorder=0)
        axis.set(xlabel="step", ylabel="input", title=f"a motif {title}", xlim=(0, SPAN + 24))
    shift = np.random.default_rng(0).uniform(-0.3, 0.3, learned.shape)
    axes[2].plot(SPAN - 1 - times.T + shift, learned / DT, ".", markersize=3, color="tab:blue")
    axes[2].set(xlabel="delay that would be right", ylabel="learned delay (steps)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn, choose a threshold and test, with every seed."""
    parser = argparse.ArgumentParser(
        description="Detect motifs of spikes in noise with learned delays.",
        epilog="example: python examples/motif_delays.py --seeds 2 --all-spikes",
    )
    add_common_arguments(parser, "motif_delays.png")
    add = parser.add_argument
    add("--noise", type=float, default=0.05, help="spikes per input and step (default: 0.05)")
    add("--presentations", type=count, default=80, help="of each motif (default: %(default)s)")
    add("--all-spikes", action="store_true", help="learn from spikes that are not alone, too")
    args = parser.parse_args()
    if not 0 <= args.noise < 1:
        parser.error(f"--noise: found {args.noise}, expected 0 to less than 1")

    def once(seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        times = random.integers(0, SPAN, (MOTIFS, INPUTS))
        shown = round(args.presentations * MOTIFS * sum(GAP) / 2)
        training, validation, test = (
            Stream.draw(times, args.noise, steps, random) for steps in (shown, STEPS, STEPS)
        )
        learned = learn(args.device, training, not args.all_spikes, seed)
        threshold = choose(args.device, learned, validation)
        hits, false = detect(args.device, learned, threshold, test)
        equal = np.full_like(learned, SPAN // 2 * DT)
        without, _ = detect(args.device, equal, choose(args.device, equal, validation), test)
        if seed == 0 and not args.json:
            plot(test, learned, times, args.plot)
        error = np.abs(learned.T / DT - (SPAN - 1 - times)).mean()
        return {
            "seed": seed,
            "hits": hits,
            "false_alarms_per_1000_steps": false,
            "hits_without_delays": without,
            "error_of_delays_in_steps": float(error),
            "threshold": threshold,
        }

    figures = ("hits", "false_alarms_per_1000_steps", "hits_without_delays")
    summary = {
        "device": args.device,
        "noise": args.noise,
        "presentations": args.presentations,
        "learns_from": "all spikes" if args.all_spikes else "lone spikes",
        **over_seeds(args.seeds, once, (*figures, "error_of_delays_in_steps")),
    }
    report(summary, args.json, figures)
    if not args.json:
        print(f"\na motif before and after the delays of seed 0, and all delays: {args.plot}")


if __name__ == "__main__":
    main()
