"""A Program's core as the memory contents of the generated hardware, and back.

``CoreImage`` of a Program says *what*; ``hdl.layout`` says *where each bit is*; here is the way
between them: which word and lane each synapse takes, where destination lists lie, and how state is
read out of the memories again. Tables are columns of 32-bit words, as ``Table.encode`` makes them.

Lane ``l`` only holds targets ``≡ l mod P``. A row begins at the same entry in all lanes that have
a part in it, and ends in each where its synapses end there; what lies behind belongs to the next
rows, which fall into place like blocks in a narrow shaft. In a dense row all these lanes have as
many entries, with zeros beside the row's ends: they count its groups and not its synapses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.microcode import When
from ..compiler.program import DENSE, LINEAR, MASK, PERIODIC, RESET_SUBTRACT, SPARSE
from ..counter_hash import POISSON_SOURCE, THRESHOLD_DECAY, key_term
from ..errors import FitError
from ..hdl.cycles import SenderRows
from ..hdl.geometry import FLAGS
from ..hdl.layout import MOST_SYNAPSES, dense_part_bits, layout
from .backend import CoreWeights, State
from .learning_image import LearningImage, changes_of
from .row_cost import plastic_rows
from .row_plan import plan_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import CoreImage, Program
    from ..hdl.geometry import Geometry

Columns = list["NDArray[np.uint32]"]

ONE = 4096
"""What a decay keeps and what it takes add up to (docs/machine.md §3)."""


class HardwareImage:
    """One core of a Program on one geometry.

    Attributes:
        geometry: of the hardware.
        tables: its memories.
        words: words of synapse memory in use.
        sender_rows: by origin number, the rows of each sender and what each lane does in them.
        plan: the rows that are walked, among them those of ``core``.
        learning: where everything is that learns; None where nothing does.
        channel_origin: (channels,) origin number of each channel.
        channel_sends: (channels,) whether its spikes reach a synapse; others need not be sent.
        driven: which of the Program's generators are this core's.
        hosted: how many host channels are.
        axons: entries of table `axon` that are needed.
    """

    def __init__(self, program: Program, geometry: Geometry, core: int = 0) -> None:
        """Place everything.

        Raises:
            FitError: the core does not hold the Program.
        """
        self.program = program
        self.core = program.cores[core]
        self.geometry = geometry
        self.tables = layout(geometry)
        self._part_bits = dense_part_bits(geometry)
        self.plan = plan_rows(program, core)
        self.learning = None
        if program.rules:
            self.learning = LearningImage(program, geometry, self.tables, self.plan)
        self._place_rows()
        self._place_senders()
        check_fit(self)

    # ------------------------------------------------------------------ placing

    def _place_rows(self) -> None:
        """Give each row its first entry, each synapse its own."""
        rows, P, bits = self.core.rows, self.geometry.lanes, self._part_bits
        dense = (rows["kind"] == DENSE) & (rows["rule"] == 0)
        base, count = rows["base"].astype(np.int64), rows["count"].astype(np.int64)
        first, last = base // P, (base + count - 1) // P  # groups of a dense row
        takes = (np.arange(P) - base[:, None]) % P < count[:, None]
        self._sparse, row, lane, rank = self._rank_sparse()
        walked = np.where(dense[:, None] & takes, (last - first + 1)[:, None], 0)
        np.maximum.at(walked, (row, lane), rank + 1)
        self._walked = walked
        entries = walked.copy()
        entries[dense] = takes[dense] * ((last >> bits) - (first >> bits) + 1)[dense, None]
        self._start, self.words = _stack(entries)
        self._end = np.where(dense, last % (1 << bits), 0)

        self._sparse_entry = (self._start[row] + rank) * P + lane
        self._dense = _static(rows, DENSE)
        own = np.flatnonzero(dense)
        own = own[np.argsort(rows["offset"][own], kind="stable")]
        row = np.repeat(own, count[own])
        target = np.arange(len(row)) - np.repeat(np.cumsum(count[own]) - count[own], count[own])
        target += base[row]
        group = target // P
        word = self._start[row] + (group >> bits) - (first[row] >> bits)
        self._dense_entry = word * P + target % P
        self._dense_shift = group % (1 << bits) * self.geometry.weight_bits
        row, lane = np.nonzero(entries)
        self._last_entry = (self._start[row] + entries[row, lane] - 1) * P + lane

    def _rank_sparse(self) -> tuple[NDArray[np.int64], ...]:
        """The sparse synapses of static rows: which they are, their rows and lanes, and how many of
        the same come before each."""
        core, P = self.core, self.geometry.lanes
        rows = core.rows
        here = _static(rows, SPARSE)
        sparse = (rows["kind"] == SPARSE) & (rows["rule"] == 0)
        counts = np.where(sparse, rows["count"], 0).astype(np.int64)
        order = np.argsort(np.where(sparse, rows["offset"], -1), kind="stable")
        row = np.repeat(order, counts[order])  # of each synapse; all have an owner
        lane = core.sparse_target[here].astype(np.int64) % P
        by_lane = np.lexsort((lane, row))
        run = (row * P + lane)[by_lane]
        first = np.flatnonzero(np.diff(run, prepend=-1))
        length = np.diff(np.append(first, len(run)))
        rank = np.empty(len(row), np.int64)
        rank[by_lane] = np.arange(len(row)) - np.repeat(first, length)
        return here, row, lane, rank

    def _place_senders(self) -> None:
        """Destination lists, without axons that have no rows: these could only waste time."""
        program, core, g = self.program, self.core, self.geometry
        driven = program.generators["channel"].astype(np.int64)
        hosted = np.setdiff1d(np.arange(program.channels), driven)
        self.channel_origin = np.zeros(program.channels, np.int64)
        self.channel_origin[driven] = g.first_generator + np.arange(len(driven))
        self.channel_origin[hosted] = g.first_channel + np.arange(len(hosted))
        self.hosted, self.driven = len(hosted), np.arange(len(driven))
        self.axons = len(self.plan.axon_start) - 1
        plan = self.plan
        first, count = plan.axon_start[:-1], np.diff(plan.axon_start)
        parts = []
        for start, to, origin in (
            (plan.neuron_start, plan.neuron_axon, np.arange(core.neurons)),
            (plan.channel_start, plan.channel_axon, self.channel_origin),
        ):
            sender = np.repeat(origin, np.diff(start))
            useful = count[to] > 0
            parts.append((sender[useful], to[useful]))
        sender = np.concatenate([p[0] for p in parts])
        axon = np.concatenate([p[1] for p in parts])
        order = np.argsort(sender, kind="stable")
        self._destinations = axon = axon[order]
        # A program with more senders than the core has must come as far as `check_fit`.
        size = max(g.origins, *(int(a.max(initial=-1)) + 1 for a in (sender, self.channel_origin)))
        self._destination_count = np.bincount(sender, minlength=size)
        self.channel_sends = self._destination_count[self.channel_origin] > 0
        ends = np.cumsum(count[axon])
        row = np.arange(int(ends[-1]) if len(ends) else 0)
        row += np.repeat(first[axon] - (ends - count[axon]), count[axon])
        of_sender = np.bincount(sender[order], count[axon], size).astype(np.int64)
        self.sender_rows = SenderRows(
            np.append(0, np.cumsum(of_sender)),
            row.astype(np.int32),
            plan.static(self._walked).astype(np.int32),
            plastic_rows(program, plan, g.lanes),
        )

    # ------------------------------------------------------------------ parameters

    def parameters(self) -> dict[str, Columns]:
        """All tables that stay as they are while the core runs, but for the synapses."""
        core, g = self.core, self.geometry
        count = self._destination_count
        sends = count[: core.neurons] > 0
        profiles = core.profiles
        profile = {
            "spiking": profiles["spiking"],
            "linear": profiles["leak"] == LINEAR,
            "subtract": profiles["reset"] == RESET_SUBTRACT,
            "late": profiles["reset_delay"],
            "hold": profiles["refractory_mode"] != MASK,
            "shift": profiles["shift"],
            "keep_u0": ONE - profiles["decay_u"][:, 0].astype(np.int64),
            "keep_u1": ONE - profiles["decay_u"][:, 1].astype(np.int64),
            "leak": np.where(
                profiles["leak"] == LINEAR,
                profiles["leak_step"],
                ONE - profiles["decay_v"].astype(np.int64),
            ),
            "v_reset": profiles["v_reset"],
            "refractory": profiles["refractory"],
            "keep_adapt": ONE - profiles["adapt_decay"].astype(np.int64),
            "adapt_step": profiles["adapt_step"],
        }
        neuron: dict[str, NDArray] = {"threshold": core.threshold}
        if g.bias:
            neuron["bias"] = core.bias
        if g.adaptation:
            neuron["key"] = key_term(self.program.seed, core.key, THRESHOLD_DECAY).astype(np.int64)
        values = {
            "origin": {"start": np.where(count > 0, np.cumsum(count) - count, 0), "count": count},
            "destination": self._destination_fields(),
            "axon": self._axon_fields(),
            "row": self._row_fields(),
            "profile": {k: v for k, v in profile.items() if self.tables["profile"].has(k)},
            "select": {"profile": core.profile, "sends": sends},
            "neuron": neuron,
        }  # fmt: skip
        tables = {
            name: self.tables[name].encode(len(next(iter(fields.values()))), fields)
            for name, fields in values.items()
        }
        return tables if self.learning is None else {**tables, **self.learning.parameters()}

    def _destination_fields(self) -> dict[str, NDArray]:
        return {"axon": self._destinations}

    def _axon_fields(self) -> dict[str, NDArray]:
        start = self.plan.axon_start
        return {"start": np.where(np.diff(start), start[:-1], 0), "count": np.diff(start)}

    def _row_fields(self) -> dict[str, NDArray[np.int64]]:
        """Table `row`: plastic rows only say where they are in table `walk`."""
        plan, rows, g = self.plan, self.core.rows, self.geometry
        given = {
            "address": self._start, "dense": rows["kind"] == DENSE, "receptor": rows["receptor"],
            "exponent": rows["exponent"], "group": rows["base"] // g.lanes,
            "delay": rows["delay"], "end": self._end, **_masks(self._walked > 0),
        }  # fmt: skip
        fields = {
            name: plan.static(values)
            for name, values in given.items()
            if self.tables["row"].has(name)
        }
        counted = (plan.row >= 0) & (plan.layer == 0)
        fields["synapses"] = np.zeros(len(counted), np.int64)
        fields["synapses"][counted] = rows["count"][plan.row[counted]]
        if self.learning is not None:
            fields["plastic"] = plan.rule != 0
            fields["walk"] = self.learning.entry
            changes = [0, *(changes_of(rule, When.PRE) for rule in self.program.rules)]
            fields["changes"] = np.array(changes)[plan.rule]
        return fields

    def generators(self, step: int) -> Columns:
        """The generators as they stand before ``step``."""
        all_, t = self.program.generators[self.driven], step
        periodic = all_["kind"] == PERIODIC
        since = t - all_["phase"].astype(object)  # steps may exceed 64 bits' comfort, never wrap
        period = np.maximum(all_["value"].astype(np.int64), 1)
        left = np.array(
            [-s if s < 0 else -s % int(p) for s, p in zip(since, period, strict=True)], np.int64
        )
        key = key_term(all_["seed"], all_["key"], POISSON_SOURCE).astype(np.int64)
        count = self._destination_count
        first = self.geometry.first_generator
        return self.tables["generator"].encode(
            len(all_),
            {
                "state": np.where(periodic, left, key),
                "value": all_["value"].astype(np.int64),
                "periodic": periodic,
                "sends": count[first : first + len(all_)] > 0,
            },
        )

    # ------------------------------------------------------------------ weights

    def synapses(self, weights: CoreWeights) -> Columns:
        """The synapse memory with these weights."""
        core, g, table = self.core, self.geometry, self.tables["synapse"]
        last = np.zeros(self.words * g.lanes, np.int64)
        last[self._last_entry] = 1
        columns = table.encode(len(last), {"last": last})
        sparse = table.encode(
            len(self._sparse),
            {
                "weight": weights.sparse[self._sparse],
                "group": core.sparse_target[self._sparse] // g.lanes,
                "delay": core.sparse_delay[self._sparse],
            },
        )
        for column, values in zip(columns, sparse, strict=True):
            column[self._sparse_entry] |= values
        mask = (1 << g.weight_bits) - 1
        parts = (weights.dense[self._dense].astype(np.int64) & mask) << self._dense_shift
        np.bitwise_or.at(columns[0], self._dense_entry, parts.astype(np.uint32))
        return columns

    def weights(self, columns: Columns, plastic: Columns | None = None) -> CoreWeights:
        """The inverse of ``synapses``; of table `plastic`, too, where something learns."""
        core, bits = self.core, self.geometry.weight_bits
        dense = columns[0][self._dense_entry].astype(np.int64) >> self._dense_shift
        sparse = columns[0][self._sparse_entry].astype(np.int64)
        half, mask = 1 << bits - 1, (1 << bits) - 1
        found = CoreWeights(np.zeros_like(core.sparse_weight), np.zeros_like(core.dense_weight))
        found.sparse[self._sparse] = ((sparse & mask) ^ half) - half
        found.dense[self._dense] = ((dense & mask) ^ half) - half
        if self.learning is None or plastic is None:
            return found
        return self.learning.take(plastic, found)

    # ------------------------------------------------------------------ state

    def state_tables(self, state: State) -> tuple[dict[str, Columns], int]:
        """The tables that change while the core runs, and how many entries of `fired` count."""
        g, n = self.geometry, self.core.neurons
        fields = {
            "u0": state.u[0],
            "u1": state.u[1],
            "v": state.v,
            "adapt": state.adapt,
            "refractory": state.refractory,
            "pending": state.reset_pending,
            "fired": state.fired,
            "saturated": state.saturated,
        }
        table = self.tables["state"]
        tables = {"state": table.encode(n, {k: v for k, v in fields.items() if table.has(k)})}
        U = g.update_lanes
        padded = np.zeros(g.update_groups * U, np.int64)
        padded[:n] = (state.fired != 0) & (self._destination_count[:n] > 0)
        groups = padded.reshape(g.update_groups, U)
        sending = np.flatnonzero(groups.any(axis=1))
        masks = _masks(groups[sending])
        tables["fired"] = self.tables["fired"].encode(len(sending), {"group": sending, **masks})
        slots = (state.step + np.arange(len(state.wheel))) % g.delay_slots
        for r in range(g.receptors):
            sums = np.zeros((g.groups, g.delay_slots, g.lanes), np.int64)
            wheel = np.zeros((len(state.wheel), g.groups * g.lanes), np.int64)
            wheel[:, :n] = state.wheel[:, r]
            by_group = wheel.reshape(len(state.wheel), g.groups, g.lanes)
            sums[:, slots] = by_group.transpose(1, 0, 2)
            tables[f"wheel{r}"] = self.tables[f"wheel{r}"].encode(sums.size, {"sum": sums.ravel()})
        if g.generators:
            tables["generator"] = self.generators(state.step)
        return tables, len(sending)

    def neuron_state(self, columns: Columns) -> dict[str, NDArray[np.int64]]:
        """The fields of table `state` of the used neurons; what is not built is zero."""
        n = self.core.neurons
        found = self.tables["state"].decode([column[:n] for column in columns])
        return {name: found.get(name, np.zeros(n, np.int64)) for name in (
            "u0", "u1", "v", "adapt", "refractory", "pending", "fired", "saturated")}  # fmt: skip

    def wheel(self, columns: list[Columns], step: int) -> NDArray[np.int32]:
        """``State.wheel`` from the tables `wheel0`, `wheel1`."""
        g, n = self.geometry, self.core.neurons
        depth = self.program.wheel_depth
        wheel = np.zeros((depth, 2, n), np.int32)
        slots = (step + np.arange(depth)) % g.delay_slots
        for r in range(g.receptors):
            sums = self.tables[f"wheel{r}"].decode(columns[r])["sum"]
            by_slot = sums.reshape(g.groups, g.delay_slots, g.lanes)[:, slots]
            wheel[:, r] = by_slot.transpose(1, 0, 2).reshape(depth, -1)[:, :n]
        return wheel


def _stack(entries: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """(rows,) first entries of rows that have so many in each lane (rows, lanes); the height."""
    starts = np.zeros(len(entries), np.int64)
    height = np.zeros(entries.shape[1], np.int64)
    for row, own in enumerate(entries):
        lanes = np.flatnonzero(own)
        if not len(lanes):
            continue  # nothing of it lies here
        starts[row] = start = height[lanes].max()
        height[lanes] = start + own[lanes]
    return starts, int(height.max())


def _static(rows: NDArray[np.void], kind: int) -> NDArray[np.int64]:
    """Which synapses of a kind belong to rows that do not learn."""
    own = rows[rows["kind"] == kind]
    own = own[np.argsort(own["offset"], kind="stable")]
    return np.flatnonzero(np.repeat(own["rule"] == 0, own["count"]))


def _masks(lanes: NDArray) -> dict[str, NDArray[np.int64]]:
    """Fields ``mask0`` … of (n, lanes) truths: a bit per lane, 32 in a field."""
    parts = [(i, lanes[:, i : i + 32].astype(np.int64)) for i in range(0, lanes.shape[1], 32)]
    return {f"mask{i}": part @ (1 << np.arange(part.shape[1])) for i, part in parts}


def parts_used(core: CoreImage) -> dict[str, bool]:
    """Which parts of the neuron (``hdl.geometry.FLAGS``) a core's neurons need."""
    profiles = core.profiles
    linear, pauses = profiles["leak"] == LINEAR, profiles["refractory"] > 0
    return {
        "exponential": bool((~linear).any()),
        "linear": bool(linear.any()),
        "subtract": bool((profiles["reset"] == RESET_SUBTRACT).any()),
        "late": bool((profiles["reset_delay"] != 0).any()),
        "hold": bool((pauses & (profiles["refractory_mode"] != MASK)).any()),
        "mask": bool((pauses & (profiles["refractory_mode"] == MASK)).any()),
        "bias": bool((core.bias != 0).any()),
    }


