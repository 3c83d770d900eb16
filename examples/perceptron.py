"""A neuron learns to fire for some patterns and not for others, by anti-Hebbian plasticity alone.

The perceptron's rule from spike timing (Albers, Westkott and Pawelzik 2013, "Perfect associative
learning with spike-timing-dependent plasticity", NIPS 26): an input that comes *after* a spike of
the neuron is strengthened, one that comes *before* it weakened, by the same amount.

- A pattern for which the neuron is to fire is announced by a teacher that makes it fire at once;
  the inputs that follow are strengthened.
- If the neuron then fires because of its inputs, they are weakened. After the teacher both cancel:
  nothing changes once the pattern fires the neuron by itself. Without the teacher what is left is
  the weakening of patterns that fire the neuron and should not.
- After a spike the neuron is hyperpolarised. So with the teacher a pattern has to overcome more
  than the threshold: there is a margin between the two kinds when the teacher is gone.

Each pattern makes every input fire with probability 1/2; half of them are to fire the neuron. All
weights start at 0 and change by one step of their 8 bits. After each pass over the patterns
learning is switched off and they are shown without a teacher, until none is answered wrongly.

    python examples/perceptron.py                    300 patterns on 200 inputs: load 1.5
    python examples/perceptron.py --load 1.7 --epochs 1000
    python examples/perceptron.py --weight-bits 6 --json
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DT = 1e-3
PERIOD = 8  # steps from one pattern to the next: by then a potential has decayed to nothing
TAU_MEMBRANE = 1e-3
THRESHOLD, HYPERPOLARISATION = 20.0, 40.0  # in steps of a weight
WINDOW = 3  # steps in which a spike is remembered


def network(inputs: int, weight_bits: int, seed: int) -> sl.Network:
    """Plastic inputs and a teacher onto one neuron; weights count steps of their mantissas."""
    top = 2 ** (weight_bits - 1) - 1
    net = sl.Network(dt=DT, name="perceptron", seed=seed)
    source, teacher = net.source("inputs", inputs), net.source("teacher", 1)
    cell = net.population(
        "cell",
        1,
        sl.LIF(tau_mem=TAU_MEMBRANE, v_threshold=THRESHOLD, v_reset=-HYPERPOLARISATION),
    )
    recently = sl.Window([1.0] * WINDOW, nearest=True)
    rule = sl.Rule(
        dw="y1*x0 - x1*y0",
        traces={"x1": recently, "y1": recently},
        w_min=-top,
        w_max=top,
        rounding="nearest",
        seed=seed,
    )
    net.connect(source, cell, weights=np.zeros((inputs, 1)), delay=DT, learning=rule)
    # A power of two times the largest: the compiler finds a scale at which both are exact.
    net.connect(teacher, cell, weights=[[8.0 * top]], delay=0.0)
    net.probe(cell, "spikes")
    return net


def rasters(patterns: NDArray[np.bool_], taught: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Inputs of a run: in each period the teacher, where there is one, and then the pattern."""
    count, inputs = patterns.shape
    shown = np.zeros((count, PERIOD, inputs), bool)
    teacher = np.zeros((count, PERIOD, 1), bool)
    teacher[:, 0, 0], shown[:, 1] = taught, patterns
    return {"inputs": shown.reshape(-1, inputs), "teacher": teacher.reshape(-1, 1)}


def recall(device: sl.Device, patterns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For which patterns the neuron fires by itself; nothing is learned."""
    device.learning = False
    alone = rasters(patterns, np.zeros(len(patterns), bool))
    result = device.run(len(patterns) * PERIOD, alone)
    device.learning = True
    answers = np.zeros(len(patterns), bool)
    answers[result.spikes["cell"][:, 0] // PERIOD] = True
    return answers


def learn(
    device: sl.Device,
    patterns: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    epochs: int,
    order: np.random.Generator,
) -> list[int]:
    """Wrong answers after each pass, until there is none."""
    wrong = []
    for _ in range(epochs):
        shuffled = order.permutation(len(patterns))
        inputs = rasters(patterns[shuffled], wanted[shuffled])
        device.run(len(patterns) * PERIOD, inputs)
        wrong.append(int((recall(device, patterns) != wanted).sum()))
        if not wrong[-1]:
            break
    return wrong


def plot(histories: list[list[int]], drive: NDArray[np.float64], wanted: Any, path: Path) -> None:
    """How the wrong answers vanish, and how far from the threshold the patterns end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for seed, history in enumerate(histories):
        left.plot(np.arange(1, len(history) + 1), history, linewidth=0.8, label=f"seed {seed}")
    left.set(xlabel="pass over the patterns", ylabel="wrong answers", yscale="symlog")
    left.set_ylim(bottom=0)
    left.legend(fontsize=7)
    bins = np.linspace(drive.min(), drive.max(), 60).tolist()
    right.hist(drive[~wanted], bins, color="tab:blue", alpha=0.7, label="not to fire")
    right.hist(drive[wanted], bins, color="tab:red", alpha=0.7, label="to fire")
    right.axvline(THRESHOLD, color="black", linestyle=":", label="threshold")
    right.set(xlabel="sum of weights (seed 0)", ylabel="patterns")
    right.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Learn with every seed, and say how many patterns of how many are right."""
    parser = argparse.ArgumentParser(
        description="A perceptron that learns by anti-Hebbian spike timing.",
        epilog="example: python examples/perceptron.py --load 1 --seeds 3",
    )
    add_common_arguments(parser, "perceptron.png", seeds=8)
    add = parser.add_argument
    add("--inputs", type=count, default=200, help="how many (default: %(default)s)")
    add("--load", type=float, default=1.5, help="patterns per input (default: %(default)s)")
    add("--epochs", type=count, default=400, help="at most so many passes (default: %(default)s)")
    add("--weight-bits", type=count, default=8, help="width of a weight (default: %(default)s)")
    args = parser.parse_args()
    number = round(args.load * args.inputs)
    if number < 2:
        parser.error(f"--load: found {args.load}, expected at least two patterns")
    target = sl.TARGETS["core"].with_(weight_bits=args.weight_bits)
    histories: list[list[int]] = []
    first: dict[str, Any] = {}

    def once(seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        patterns = random.random((number, args.inputs)) < 0.5
        wanted = random.permutation(number) < number // 2
        with sl.open(args.device) as device:
            device.load(sl.compile(network(args.inputs, args.weight_bits, seed), target=target))
            wrong = learn(device, patterns, wanted, args.epochs, random)
            weights = device.read_weights("inputs->cell").toarray()[:, 0]
        histories.append(wrong)
        if seed == 0:
            first.update(drive=patterns @ weights, wanted=wanted)
        return {
            "seed": seed,
            "accuracy": 1 - wrong[-1] / number,
            "passes": len(wrong),
            "learned": not wrong[-1],
        }

    summary = over_seeds(args.seeds, once, ("accuracy", "passes"))
    summary = {
        "device": args.device,
        "inputs": args.inputs,
        "patterns": number,
        "weight_bits": args.weight_bits,
        "seeds_without_error": f"{sum(run['learned'] for run in summary['runs'])} of {args.seeds}",
        **summary,
    }
    report(summary, args.json, ("accuracy", "passes"))
    if not args.json:
        plot(histories, first["drive"], first["wanted"], args.plot)
        print(f"\nwrong answers, and distances from the threshold: {args.plot}")


if __name__ == "__main__":
    main()
