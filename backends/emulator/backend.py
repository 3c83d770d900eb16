"""The emulator as a device: options, choice of the kernel, and checks of what it is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...runtime.backend import Backend, CoreWeights, State, refuse_learning
from ...runtime.timing import Timing
from . import native
from .c_kernel import CKernel
from .numpy_kernel import NumpyKernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record, RunData

KERNELS = ("auto", "c", "numpy")
MOST_THREADS = 255


class EmulatorBackend(Backend):
    """The machine in software.

    Args:
        threads: threads of the compiled kernel, 1 to 255 (an integer or its text). Results do not
            depend on it; a thread that would have fewer than 64 neurons is not used.
        kernel: ``"c"`` for the compiled kernel, ``"numpy"`` for the NumPy one, ``"auto"`` for the
            compiled one where there is one.
        lanes: count the clock cycles of hardware with so many lanes (a power of two, 1 to 64)
            instead of the target's; nothing else depends on it.

    Raises:
        DeviceError: an option is wrong, or the compiled kernel was asked for and cannot be used.
    """

    scheme = "emulator"

    def __init__(
        self, threads: int | str = 1, kernel: str = "auto", lanes: int | str | None = None
    ) -> None:
        self._threads = _thread_count(threads)
        self._lanes = None if lanes is None else _lane_count(lanes)
        if kernel not in KERNELS:
            raise DeviceError(
                "the emulator has no such kernel",
                found=repr(kernel),
                expected="one of " + ", ".join(map(repr, KERNELS)),
                where="option kernel",
            )
        self._library, self._why_not_c = _choose(kernel)
        # Python code can be interrupted in the middle of a step, a call of the library cannot.
        self.interruptible = self._library is not None
        self._kernel: CKernel | NumpyKernel | None = None

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning."""
        refuse_learning(program, self.scheme)
        self._kernel = None  # the old one's memory is free before the new one is built
        self._program = program
        self._weights = tuple(CoreWeights(c.sparse_weight, c.dense_weight) for c in program.cores)
        timing = Timing.of(program, self._lanes)
        if self._library is None:
            self._kernel = NumpyKernel(program, self._weights, timing)
        else:
            self._kernel = CKernel(self._library, program, self._weights, timing, self._threads)

    def _loaded(self) -> CKernel | NumpyKernel:
        if self._kernel is None:
            raise DeviceError(
                "the emulator has no program", remedy="call load(program) before anything else"
            )
        return self._kernel

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended.

        Cycles are those of the generated hardware, known for Programs of one core.

        Raises:
            DeviceError: the arguments do not belong to the loaded Program.
        """
        kernel = self._loaded()
        if steps < 0:
            raise DeviceError("a run cannot have fewer than no steps", found=steps)
        self._check_run(events, record)
        return kernel.run(int(steps), events, record)

    def _check_run(self, events: Events, record: Record) -> None:
        """Numbers outside the Program would be written outside the arrays."""
        n, channels = self._program.neurons, self._program.channels
        for what, values, size in (
            ("channel of a spike", events.spike_channel, channels),
            ("neuron of a graded event", events.graded_neuron, n),
            *(("recorded neuron", which, n) for _, which in record.states),
        ):
            if len(values) and not 0 <= values.min() <= values.max() < size:
                raise DeviceError(
                    f"the {what} is out of range",
                    found=f"{values.min()} … {values.max()}",
                    expected=f"0 … {size - 1}",
                )
        for what, values in (("spikes", events.spike_step), ("graded", events.graded_step)):
            if len(values) and (values[0] < 0 or (np.diff(values) < 0).any()):
                raise DeviceError(f"the steps of the {what} events are not ascending from 0")
        for what, found, size in (
            ("spike_channel", events.spike_channel, len(events.spike_step)),
            ("graded_neuron", events.graded_neuron, len(events.graded_step)),
            ("graded_value", events.graded_value, len(events.graded_step)),
            ("record.neurons", record.neurons, n),
            ("record.channels", record.channels, channels),
        ):
            if np.shape(found) != (size,):
                raise DeviceError(
                    f"{what} has the wrong shape", found=np.shape(found), expected=(size,)
                )
        self._check_range("graded_value", events.graded_value, -self._program.target.state_max - 1)

    def read_state(self) -> State:
        """A copy of the state."""
        return self._loaded().read_state()

    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had.

        Raises:
            DeviceError: an array's shape is not the loaded Program's, or a value is out of range.
        """
        kernel = self._loaded()
        for name, expected in vars(State.initial(self._program)).items():
            _check_shape(f"state {name!r}", getattr(state, name), expected)
        low = -self._program.target.state_max - 1
        for name, least in (("u", low), ("v", low), ("adapt", 0)):
            self._check_range(f"state {name!r}", getattr(state, name), least)
        kernel.write_state(state)

    def _check_range(self, what: str, values: NDArray[Any], least: int) -> None:
        top = self._program.target.state_max
        if values.size and not least <= values.min() <= values.max() <= top:
            raise DeviceError(
                f"{what} is out of the state's range",
                found=f"{values.min()} … {values.max()}",
                expected=f"{least} … {top}",
            )

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights, one entry per core."""
        self._loaded()
        return tuple(CoreWeights(w.sparse.copy(), w.dense.copy()) for w in self._weights)

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights.

        Raises:
            DeviceError: shapes or widths are not those of the loaded Program.
        """
        kernel = self._loaded()
        cores = self._program.cores
        if len(weights) != len(cores):
            raise DeviceError(
                "weights do not fit the loaded program",
                found=f"weights of {len(weights)} cores",
                expected=f"weights of {len(cores)} cores",
            )
        for number, (core, given) in enumerate(zip(cores, weights, strict=True)):
            for name, found, expected in (
                ("sparse", given.sparse, core.sparse_weight),
                ("dense", given.dense, core.dense_weight),
            ):
                _check_shape(f"{name} weights of core {number}", found, expected)
                _check_width(f"{name} weights of core {number}", found, expected)
        copies = tuple(
            CoreWeights(
                given.sparse.astype(core.sparse_weight.dtype),
                given.dense.astype(core.dense_weight.dtype),
            )
            for core, given in zip(cores, weights, strict=True)
        )
        kernel.set_weights(copies)
        self._weights = copies

    def read_saturation(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Copies of ``State.saturations`` and ``State.saturated`` alone."""
        return self._loaded().read_saturation()

    def describe(self) -> dict[str, Any]:
        """The kernel in use and why; after ``load`` also what it made of the Program."""
        facts: dict[str, Any] = {
            "scheme": self.scheme,
            "kernel": "numpy" if self._library is None else "c",
            "instruction_set": "numpy"
            if self._library is None
            else native.INSTRUCTION_SETS[min(native.BEST, self._library.instructions)],
            "threads": 1
            if self._library is None
            else min(self._threads, self._library.max_threads),
            "why_not_c": self._why_not_c,
            "cycles": True,
        }
        return facts if self._kernel is None else {**facts, **self._kernel.describe()}

    def close(self) -> None:
        """Release the memory of the loaded Program."""
        self._kernel = None
        self._weights = ()


def _thread_count(threads: int | str) -> int:
    try:
        count = int(str(threads))
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_THREADS:
        raise DeviceError(
            "the emulator cannot use that many threads",
            found=repr(threads),
            expected=f"an integer from 1 to {MOST_THREADS}",
            where="option threads",
        )
    return count


def _lane_count(lanes: int | str) -> int:
    try:
        count = int(str(lanes))
    except ValueError:
        count = 0
    if not 1 <= count <= 64 or count & (count - 1):
        raise DeviceError(
            "the generated hardware cannot have that many lanes",
            found=repr(lanes),
            expected="a power of two from 1 to 64",
            where="option lanes",
        )
    return count


def _choose(kernel: str) -> tuple[native.Library | None, str | None]:
    """The library to use, or None and why there is none."""
    if kernel == "numpy":
        return None, "the NumPy kernel was asked for"
    try:
        return native.library(), None
    except native.KernelUnavailableError as reason:
        if kernel == "auto":
            return None, str(reason)
        raise DeviceError(
            "the emulator's compiled kernel cannot be used",
            found=str(reason),
            where="option kernel",
            remedy="use kernel=auto or kernel=numpy, which gives the same results, only slower",
        ) from None


def _check_shape(what: str, found: Any, expected: Any) -> None:
    if np.shape(found) != np.shape(expected):
        raise DeviceError(
            f"{what} does not fit the loaded program",
            found=f"shape {np.shape(found)}",
            expected=f"shape {np.shape(expected)}",
            remedy="load the program that it was read from",
        )


def _check_width(what: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    limits = np.iinfo(expected.dtype)
    if found.dtype.kind not in "iu" or (
        found.size and not limits.min <= found.min() <= found.max() <= limits.max
    ):
        raise DeviceError(
            f"{what} do not fit the loaded program",
            found=f"{found.dtype}",
            expected=f"integers that fit {expected.dtype}",
        )