def check_fit(image: HardwareImage) -> None:
    """Refuse a Program that this hardware would not compute exactly.

    Raises:
        FitError: with everything that does not fit.
    """
    program, core, g = image.program, image.core, image.geometry
    target = program.target
    longest = int(core.profiles["refractory"].max(initial=0))
    adapts = bool((core.profiles["adapt_step"] != 0).any())
    used = parts_used(core)
    needs = (
        ("neurons", core.neurons, g.neurons),
        ("axons", image.axons, g.axons),
        ("rows", len(image.plan.row), g.rows),
        ("words", image.words, g.words),
        ("synapses of a row", int(core.rows["count"].max(initial=0)), MOST_SYNAPSES),
        ("destinations", len(image._destinations), g.destinations),
        ("channels", image.hosted, g.channels),
        ("generators", len(image.driven), g.generators),
        ("profiles", len(core.profiles), g.profiles),
        ("weight_bits", target.weight_bits, g.weight_bits),
        ("accumulator_bits", target.accumulator_bits, g.accumulator_bits),
        ("delay_slots", program.wheel_depth, g.delay_slots),
        ("receptors", target.receptors, g.receptors),
        ("refractory_bits", longest.bit_length(), g.refractory_bits),
        ("adaptation", int(adapts), int(g.adaptation)),
        ("exponents", int(core.rows["exponent"].max(initial=0)), g.exponents),
        ("shifts", int(core.profiles["shift"].max(initial=0)), g.shifts),
        *((name, int(used[name]), int(getattr(g, name))) for name in FLAGS),
        *((name, needed, int(getattr(g, name)))
          for name, needed in (image.learning.needs if image.learning else {}).items()),
    )  # fmt: skip
    missing = [
        f"{name}: {needed} needed, {there} there" for name, needed, there in needs if needed > there
    ]
    if target.state_bits != g.state_bits:
        missing.append(f"state_bits: exactly {target.state_bits} needed, {g.state_bits} there")
    static = int((image.plan.rule == 0).sum())
    if static and not g.static:
        missing.append(
            f"static: {static} rows of synapses that do not learn, a small core has none"
        )
    if len(program.rules) != 1 and not g.several:
        missing.append(f"several: {len(program.rules)} rules, a small core has exactly 1")
    if image.learning is not None and image.learning.unplaceable():
        missing.append(str(image.learning.unplaceable()))
    if missing:
        raise FitError(
            "the program does not fit the hardware core",
            found="; ".join(missing),
            remedy="generate a larger core, or compile for a target with this geometry",
        )
