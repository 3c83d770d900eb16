"""The same network as a script for Lava that runs by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...regular_file import replacing
from ...runtime.backend import CoreWeights
from ..peer.generators import generated
from ..peer.synapses import mantissas
from .plan import lava_weights, make_plan
from .script_rule import CONNECT, IMPORTS, LEARNED, check_rules, rule_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from .plan import Connection, Group, Plan

EMBEDDED = 4096
"""Most numbers that go into the script itself; more go into an .npz beside it."""
WIDTH = 96

HEAD = '''\
"""{title} as processes of Lava 0.10's fixed_pt models.

    python {script} [spikes.npz] [steps]

spikes.npz has an (n, 2) array of step and index for each of {hosts}.
The spikes of every population go to {found} in the same form, and their numbers
to standard output.{learned}

On Python 3.11 and later, run it where `python -m spikeloom.backends.lava.install DIR` has put Lava.
"""

import os
import sys

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import DelaySparse, Sparse
from scipy.sparse import csr_matrix
{imports}
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else {steps}
given = dict(np.load(sys.argv[1])) if len(sys.argv) > 1 else {{}}
{numbers}

def source(name, size):
    """Spikes of a source: one row per neuron and one column per step."""
    data = np.zeros((size, STEPS), int)
    if name in given:
        step, index = given[name].T
        data[index, step] = 1
    return Source(data=data)


def matrix(rows, cols, values, shape):
    """Row: the neuron that receives; column: the one that sends."""
    return csr_matrix((values, (rows, cols)), shape)


def connect(sender, name, receiver):
    """From a source or neurons through a connection to neurons."""
    processes[sender].s_out.connect(processes[name].s_in)
    processes[name].a_out.connect(processes[receiver].a_in)
{teach}

processes, sinks = {{}}, {{}}
'''

TAIL = """
# What is not connected has a runtime of its own.
config = Loihi2SimCfg(select_tag="fixed_pt")
for name, (_, _, sink) in sinks.items():
    processes[name].s_out.connect(sink.a_in)
roots = []
for process in processes.values():
    if process.runtime is None:
        process.create_runtime(run_cfg=config)
        roots.append(process)
for root in roots:
    root.run(RunSteps(num_steps=STEPS))
parts = {}
for population, index, sink in sinks.values():
    neuron, step = np.nonzero(sink.data.get())
    parts.setdefault(population, []).append(np.stack([step, index[neuron]], axis=1))
LEARNEDfor root in roots:
    root.stop()

found = {}
for name, arrays in parts.items():
    spikes = np.concatenate(arrays)
    found[name] = spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]
    print(f"{name}: {len(spikes)} spikes")
