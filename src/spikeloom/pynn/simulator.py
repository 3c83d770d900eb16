"""The state of the simulation, under the names by which ``pyNN.common`` asks for it.

PyNN has one simulation at a time, so this module holds one :data:`state`. Everything that users
build is collected here; the first ``run`` turns it into a plan (``plan.py``) and hands that to an
engine (``engine.py``), which is either a device of the runtime or the floating-point simulation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common

from ..compiler.checks import STEP_TOLERANCE, show
from ..compiler.origin import warn_user
from ..errors import DeviceError, UnsupportedError
from .engine import FLOAT, Engine, open_engine
from .plan import Plan, make_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.quantise import Quantization
    from ..compiler.target import Target
    from .electrodes import CurrentSource
    from .populations import Population
    from .projections import Projection

name = "Spikeloom"

CHUNK_VALUES = 1 << 22
"""How many recorded and injected numbers one piece of a run holds at most (32 MB)."""
CHUNK_STEPS = 1 << 16


class ID(int, common.IDMixin):
    """A neuron's number; as an object it also knows its population."""


class State(common.control.BaseState):
    """What is being simulated, and how far it is.

    Attributes:
        dt: length of a step in ms.
        step: how many steps have been computed since the last reset.
        running: whether there has been a run since the last reset.
        segment_counter: number of the present segment of recorded data.
        populations, projections, current_sources: everything that was built, in that order.
        engine: what computes; opened by ``configure``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mpi_rank, self.num_processes = 0, 1
        self.engine: Engine = open_engine(FLOAT)
        self.is_set_up = False
        self.dt = 0.1
        self.seed = 0
        self.clear()

    def configure(
        self,
        timestep: float,
        device: str,
        target: str | Target | None,
        quantization: Quantization | None,
        seed: int,
    ) -> None:
        """Begin anew: drop the network, open the device."""
        self.engine.close()
        self.clear()
        self.is_set_up = False
        self.engine = open_engine(device, target, quantization)
        self.dt, self.seed, self.is_set_up = float(timestep), seed, True

    def check_set_up(self) -> None:
        """Something is about to be built or run.

        Raises:
            DeviceError: there was no ``setup``, or an ``end`` since.
        """
        if not self.is_set_up:
            raise DeviceError("no device is open", remedy='call setup(device="emulator") first')

    def clear(self) -> None:
        """Forget the network and all that belongs to it."""
        self.recorders: set[Any] = set()
        self.write_on_end: list[Any] = []
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.current_sources: list[CurrentSource] = []
        self.id_counter = 0
        self.segment_counter = -1
        self._min_delay: float | str = "auto"
        self._max_delay: float | str = "auto"
        self.plan: Plan | None = None
        self.changed = True
        self.new_weights: set[Projection] = set()
        self.loaded = 0  # projections that the engine knows
        self.reset()

    def reset(self) -> None:
        """Go back to t = 0; the network, its parameters and what is recorded stay."""
        self.running = False
        self.step = 0
        self.t_start = 0
        self.segment_counter += 1
        self.plan = None  # loaded anew at the next run, with initial values and initial weights
        for recorder in self.recorders:
            recorder.begin()
        for source in self.current_sources:
            source.begin()

    # ------------------------------------------------------------------ time and delays

    @property
    def t(self) -> float:
        """Now, in ms."""
        return float(self.milliseconds(self.step))

    def milliseconds(self, steps: Any) -> NDArray[np.float64]:
        """Steps as ms, free of the noise of multiplication (3 x 0.1 is 0.3)."""
        return np.round(np.asarray(steps) * self.dt, 9)

    def steps(self, times: Any, what: str) -> NDArray[np.int64]:
        """Times in ms as the nearest whole numbers of steps; ``what`` is not is told."""
        times = np.asarray(times, np.float64)
        exact = times / self.dt
        steps = np.rint(exact)
        off = np.abs(exact - steps) > STEP_TOLERANCE * np.maximum(1.0, np.abs(steps))
        if off.any():
            first = times[off].reshape(-1)[0]
            rounded = float(steps[off].reshape(-1)[0]) * self.dt
            others = f" (and {np.count_nonzero(off) - 1} more)" if np.count_nonzero(off) > 1 else ""
            warn_user(
                f"{what} of {show(first)} ms is no whole number of steps of {show(self.dt)} ms"
                f"{others}; rounded to {show(rounded)} ms"
            )
        return steps.astype(np.int64)

    @property
    def min_delay(self) -> float:
        """Smallest delay: as given to ``setup``, or that of the network, or one step."""
        if self._min_delay != "auto":
            return float(self._min_delay)
        delays = [p.delay_steps.min() for p in self.projections if len(p)]
        return float(self.milliseconds(min(delays, default=1)))

    @min_delay.setter
    def min_delay(self, value: float | str) -> None:
        self._min_delay = value

    @property
    def max_delay(self) -> float:
        """Largest delay that is possible: as given to ``setup``, or the device's."""
        if self._max_delay != "auto":
            return float(self._max_delay)
        most = self.engine.max_delay
        return float("inf") if most is None else float(self.milliseconds(most))

    @max_delay.setter
    def max_delay(self, value: float | str) -> None:
        self._max_delay = value

    # ------------------------------------------------------------------ running

    def touch(self) -> None:
        """Something about the network changed that the engine has to know."""
        self.changed = True

    def refuse(self, model: str, what: str, known: frozenset[str]) -> None:
        """Refuse a model that the device does not run.

        Args:
            model: name of the PyNN model.
            what: ``"cell type"`` or ``"synapse type"``.
            known: those that the device runs.

        Raises:
            UnsupportedError: it is none of them.
        """
        self.check_set_up()
        if model in known:
            return
        nearest = "IF_curr_exp" if what == "cell type" else "StaticSynapse"
        raise UnsupportedError(
            f"device {self.engine.url!r} does not have the {what} {model}",
            found=model,
            expected="one of " + ", ".join(sorted(known)),
            remedy=f'use {nearest}, the nearest that it has, or setup(device="float"), which '
            f"simulates {model} in floating point",
        )

    def finish(self) -> None:
        """Release the device; what was recorded and learned stays readable."""
        for projection in self.projections:
            projection.keep()
        self.plan, self.changed = None, True
        self.engine.close()
        self.is_set_up = False

    def prepare(self) -> Plan:
        """The engine knows the network as it is now, and goes on from where it was."""
        self.check_set_up()
        old, plan = self.plan, self.plan
        if plan is None or self.changed:
            self.plan = plan = make_plan(self)
            if not plan.cells:
                pass  # sources alone need no engine
            elif old is None or not old.cells:
                self.engine.load(plan)
            else:
                self.engine.update(plan)
        else:
            for projection in self.new_weights:
                for part in projection.parts():
                    self.engine.write_weights(part)
        self.changed = False
        self.loaded = len(self.projections)
        self.new_weights.clear()
        return plan

    def run(self, simtime: float) -> None:
        """Compute ``simtime`` ms more."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Compute up to ``tstop`` ms."""
        stop = int(self.steps(tstop, "a run's end"))
        plan = self.prepare()
        self.running = True
        while self.step < stop:
            width = sum(recorder.width for recorder in self.recorders)
            width += sum(source.width for source in self.current_sources)
            piece = min(stop - self.step, CHUNK_STEPS, max(1, CHUNK_VALUES // max(1, width)))
            self._advance(plan, piece)

    def _advance(self, plan: Plan, steps: int) -> None:
        first = self.step
        spikes = {p.name: p.emit(first, steps) for p in self.populations if p.is_source}
        currents: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for source in self.current_sources:
            source.flow(first, steps, currents)
        wanted = {recorder.name: recorder.variables for recorder in self.recorders}
        output = self.engine.run(steps, spikes, currents, wanted) if plan.cells else None
        for recorder in self.recorders:
            if recorder.name in spikes:
                recorder.note(first, steps, spikes[recorder.name], {})
            elif output is not None:
                found = output.states.get(recorder.name, {})
                recorder.note(first, steps, output.spikes.get(recorder.name), found)
        self.step += steps


state = State()
