"""The emulator as a device: options, choice of the kernel, and checks of what it is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DeviceError
from ...runtime.backend import Backend, CoreWeights, lane_count
from ...runtime.timing import Timing
from . import native
from .c_kernel import CKernel
from .checks import check_run, check_state_values, check_weight_values
from .numpy_kernel import NumpyKernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, Record, RunData, State

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
        cycles: whether to count them at all, ``"on"`` or ``"off"`` (or a bool), or ``"auto"``: of
            Programs of one core. Small networks with much input run up to twice as fast without,
            lively ones on several cores several times as fast.

    Raises:
        DeviceError: an option is wrong, or the compiled kernel was asked for and cannot be used.
    """

    scheme = "emulator"

    def __init__(
        self,
        threads: int | str = 1,
        kernel: str = "auto",
        lanes: int | str | None = None,
        cycles: bool | str = "auto",
    ) -> None:
        self._threads = _thread_count(threads)
        self._lanes = None if lanes is None else lane_count(lanes)
        self._counts = None if cycles == "auto" else _switch("cycles", cycles)
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
        self._counted = False

    def load(self, program: Program) -> None:
        """Take a verified Program and reset everything to its beginning."""
        self._kernel = None  # the old one's memory is free before the new one is built
        self._program = program
        weights = CoreWeights.initial(program)
        if program.rules:  # they will change
            weights = tuple(one.copy() for one in weights)
        timing = self._timing(program)
        self._counted = timing.counts
        if self._library is None:
            self._kernel = NumpyKernel(program, weights, timing)
        else:
            self._kernel = CKernel(self._library, program, weights, timing, self._threads)

    def _timing(self, program: Program) -> Timing:
        if self._counts is None and len(program.cores) > 1:
            return Timing(
                why_not=f"a program of {len(program.cores)} cores, and nobody asked for them "
                "(emulator?cycles=on)"
            )
        return Timing() if self._counts is False else Timing.of(program, self._lanes)

    def _loaded(self) -> CKernel | NumpyKernel:
        if self._kernel is None:
            raise DeviceError(
                "the emulator has no program", remedy="call load(program) before anything else"
            )
        return self._kernel

    def run(self, steps: int, events: Events, record: Record) -> RunData:
        """Compute ``steps`` steps from where the last run ended.

        Cycles are those of the generated hardware, of several cores those of its mesh.

        Raises:
            DeviceError: the arguments do not belong to the loaded Program.
        """
        kernel = self._loaded()
        if steps < 0:
            raise DeviceError("a run cannot have fewer than no steps", found=steps)
        check_run(self._program, events, record)
        return kernel.run(int(steps), events, record)

    def read_state(self) -> State:
        """A copy of the state."""
        return self._loaded().read_state()

    def write_state(self, state: State) -> None:
        """Continue from ``state``; its future is exactly the one it would have had.

        Raises:
            DeviceError: an array's shape is not the loaded Program's, or a value is out of range.
        """
        kernel = self._loaded()
        check_state_values(self._program, state)
        kernel.write_state(state)

    def read_weights(self) -> tuple[CoreWeights, ...]:
        """A copy of the weights and of learned delays, one entry per core."""
        return tuple(weights.copy() for weights in self._loaded().weights)

    def write_weights(self, weights: tuple[CoreWeights, ...]) -> None:
        """Replace the weights, and delays where rules change them.

        Raises:
            DeviceError: shapes, widths or ranges are not those of the loaded Program.
        """
        kernel = self._loaded()
        check_weight_values(self._program, weights)
        learns_delays = any(rule.changes_delays for rule in self._program.rules)
        copies = tuple(
            CoreWeights(
                np.array(given.sparse, core.sparse_weight.dtype, order="C"),
                np.array(given.dense, core.dense_weight.dtype, order="C"),
                np.array(given.delay, np.uint8, order="C") if learns_delays else None,
            )
            for core, given in zip(self._program.cores, weights, strict=True)
        )
        kernel.set_weights(copies)

    def set_learning(self, on: bool) -> None:
        """Let the Program's rules change synapses, or not; traces go on in any case."""
        kernel = self._loaded()
        if self._program.rules:
            kernel.set_learning(on)

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
            "cycles": self._counts is not False,
        }
        if self._kernel is None:
            return facts
        return {**facts, "cycles": self._counted, **self._kernel.describe()}

    def close(self) -> None:
        """Release the memory of the loaded Program."""
        self._kernel = None


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


def _switch(name: str, value: bool | str) -> bool:
    if value not in (True, False, "on", "off"):
        raise DeviceError(
            f"the emulator's option {name} has no such value",
            found=repr(value),
            expected="'on', 'off' or 'auto'",
            where=f"option {name}",
        )
    return value in (True, "on")


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