np.savez(FOUND, **foundALSO)
"""


def write_script(program: Program, path: Path, steps: int = 100) -> list[Path]:
    """Write the script, and an .npz beside it where its numbers are many.

    Sources that drive themselves do so in Lava with the spikes that the machine's generators give
    in the first ``steps`` steps. Graded input it has none.

    Args:
        program: what to write.
        path: of the script.
        steps: how many it runs unless it is told otherwise.

    Returns:
        The files that were written.

    Raises:
        UnsupportedError: Lava cannot run the Program, with all reasons.
    """
    plan = make_plan(program, "fixed_pt")
    check_rules(program, plan)
    writer = _Writer(program, plan, path, steps)
    text = writer.script()
    files = [path]
    if writer.arrays:
        files.append(path.with_suffix(".npz"))
        with replacing(files[1], "script's numbers") as partial, partial.open("wb") as file:
            np.savez(file, **writer.arrays)  # type: ignore[arg-type]
    with replacing(path, "script") as partial:
        partial.write_text(text, encoding="utf-8")
    return files


class _Writer:
    def __init__(self, program: Program, plan: Plan, path: Path, steps: int) -> None:
        self.program, self.plan, self.path, self.steps = program, plan, path, steps
        self.arrays: dict[str, NDArray[np.int64]] = {}
        numbers = 3 * len(plan.table) + 2 * program.neurons
        self.embed = numbers <= EMBEDDED
        self.mantissa = mantissas(plan.table, CoreWeights.initial(program))
        self.names: dict[str, int] = {}

    def script(self) -> str:
        plan = self.plan
        parts = [*self.sources()]
        ends = np.cumsum([len(g.neurons) for g in plan.groups]).tolist()
        for group, end in zip(plan.groups, ends, strict=True):
            parts.append(self.neurons(group, slice(end - len(group.neurons), end)))
        parts += [self.connection(c) for c in plan.connections]
        hosts = [s.name for s in self.program.sources if s.kind == "host"]
        load = ""
        if self.arrays:
            name = self.path.with_suffix(".npz").name
            load = f"numbers = np.load(os.path.join(HERE, {name!r}))\n"
        found = self.path.with_suffix("").name + "_spikes.npz"
        head = HEAD.format(
            title="A network", script=self.path.name, steps=self.steps, found=found, numbers=load,
            hosts=_quoted(", ".join(hosts)) or "no source",
            learned="\nSo do the weights that were learned, as NAME.weights (receiver, sender)."
            if self.program.rules else "",
            imports=IMPORTS if self.program.rules else "",
            teach=CONNECT if self.program.rules else "",
        )  # fmt: skip
        tail = TAIL.replace("LEARNED", LEARNED if self.program.rules else "")
        tail = tail.replace("ALSO", ", **learned" if self.program.rules else "")
        return head + f"FOUND = {found!r}\n\n" + "\n".join(parts) + tail

    def sources(self) -> list[str]:
        lines = []
        step, channel = generated(self.program.generators, 0, self.steps)
        heard = {block.name for block in self.plan.blocks}
        for symbol in self.program.sources:
            if symbol.name not in heard:
                continue
            name, first, size = symbol.name, symbol.first_channel, symbol.size
            if symbol.kind != "host":
                mine = (channel >= first) & (channel < first + size)
                events = np.stack([step[mine], channel[mine] - first], axis=1)
                lines.append(
                    f"# {_comment(name)}: as the machine's generators fire in the first "
                    f"{self.steps} steps; none later.\n"
                    f"given[{name!r}] = {self.array(f'spikes of {name}', events.ravel())}"
                    ".reshape(-1, 2)\n"
                    f"given[{name!r}] = given[{name!r}][given[{name!r}][:, 0] < STEPS]\n"
                )
            lines.append(f"processes[{name!r}] = source({name!r}, {size})\n")
        return lines

    def neurons(self, group: Group, place: slice) -> str:
        owner, index, scale = self._owner(group)
        v_init = np.concatenate([c.v_init for c in self.program.cores])[group.neurons]
        mant, exp = self.plan.bias_mant[place], self.plan.bias_exp[place]
        at = f" = {group.threshold / scale:g} in the network's units" if scale else ""
        threshold = f"{group.threshold} in LSBs of the state{at}; Lava shifts it by 6"
        if not group.spiking:
            threshold = "never passed: these neurons are only read"
        options = [
            (f"shape=({len(group.neurons)},)", ""),
            (f"du={group.ku - 1}", f"u loses {group.ku}/4096 per step, of which Lava adds one"),
            (f"dv={group.kv}", f"v loses {group.kv}/4096 per step"),
            (f"vth={group.vth}", threshold),
        ]
        if mant.any():
            options += [
                (f"bias_mant={self.constant(f'bias_mant of {group.name}', mant)}",
                 "added to v per step, shifted by bias_exp"),
                (f"bias_exp={self.constant(f'bias_exp of {group.name}', exp)}", ""),
            ]  # fmt: skip
        if v_init.any():
            initial = self.constant(f"v of {group.name}", v_init.astype(np.int64))
            options.append((f"v={initial}", "before the first step"))
        name = repr(group.name)
        where = self.array(f"index of {group.name}", index)
        return (
            f"processes[{name}] = LIF(\n{_lines(options)})\n"
            f"sinks[{name}] = (\n    {owner!r},\n    {where},  # index there\n"
            f"    Sink(shape=({len(group.neurons)},), buffer=STEPS),\n)\n"
        )

    def connection(self, c: Connection) -> str:
        count = self.names[c.name] = self.names.get(c.name, 0) + 1
        key = c.name if count == 1 else f"{c.name} ({count})"
        pre = self.plan.blocks[c.pre].name if c.from_source else self.plan.groups[c.pre].name
        post = self.plan.groups[c.post]
        values, exponent = lava_weights(c, self.mantissa[c.synapses], "fixed_pt")
        block = self.plan.blocks[c.pre] if c.from_source else None
        width = block.last - block.first if block else len(self.plan.groups[c.pre].neurons)
        shape = (len(post.neurons), width)
        rows, cols = (
            self.array(f"{n} of {key}", a) for n, a in (("rows", c.rows), ("cols", c.cols))
        )
        dense = "" if "Sparse" in c.kind else ".toarray()"
        weights = self.array(f"weights of {key}", values.astype(np.int64))
        options = [
            (f"weights=matrix(\n        {rows},\n        {cols},\n        {weights},\n"
             f"        {shape},\n    ){dense}", ""),
            (f"weight_exp={exponent}",
             f"with Lava's own 6 bits a weight of 1 moves u by {2.0 ** (exponent + 6):g}"),
        ]  # fmt: skip
        if "Delay" in c.kind:
            delays = self.array(f"delays of {key}", c.delays)
            options.append(
                (f"delays=matrix(\n        {rows},\n        {cols},\n        {delays},\n"
                 f"        {shape},\n    ){dense}", "0 is one step, which Lava adds")
            )  # fmt: skip
        if c.rule is not None:
            more, said = rule_options(self.program, c, c.rule, values)
            return (
                f"# {_comment(key)}: {len(values)} synapses.{said}\n"
                f"processes[{key!r}] = {c.kind}(\n{_lines([*options, *more])})\n"
                f"connect({pre!r}, {key!r}, {post.name!r})\nteach({key!r}, {post.name!r})\n"
            )
        twice = "; mixed signs lose their lowest bit in Lava, so weights are even" if (
            values.min(initial=0) < 0 < values.max(initial=0)
        ) else ""  # fmt: skip
        return (
            f"# {_comment(key)}: {len(values)} synapses{twice}.\n"
            f"processes[{key!r}] = {c.kind}(\n{_lines(options)})\n"
            f"connect({pre!r}, {key!r}, {post.name!r})\n"
        )

    def _owner(self, group: Group) -> tuple[str, NDArray[np.int64], float]:
        """Population, indices there, and scale where all have the same."""
        for population in self.program.populations:
            index = np.flatnonzero(np.isin(self.program.global_neurons(population), group.neurons))
            if len(index):
                scales = np.unique(population.scale[index])
                # A group's neurons are in the population's order.
                return population.name, index, float(scales[0]) if len(scales) == 1 else 0.0
        return group.name, np.arange(len(group.neurons)), 0.0

    def constant(self, name: str, values: NDArray[np.int64]) -> str:
        """One number where all are the same."""
        if len(np.unique(values)) == 1:
            return str(int(values[0]))
        return self.array(name, values)

    def array(self, name: str, values: NDArray[np.int64]) -> str:
        """A literal, or a place in the .npz."""
        values = np.asarray(values, np.int64)
        if not self.embed and len(values) > 8:
            key = name if name not in self.arrays else f"{name} ({len(self.arrays)})"
            self.arrays[key] = values
            return f"numbers[{key!r}]"
        if not len(values):
            return "np.zeros(0, int)"
        return f"np.array([{_wrapped(list(map(str, values.tolist())))}])"


def _lines(options: Sequence[tuple[str, str]]) -> str:
    return "".join(f"    {code},{'  # ' + why if why else ''}\n" for code, why in options)


def _wrapped(words: list[str]) -> str:
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 2 > WIDTH - 20:
            lines.append(line)
            line = ""
        line += f"{word}, "
    return "\n            ".join([*(kept.rstrip() for kept in lines), line.rstrip(", ")])


def _comment(text: str) -> str:
    """A user's name inside a comment or a docstring."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _quoted(text: str) -> str:
    return _comment(text).replace("\\", "/").replace('"""', "'''")
