"""The learning engine's parts: products against big integers, traces against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.hdl import simulate

from spikeloom.backends.reference.traces import take_up
from spikeloom.compiler.microcode import Factor, Rounding, Trace, TraceKind
from spikeloom.counter_hash import key_term, step_term
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.layout import layout
from spikeloom.hdl.learning_lane import TRACE_LATENCY, RuleLane, TraceLane
from spikeloom.hdl.learning_tables import NO_FACTOR

WIDE = Geometry(
    neurons=8, lanes=2, weight_bits=8, rules=1, plastic=8, slots=4, code=4, factors=3, tags=True,
    delays=True, windows=True, post_delays=True,
)  # fmt: skip


@pytest.mark.parametrize("rounding", list(Rounding))
def test_a_product_is_exact_and_rounded_once(rounding: Rounding) -> None:
    rng = np.random.default_rng(int(rounding))
    lane = RuleLane(WIDE)

    async def bench(context: Any) -> None:
        shared, synapse = lane.shared, lane.synapse
        for _ in range(60):
            low, high = np.sort(rng.integers(-128, 128, 2)).tolist()
            w, tag, delay = int(rng.integers(low, high + 1)), int(rng.integers(-128, 128)), 5
            own, other = rng.integers(0, 128, 2).tolist(), rng.integers(0, 128, 2).tolist()
            r, modulator = rng.integers(-128, 128, 2).tolist()
            column, shift = bool(rng.integers(2)), int(rng.integers(0, 20))
            x, y = (own, other) if column else (other, own)
            values = {
                Factor.X1: x[0], Factor.X2: x[1], Factor.Y1: y[0], Factor.Y2: y[1],
                Factor.R: r, Factor.M: modulator, Factor.W: w, Factor.ABOVE: high - w,
                Factor.BELOW: w - low, Factor.TAG: tag, Factor.DELAY: delay,
            }  # fmt: skip
            factors = rng.choice(list(Factor)[:-1], int(rng.integers(4))).tolist()
            signs = rng.integers(0, 2, len(factors)).tolist()
            coefficient = int(rng.integers(-(1 << 9), 1 << 9))
            total = coefficient
            for factor, sign in zip(factors, signs, strict=True):
                total *= int(np.sign(values[factor])) if sign else values[factor]
            codes = [f + 16 * s for f, s in zip(factors, signs, strict=True)]
            codes += [NO_FACTOR] * (3 - len(codes))
            index, a, b = int(rng.integers(1 << 16)), *rng.integers(0, 1 << 32, 2).tolist()
            number = (a * index + b) % (1 << 32)
            added = {
                Rounding.STOCHASTIC: number >> (32 - shift), Rounding.NEAREST: (1 << shift) >> 1,
                Rounding.FLOOR: 0,
            }[rounding]  # fmt: skip
            enable = bool(rng.integers(4))
            change = (total + added) >> shift
            expected = int(np.clip(w + change, low, high)) if enable else w
            for name, value in {
                "column1": column, "holds1": 1, "trace1_1": other[0], "trace2_1": other[1],
                "r1": r, "modulator1": modulator, "low1": low, "high1": high,
                "coefficient2": coefficient, "a2": a, "b3": b, "rounding4": int(rounding),
                "shift4": shift, "shift6": shift, "first5": 1, "last6": 1, "last7": 1,
                "begins7": 1, "low7": low, "high7": high,
                **{f"factor{i}_1": int(code) for i, code in enumerate(codes)},
            }.items():  # fmt: skip
                context.set(shared[name], int(value))
            for name, value in {
                "weight": w, "enable": enable, "tag": tag, "delay": delay,
            }.items():  # fmt: skip
                context.set(synapse[name], int(value))
            for signal, value in (
                (lane.trace1, own[0]), (lane.trace2, own[1]), (lane.r, r), (lane.x0, 1),
                (lane.index, index),
            ):  # fmt: skip
                context.set(signal, value)
            await context.tick().repeat(9)
            assert context.get(lane.after.weight) == expected
            assert context.get(lane.after.tag) == tag

    simulate(lane, bench)


def test_traces_decay_and_take_up_events_one_per_cycle() -> None:
    rng = np.random.default_rng(0)
    lane = TraceLane(Geometry(neurons=8, lanes=2, rules=1, plastic=8, slots=4, code=4))
    n, seed, purpose, step = 200, 77, 18, 1234
    stored, event = rng.integers(0, 128, n), rng.integers(0, 2, n).astype(bool)
    for replace in (False, True):
        trace = Trace(TraceKind.EXPONENTIAL, replace, impulse=50, decay=700)
        expected = take_up(trace, stored, event, 127, seed, step, purpose)
        terms = key_term(seed, np.arange(n), purpose)
        found = []

        async def bench(
            context: Any, replace: bool = replace, terms: Any = terms, found: Any = found
        ) -> None:
            for signal, value in (
                (lane.step_hash, int(step_term(step)[0])), (lane.keep4, 4096 - 700),
                (lane.impulse6, 50), (lane.replace6, replace), (lane.top6, 127),
            ):  # fmt: skip
                context.set(signal, value)
            for i in range(n + TRACE_LATENCY - 1):
                if i < n:
                    context.set(lane.value, int(stored[i]))
                    context.set(lane.event, bool(event[i]))
                    context.set(lane.term, int(terms[i]))
                await context.tick()
                found.append(context.get(lane.taken))

        simulate(lane, bench)
        np.testing.assert_array_equal(found[TRACE_LATENCY - 2 :][:n], expected)


def test_a_trace_by_age_adds_the_table_s_values() -> None:
    rng = np.random.default_rng(1)
    lane = TraceLane(WIDE)

    async def bench(context: Any) -> None:
        for _ in range(40):
            table = tuple(rng.integers(0, 128, int(rng.choice([1, 5, 32]))).tolist())
            trace = Trace(TraceKind.WINDOW, bool(rng.integers(2)), table=table)
            history, event = int(rng.integers(1 << 32)), int(rng.integers(2))
            after = (history << 1 | event) % (1 << 32)
            for signal, value in (
                (lane.history, history), (lane.event, event), (lane.replace, trace.replace),
                (lane.top, 127), (lane.begin, 1),
            ):  # fmt: skip
                context.set(signal, value)
            await context.tick()
            context.set(lane.begin, 0)
            context.set(lane.add, 1)
            for value in table:
                context.set(lane.worth, value)
                await context.tick()
            context.set(lane.add, 0)
            assert context.get(lane.remembered) == after
            expected = trace.values(np.array([after]), 127)
            assert context.get(lane.summed) == expected[0]

    simulate(lane, bench)


def test_the_largest_engine_has_no_more_than_eight_columns_in_any_table() -> None:
    for lanes in (1, 8, 64):
        g = Geometry(
            neurons=4096, lanes=lanes, weight_bits=16, delay_slots=64, rules=64, plastic=1 << 20,
            slots=1 << 12, code=1 << 10, factors=3, tags=True, delays=True, windows=True,
            post_delays=True,
        )  # fmt: skip
        assert max(len(table.widths) for table in layout(g).values()) <= 8
        assert max(table.region for table in layout(g).values()) < 32
