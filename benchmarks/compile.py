"""How long the compiler takes, and how much memory: sparse networks by number of synapses.

    python benchmarks/compile.py                   # 10 thousand to 1 million synapses
    python benchmarks/compile.py --synapses 10000000 --neurons 100000

Each size runs in a process of its own, so that peak memory is that size's. "describe" is the
user's part: making the arrays and ``Network.connect``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from peak_memory import peak_bytes


def measure(synapses: int, neurons: int, target: str) -> dict[str, float]:
    """Describe and compile one random network; seconds and peak memory."""
    import numpy as np

    import spikeloom as sl
    from spikeloom.compiling import compile_with_trace

    before = time.process_time()
    rng = np.random.default_rng(0)
    net = sl.Network(dt=1e-3)
    drive = net.source("drive", neurons, sl.Poisson(rate=10.0))
    cells = net.population("cells", neurons, sl.LIF(tau_mem=20e-3, tau_syn=5e-3, refractory=2e-3))
    net.connect(drive, cells, weights=0.5, connector=sl.OneToOne())
    net.connect(
        cells,
        cells,
        weights=sl.Synapses(
            rng.integers(0, neurons, synapses),
            rng.integers(0, neurons, synapses),
            rng.normal(0.02, 0.01, synapses),
        ),
        delay=rng.integers(1, 17, synapses) * 1e-3,
    )
    described = time.process_time()
    program, trace = compile_with_trace(net, target)
    return {
        "synapses": synapses,
        "neurons": neurons,
        "cores": len(program.cores),
        "describe_s": round(described - before, 3),
        "compile_s": round(time.process_time() - described, 3),
        "peak_MB": round(peak_bytes() / (1 << 20)),
        **{f"pass_{name}_s": round(s, 3) for name, s in trace.seconds.items()},
    }


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description="Time and memory of the compiler.")
    parser.add_argument("--synapses", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--neurons", type=int, help="default: one per 100 synapses, 1,000 at least")
    parser.add_argument("--target", default="emulator")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for synapses in args.synapses:
        neurons = args.neurons or max(1_000, synapses // 100)
        if args.one:
            print(json.dumps(measure(synapses, neurons, args.target)))
            continue
        command = [sys.executable, __file__, "--one", "--synapses", str(synapses)]
        command += ["--neurons", str(neurons), "--target", args.target]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    main()
