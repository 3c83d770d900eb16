"""Small cores, and random plastic Programs that they hold."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

import spikeloom as sl
from spikeloom.board_fit import target_of
from spikeloom.compiler.microcode import (
    MAX_COEFFICIENT,
    Changes,
    Condition,
    Factor,
    Group,
    LearningRule,
    Product,
    Rounding,
    Trace,
    TraceKind,
    When,
)
from spikeloom.compiler.program import Program
from spikeloom.compiler.program_needs import rule_needs
from spikeloom.hdl.geometry import Geometry
from spikeloom.runtime.backend import Events
from support.plastic import with_rule
from support.programs import random_events
from support.tiny import Synapse, tiny_program

INPUTS, NEURONS = 20, 16

SMALL = Geometry(
    neurons=NEURONS, lanes=1, axons=64, rows=64, words=1, destinations=128, channels=INPUTS,
    profiles=NEURONS, state_bits=16, weight_bits=7, accumulator_bits=16, delay_slots=8,
    refractory_bits=12, adaptation=False, graded=False, exponents=0, shifts=0, linear=False,
    subtract=False, late=False, mask=False, rules=1, plastic=32 * NEURONS, slots=32, code=2,
    fraction=18, coefficient_bits=32, sum_bits=32, micro=True,
)  # fmt: skip
BARE = replace(
    SMALL, weight_bits=4, delay_slots=1, refractory_bits=1, fraction=10,
)  # fmt: skip
"""The least of everything, and a hardly fractional rule."""


def small_events(program: Program, steps: int, rng: np.random.Generator) -> Events:
    """Spikes and teacher events."""
    events = random_events(program, steps, rng)
    names = [
        f"{kind}_{part}"
        for kind, parts in (
            ("graded", ("step", "neuron", "value")),
            ("factor", ("step", "neuron", "value")),
            ("modulator", ("step", "value")),
        )
        for part in parts
    ]
    return replace(events, **{name: getattr(Events.none(), name) for name in names})


def small_rule(rng: np.random.Generator, g: Geometry, trace_max: int) -> LearningRule:
    """One product per event, of what stands across."""
    low, high = np.sort(rng.integers(-1 << g.weight_bits - 1, 1 << g.weight_bits - 1, 2)).tolist()
    low, high = (0, high) if high > 0 and rng.random() < 0.5 else (low, high)
    pairs = [(When.PRE, Factor.Y1, "y1"), (When.POST, Factor.X1, "x1")]
    pairs = [pairs, pairs, pairs, pairs[:1], pairs[1:]][int(rng.integers(5))]
    needed = {name for _, _, name in pairs}
    traces = {
        name: Trace(
            TraceKind.EXPONENTIAL,
            replace=bool(rng.random() < 0.5),
            impulse=int(rng.integers(1, trace_max + 1)),
            decay=int(rng.choice([0, 100, 700, 4096, int(rng.integers(4097))])),
        )
        if name in needed or rng.random() < 0.5
        else Trace()
        for name in ("x1", "y1")
    }
    groups = []
    for when, across, _ in pairs:
        shift = int(rng.integers(max(1, g.fraction - 6), g.fraction + 1))
        wanted = float(rng.choice([0.3, 1.0, 6.0])) * (1 << shift) / trace_max * 2
        size = int(np.clip(wanted * rng.uniform(0.5, 1), 1, MAX_COEFFICIENT))
        condition = Condition.X0
        if when == When.POST:
            condition = Condition(int(rng.integers(1, 4)) * 2 | int(rng.random() < 0.3))
        product = Product(size * int(rng.choice([-1, 1])), condition, (int(across),))
        groups.append(Group(when, Changes.WEIGHT, shift, (product,)))
    return LearningRule(
        projection=0,
        groups=tuple(groups),
        x1=traces["x1"],
        y1=traces["y1"],
        rounding=Rounding(int(rng.integers(3))),
        seed=int(rng.integers(1 << 32)),
        weight_min=low,
        weight_max=high,
    )


def small_program(seed: int, g: Geometry = SMALL) -> Program:
    """Neurons with profiles of their own, rows with gaps, of one projection that learns.

    Some presynaptic neurons have no synapse, and some synapses are not enabled.
    """
    rng = np.random.default_rng(seed)
    inputs, n = int(rng.integers(1, INPUTS + 1)), int(rng.integers(1, NEURONS + 1))
    top = int(rng.choice([40, 400, 32767]))
    longest = (1 << g.refractory_bits) - 1
    neurons = [
        {
            "threshold": int(rng.integers(1, top)),
            "bias": int(rng.integers(-top // 8, top // 3)) * int(g.bias and rng.random() < 0.5),
            "v_init": int(rng.integers(-top, top)),
            "decay_u": (int(rng.choice([0, 4096, int(rng.integers(4097))])), 4096),
            "decay_v": int(rng.choice([0, 4096, int(rng.integers(4097)), 300])),
            "v_reset": int(rng.integers(-top, top)) * int(rng.random() < 0.5),
            "refractory": min(longest, int(rng.choice([0, 0, 1, 3, 300, 4095]))),
            "spiking": int(rng.random() < 0.95),
        }
        for _ in range(n)
    ]
    kind, senders = ("c", inputs) if rng.random() < 0.6 else ("n", n)
    chance, delay = float(rng.choice([0.2, 0.7, 1.0])), rng.integers(0, g.delay_slots, senders)
    trace_bits = int(rng.integers(4, 9))
    rule = small_rule(rng, g, (1 << trace_bits) - 1)
    synapses = [
        Synapse(f"{kind}{i}", j, int(rng.integers(rule.weight_min, rule.weight_max + 1)),
                int(delay[i]))
        for i in range(senders)
        for j in np.flatnonzero(rng.random(n) < chance).tolist()
    ] or [Synapse(f"{kind}0", 0, rule.weight_max)]  # fmt: skip
    program = tiny_program(
        neurons, synapses, channels=inputs, seed=int(rng.integers(1 << 32)),
        weight_bits=g.weight_bits, state_bits=16, accumulator_bits=16, receptors=1,
        delay_slots=g.delay_slots, trace_bits=trace_bits, products=2,
    )  # fmt: skip
    (core,) = program.cores
    core = replace(
        core,
        sparse_weight=core.sparse_weight.astype(np.int8),
        dense_weight=core.dense_weight.astype(np.int8),
    )
    program = with_rule(replace(program, cores=(core,)), rule)
    core = program.cores[0]
    on = (rng.random(len(core.sparse_enable)) < rng.choice([0.5, 1.0])).astype(np.uint8)
    return replace(program, cores=(replace(core, sparse_enable=on),))


def fits_widths(program: Program, g: Geometry) -> bool:
    """Whether the rule's numbers are within the core's."""
    needs = rule_needs(program.rules, program.target, g.factors, g.fraction)
    return needs["coefficient_bits"] <= g.coefficient_bits and needs["sum_bits"] <= g.sum_bits


def small_network(seed: int, g: Geometry = SMALL) -> sl.Program | None:
    """A compiled network: dense rows, slots that begin anywhere; None if it does not compile."""
    rng = np.random.default_rng([seed, 1])
    net = sl.Network(dt=1e-3, seed=seed)
    inputs, n = int(rng.integers(1, INPUTS + 1)), int(rng.integers(1, NEURONS - 2))
    x = net.source("x", inputs)
    lone: dict[str, Any] = {"tau_mem": 5e-3, "v_threshold": 1.0, "bias": 0.3}
    if rng.random() < 0.5:
        net.population("lone", int(rng.integers(1, 4)), sl.LIF(**lone))
    y = net.population("y", n, sl.LIF(
        tau_mem=float(rng.uniform(3e-3, 30e-3)), tau_syn=float(rng.uniform(1e-3, 8e-3)),
        v_threshold=float(rng.uniform(0.05, 1.2)), bias=float(rng.choice([0, 0.2])),
        refractory=float(rng.integers(0, 4)) * 1e-3,
    ))  # fmt: skip
    rounding: Any = str(rng.choice(["stochastic", "nearest", "floor"]))
    pairing: Any = str(rng.choice(["all", "nearest"]))
    if rng.random() < 0.5:
        rule: sl.Rule = sl.STDP(
            w_max=1.0, a_plus=float(rng.uniform(0.01, 0.2)), a_minus=float(rng.uniform(0.01, 0.2)),
            pairing=pairing, rounding=rounding,
        )  # fmt: skip
    else:  # a teacher's spikes, and those that come with a presynaptic one
        dw = str(rng.choice(["0.02*x1*t0", "0.03*x1*t0*x0 - 0.01*x0*y1"]))
        traces = {"x1": sl.Trace(6e-3), "y1": sl.Trace(9e-3)}
        used = {name: trace for name, trace in traces.items() if name in dw}
        rule = sl.Rule(dw=dw, traces=used, w_min=0.0, w_max=1.0, rounding=rounding)
    if rng.random() < 0.3:
        net.connect(y, y, weights=rng.uniform(0, 1, (n, n)), learning=rule)
    else:
        delay = float(rng.integers(0, 3)) * 1e-3
        net.connect(x, y, weights=rng.uniform(0, 1, (inputs, n)), learning=rule, delay=delay)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return sl.compile(net, target_of(g, "small"))
        except sl.CompileError:
            return None


def small_programs(g: Geometry, count: int) -> list[tuple[int, Program]]:
    """The first random Programs that this core holds, of both kinds, with their seeds."""
    found: list[tuple[int, Program]] = []
    seed = 0
    while len(found) < count:
        program = small_network(seed, g) if seed % 3 == 0 else small_program(seed, g)
        if program is not None and fits_widths(program, g):
            # As compiled for this core, whose cycles the emulator is to count.
            target = program.target.with_(lanes=1, lacks=target_of(g, "small").lacks)
            program = replace(program, target=target)
            program.verify()
            found.append((seed, program))
        seed += 1
    return found
