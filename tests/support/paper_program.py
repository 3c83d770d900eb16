"""A hand-made Program whose every number can be worked out on paper, for the runtime's tests."""

from __future__ import annotations

import numpy as np

from spikeloom.compiler.program import (
    DENSE,
    DESTINATION,
    GENERATOR,
    PERIODIC,
    PROFILE,
    ROW,
    SPARSE,
    CoreImage,
    PopulationSymbol,
    Probe,
    Program,
    ProjectionSymbol,
    SourceSymbol,
)
from spikeloom.compiler.target import Target

# Exponent of the rows and shift of the neurons: a mantissa w moves v by w << 3.
EXPONENT, SHIFT = 1, 2
SCALE = (4.0, 8.0, 16.0)


def paper_program(
    probes: tuple[tuple[str, str], ...] = (("pop", "spikes"), ("pop", "v"), ("in", "spikes")),
    threshold: int = 1000,
    bias: int = 0,
) -> Program:
    """Source "in" (2), source "clock" (1, fires in 1, 4, 7 …), population "pop" (3) on two cores.

    Neurons 2, 0 of "pop" are slots 0, 1 of core 1, neuron 1 is slot 0 of core 0. Delta synapses,
    no leak, a spike resets v to 0. Projections (pre, post, mantissa, delay in steps):
    "in->pop" (0, 0, 3, 0), (0, 1, -2, 1), (1, 2, 5, 2); "pop->pop" (1, 2, 7, 2).
    "clock" is connected to nothing.
    """
    profile = np.zeros(1, PROFILE)
    profile["spiking"], profile["shift"], profile["decay_u"] = 1, SHIFT, 4096
    sparse = (SPARSE, 0, EXPONENT, 0, 0, 1)
    return Program(
        target=Target(name="paper", mesh=(1, 2), neurons=4, state_bits=16, delay_slots=4),
        dt=1e-3,
        seed=7,
        cores=(
            _core(
                profile, 1, threshold, bias, [[(*sparse, 0, 0, 0)]], [(0, -2, 1)], [], [[(1, 2)]]
            ),
            _core(
                profile,
                2,
                threshold,
                bias,
                [
                    [(*sparse, 0, 0, 0)],
                    [(DENSE, 0, EXPONENT, 2, 0, 1, 0, 0, 1)],
                    [(*sparse, 1, 1, 1)],
                ],
                [(1, 3, 0), (0, 7, 1)],
                [5],
                [[], []],
            ),
        ),
        channel_start=np.array([0, 2, 3, 3], np.int32),
        channel_to=np.array([(0, 0), (1, 0), (1, 1)], DESTINATION),
        generators=np.array([(2, PERIODIC, 0, 0, 3, 1)], GENERATOR),
        sources=(SourceSymbol("in", 2, "host", 0), SourceSymbol("clock", 1, "periodic", 2)),
        populations=(
            PopulationSymbol(
                "pop",
                np.array([1, 0, 1], np.uint16),
                np.array([1, 0, 0], np.uint16),
                np.array(SCALE),
            ),
        ),
        projections=(
            ProjectionSymbol("in->pop", "in", "pop", 0, 0),
            ProjectionSymbol("pop->pop", "pop", "pop", 0, 1),
        ),
        probes=tuple(Probe(of, variable) for of, variable in probes),  # pyright: ignore
    )


def _core(profile, n, threshold, bias, axons, sparse, dense, spike_to) -> CoreImage:
    return CoreImage(
        profile=np.zeros(n, np.uint16),
        threshold=np.full(n, threshold, np.int32),
        bias=np.full(n, bias, np.int32),
        v_init=np.zeros(n, np.int32),
        key=np.arange(n, dtype=np.uint32),
        profiles=profile,
        axon_start=np.cumsum([0, *map(len, axons)]).astype(np.int32),
        rows=np.array([(*row, 0) for axon in axons for row in axon], ROW),
        sparse_target=np.array([s[0] for s in sparse], np.uint16),
        sparse_weight=np.array([s[1] for s in sparse], np.int8),
        sparse_delay=np.array([s[2] for s in sparse], np.uint8),
        dense_weight=np.array(dense, np.int8),
        spike_start=np.cumsum([0, *map(len, spike_to)]).astype(np.int32),
        spike_to=np.array([to for one in spike_to for to in one], DESTINATION),
    )
