"""A device as its user sees it; the same calls whatever computes behind them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.program import Program
from ..errors import DeviceError, InputError
from ..recording import Scaled
from ..stimulus import Stimulus, check_steps, make_stimulus
from .backend import SATURATION_KINDS, CoreWeights, State
from .saturation import Counters, SaturationWarning, describe_saturation, saturated_neurons
from .snapshot import Snapshot
from .stream import ask_for_inputs, cut_stimulus, window_lengths
from .symbols import Symbols
from .watch import no_such, wanted_neurons, wanted_probes
from .weights import WeightMap, Weights, check_accumulators

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..compiler.program import Probe
    from ..recording import Result
    from .backend import Backend, LearningState
    from .stream import Inputs, StreamInputs


class Device:
    """A device that a Program can be loaded on; made by :func:`spikeloom.open`.

    A context manager; leaving it closes the device.
    """

    def __init__(self, backend: Backend, url: str | None = None) -> None:
        self.backend = backend
        self.url = url or backend.scheme
        self._program: Program | None = None
        self._closed = False
        self._torn = False

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "loaded" if self._program else "nothing loaded"
        return f"<Device {self.url!r}, {state}>"

    def close(self) -> None:
        """Release the device. Closing twice is allowed."""
        if not self._closed:
            self._closed = True
            self.backend.close()

    # ------------------------------------------------------------------ loading

    def load(self, program: Program | str | Path) -> None:
        """Load a Program, or the ``.loom`` file of one, and start at its beginning.

        Raises:
            FileError: the file or the Program is not valid.
            DeviceError: the device is closed.
        """
        self._check_open()
        if isinstance(program, (str, Path)):
            program = Program.load(program)
        elif isinstance(program, Program):
            program.verify()
        else:
            raise InputError(
                "only a Program can be loaded",
                found=type(program).__name__,
                expected="a spikeloom.Program, or the path of a .loom file",
                remedy="compile the network first: spikeloom.compile(network)",
            )
        self.backend.load(program)
        self._program = program
        self._symbols = Symbols(program)
        self._probes: tuple[Probe, ...] | None = None
        self._maps: dict[str, WeightMap] = {}
        self._projections = {p.name: p for p in program.projections}
        self._step, self._torn, self._learning = 0, False, bool(program.rules)
        self._clipped = np.zeros((len(program.cores), len(SATURATION_KINDS)), np.int64)

    @property
    def program(self) -> Program:
        """The loaded Program.

        Raises:
            DeviceError: nothing is loaded, or the device is closed.
        """
        self._check_open()
        if self._program is None:
            raise DeviceError(
                "no Program is loaded on the device",
                where=self.url,
                remedy="device.load(program) first",
            )
        return self._program

    @property
    def probes(self) -> tuple[Probe, ...]:
        """What a run records: the Program's probes, or those of ``watch``."""
        program = self.program
        return program.probes if self._probes is None else self._probes

    def watch(
        self,
        probes: Mapping[str, Iterable[str]] | None,
        neurons: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Choose what the next runs record, until a Program is loaded again.

        Args:
            probes: source or population -> variables, as ``Network.probe`` takes them; None: the
                Program's probes again.
            neurons: population -> indices of the neurons whose states are recorded, in that order;
                all of them where nothing is said. Spikes are always those of all neurons.

        Raises:
            InputError: there is no such name, variable or neuron; nothing is changed then.
        """
        program = self._check_loaded()
        chosen = None if probes is None else wanted_probes(program, probes)
        which = wanted_neurons(program, neurons or {})
        self._symbols.plan_recording(program.probes if chosen is None else chosen, which)
        self._probes = chosen

    @property
    def step(self) -> int:
        """Steps computed since the last reset: the absolute number of the next one."""
        self._check_loaded()
        return self._step

    @property
    def learning(self) -> bool:
        """Whether plastic projections learn; False where the Program has none.

        Setting it to False freezes weights, tags and delays; traces go on. ``reset`` leaves it as
        it is, snapshots hold it.

        Raises:
            InputError: set to what is no boolean, or to True where nothing can learn.
        """
        self._check_loaded()
        return self._learning

    @learning.setter
    def learning(self, on: bool) -> None:
        program = self._check_loaded()
        if not isinstance(on, (bool, np.bool_)):
            raise InputError(
                "learning is either on or off", found=repr(on), expected="True or False"
            )
        if on and not program.rules:
            raise InputError(
                "nothing in the loaded Program learns",
                where=self.url,
                remedy="connect with a rule: net.connect(…, learning=…)",
            )
        self.backend.set_learning(bool(on))
        self._learning = bool(on)

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError(
                "the device is closed", where=self.url, remedy="open it again: spikeloom.open(url)"
            )

    def _check_loaded(self) -> Program:
        """Something is loaded, and its state is one that the machine can be in."""
        program = self.program
        if self._torn:
            raise DeviceError(
                "the last run ended in the middle of a step",
                where=self.url,
                remedy="device.reset(), or restore a snapshot",
            )
        return program

    # ------------------------------------------------------------------ running

    def run(self, steps: int, inputs: Inputs | None = None) -> Result:
        """Run from where the last run ended.

        Args:
            steps: how many steps.
            inputs: name -> spikes of a source or graded values of a population, in the forms of
                :func:`spikeloom.stimulus.make_stimulus`; steps count from this run's first step.

        Returns:
            Exactly what the Program probes.

        Raises:
            InputError: the input is malformed; nothing has been computed then.
            DeviceError: nothing is loaded, or the device failed.
            KeyboardInterrupt: the run was interrupted. On the emulator's compiled kernel the next
                one goes on from where it stopped; elsewhere reset or restore comes first.

        Warns:
            SaturationWarning: numbers were clipped, with the names of the populations.
            RoundingWarning: graded values were too small for the device's numbers.
        """
        self._check_loaded()
        steps = check_steps(steps)
        return self._run(steps, self._stimulus(inputs, steps))

    def _stimulus(self, inputs: Any, steps: int) -> Stimulus:
        symbols = self._symbols
        return make_stimulus(
            inputs, steps, symbols.hosts, symbols.graded, symbols.generators, symbols.learning
        )

    def _run(self, steps: int, stimulus: Stimulus) -> Result:
        symbols, start = self._symbols, self._step
        events = symbols.encode(stimulus)
        try:
            data = self.backend.run(steps, events, symbols.record)
        except BaseException:
            self._torn = not self.backend.interruptible
            if not self._torn:
                state = self.backend.read_state()
                self._step, self._clipped = state.step, state.saturations
            raise
        self._step += steps
        result = symbols.decode(data, steps, start, self.url)
        self._warn_of_saturation(start)
        return result

    def stream(
        self, steps: int, inputs: StreamInputs = None, *, every: int = 1
    ) -> Iterator[Result]:
        """Run in windows and hand over each window's Result as soon as it is computed.

        Args:
            steps: how many steps in all.
            inputs: one of
                a mapping, as for ``run``, for all steps;
                a function ``(start, steps) -> mapping or None``, called before each window with
                its absolute first step (the ``start`` of the Result that will follow) and its
                length: a closed loop;
                an iterable of mappings or None, one for each window.
                Steps count from the window's first step in the last two cases.
            every: length of a window in steps; the last one may be shorter.

        Returns:
            An iterator over the Results of consecutive windows. Between two of them the device
            may be read and weights written, but not run.

        Raises:
            InputError: the input is malformed, or has fewer entries than there are windows.
            DeviceError: nothing is loaded, or the device was run between two windows.
        """
        program = self._check_loaded()
        steps, every = check_steps(steps), check_steps(every)
        if every == 0:
            raise InputError(
                "a window must have steps", found="every=0", expected="an integer from 1"
            )
        if inputs is None or isinstance(inputs, Mapping):
            feed = cut_stimulus(self._stimulus(inputs, steps), steps, every)
        else:
            windows = ask_for_inputs(inputs, steps, every, lambda: self._step)
            feed = (self._stimulus(given, length) for given, length in windows)
        return self._windows(feed, steps, every, self._step, program)

    def _windows(
        self, feed: Iterator[Stimulus], steps: int, every: int, step: int, program: Program
    ) -> Iterator[Result]:
        for length in window_lengths(steps, every):
            self._check_loaded()
            stimulus = next(feed)
            if self._step != step or self._program is not program:
                raise DeviceError(
                    "the device was moved while it was streaming",
                    found=f"step {self._step}",
                    expected=f"step {step}",
                    where=self.url,
                    remedy="finish or drop the stream before running, resetting or loading",
                )
            yield self._run(length, stimulus)
            step += length

    def _warn_of_saturation(self, start: int) -> None:
        counted, sticky = self.backend.read_saturation()
        if (counted == self._clipped).all():
            return
        risen, self._clipped = counted - self._clipped, counted
        message = describe_saturation(self._symbols, sticky, risen)
        warnings.warn(
            f"numbers were clipped at the end of their range during the run from step {start} to "
            f"{self._step - 1} {message}; compile with a smaller scale, or lower weights, bias or "
            "input",
            SaturationWarning,
            stacklevel=4,
        )

    # ------------------------------------------------------------------ reading and writing

    def read_weights(self, name: str) -> Weights:
        """The present weights and delays of a projection, in the network's units.

        Raises:
            InputError: there is no such projection.
        """
        self._check_loaded()
        return self._map(name).read(self.backend.read_weights())

    def write_weights(
        self, name: str, values: ArrayLike | Weights | None = None, *, raw: ArrayLike | None = None
    ) -> None:
        """Replace the weights of a projection.

        Args:
            name: the projection.
            values: in the network's units, rounded to the device's; one per synapse in the order
                of ``read_weights``, or an (n_pre, n_post) matrix.
            raw: instead of ``values``, the device's mantissas, in the same forms.

        Raises:
            InputError: wrong shape, a weight that does not fit or has no synapse, or weights
                with which an accumulator could overflow. The device is unchanged then.
        """
        program = self._check_loaded()
        if (values is None) == (raw is None):
            raise InputError("write_weights takes either values or raw")
        places = self._map(name)
        if raw is not None:
            mantissas = places.mantissas(raw)
        else:
            assert values is not None
            mantissas = places.quantised(values)
        places.check_sums(mantissas)
        weights = self.backend.read_weights()
        places.write(weights, mantissas)
        check_accumulators(program, self._symbols, weights)
        self.backend.write_weights(weights)

    def read_program(self) -> Program:
        """The loaded Program with the weights and delays that the device holds now.

        Saved, it starts where learning ended: ``device.read_program().save("learned.loom")``.
        """
        return self._check_loaded().with_weights(self.backend.read_weights())

    def read_tags(self, name: str) -> NDArray[np.int64]:
        """(k,) the tags of a projection's synapses now, in the order of ``read_weights``.

        Raises:
            InputError: there is no such projection, or it has no rule.
        """
        return self._plastic(name).tags(self._learning_state())

    def read_traces(self, name: str) -> dict[str, NDArray[np.int64]]:
        """The traces of a projection's rule now, as the device's integers.

        Returns:
            x1 and x2, (n_pre,), and y1 and y2, (n_post,): what the rule's products will see in
            the next step; 0 where the rule has no such trace.

        Raises:
            InputError: there is no such projection, or it has no rule.
        """
        program, rule = self.program, self._plastic(name).rule
        assert rule is not None
        state, top = self._learning_state(), program.target.trace_max
        (x, y), (x_end, y_end) = program.trace_start[program.rules.index(rule) :][:2].tolist()
        stored = {
            "x1": state.x[x:x_end, 0],
            "x2": state.x[x:x_end, 1],
            "y1": state.y[y:y_end, 0],
            "y2": state.y[y:y_end, 1],
        }
        return {
            name: getattr(rule, name).values(values.astype(np.int64), top)
            for name, values in stored.items()
        }

    def _plastic(self, name: str) -> WeightMap:
        self._check_loaded()
        places = self._map(name)
        if places.rule is None:
            learning = [self.program.projections[r.projection].name for r in self.program.rules]
            raise InputError(
                f"projection {name!r} does not learn",
                expected=f"one of {', '.join(map(repr, learning))}" if learning else None,
                remedy="connect with a rule: net.connect(…, learning=…)",
            )
        return places

    def _learning_state(self) -> LearningState:
        state = self.backend.read_state().learning
        assert state is not None, "a Program with rules has a state of learning"
        return state

    def _map(self, name: str) -> WeightMap:
        if name not in self._maps:
            if name not in self._projections:
                raise no_such("projection", name, self._projections)
            self._maps[name] = WeightMap(self.program, self._symbols, self._projections[name])
        return self._maps[name]

    def read_state(self, name: str) -> dict[str, Scaled]:
        """(size,) v, u0, u1 and threshold of a population now, in the network's units.

        Raises:
            InputError: there is no such population.
        """
        program = self._check_loaded()
        if name not in self._symbols.sizes:
            raise no_such("population", name, self._symbols.sizes)
        state = self.backend.read_state()
        neurons, scale = self._symbols.neurons(name), self._symbols.scale(name)
        fixed = np.concatenate([np.zeros(0, np.int32), *(c.threshold for c in program.cores)])
        raw = {
            "v": state.v,
            "u0": state.u[0],
            "u1": state.u[1],
            "threshold": fixed + state.adapt,
        }
        return {
            variable: Scaled(values[neurons] / scale, values[neurons])
            for variable, values in raw.items()
        }

    def counters(self) -> Counters:
        """What the device has counted since the last reset."""
        self._check_loaded()
        state = self.backend.read_state()
        clipped = state.saturations.sum(axis=0).tolist()
        return Counters(
            state.step,
            state.spikes,
            state.synaptic_events,
            dict(zip(SATURATION_KINDS, clipped, strict=True)),
            saturated_neurons(self._symbols, state.saturated),
        )

    # ------------------------------------------------------------------ state as a whole

    def reset(self, *, weights: bool = False) -> None:
        """Go back to step 0; traces, tags, third factors and the modulator become 0.

        Weights and learned delays stay as they are, unless ``weights=True``. ``learning`` stays on
        or off.
        """
        program = self.program
        if weights:
            self.backend.write_weights(CoreWeights.initial(program))
        state = State.initial(program)
        if state.learning is not None:
            state = replace(state, learning=replace(state.learning, on=self._learning))
        self._write_state(state)

    def snapshot(self) -> Snapshot:
        """State, weights and learned delays now, to go on from later, here or on any device."""
        program = self._check_loaded()
        return Snapshot(
            program.content_hash, self.backend.read_state(), self.backend.read_weights()
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot; the future is exactly the one that it had.

        Raises:
            InputError: it is no Snapshot, belongs to another Program, or no device could have made
                it. The device is unchanged then.
        """
        program = self.program
        if not isinstance(snapshot, Snapshot):
            raise InputError(
                "only a Snapshot can be restored",
                found=type(snapshot).__name__,
                remedy="read a file with spikeloom.Snapshot.load(path)",
            )
        snapshot.check(program)
        check_accumulators(program, self._symbols, snapshot.weights)
        self.backend.write_weights(snapshot.weights)
        self._write_state(snapshot.state)

    def _write_state(self, state: State) -> None:
        self.backend.write_state(state)
        self._step, self._torn = state.step, False
        self._learning = state.learning is not None and state.learning.on
        self._clipped = state.saturations.copy()
