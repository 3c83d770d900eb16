"""The compiled kernel: where it is, whether it fits this package, and its structures for ctypes.

The library has no CPython interface, so one file serves every Python version; in exchange nothing
checks argument types. The structures below repeat ``kernel.h`` field by field, and a library whose
interface number, structure sizes or source checksum differ is not used.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from ctypes import POINTER, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from ..source_checksum import source_checksum

FOLDER = Path(__file__).parent
LIBRARY_NAME = "_kernel.dll" if sys.platform == "win32" else "_kernel.so"
ABI = 6
INSTRUCTION_SETS = ("portable", "avx2", "avx512")
BEST = len(INSTRUCTION_SETS) - 1
REBUILD = (
    "with a C compiler installed, run: pip install --force-reinstall --no-deps spikeloom"
    " (in a source tree: pip install --no-deps -e .)"
)

(
    P_DECAY_U0, P_DECAY_U1, P_SHIFT, P_SCALE, P_LIMIT, P_SPIKING, P_DECAY_V, P_LEAK_STEP,
    P_SUBTRACT, P_DELAYED, P_V_RESET, P_REFRACTORY, P_HOLD, P_ADAPT_STEP, P_ADAPT_DECAY, P_COUNT,
) = range(16)  # fmt: skip
F_TWO, F_ADAPT, F_FULL, F_MIXED = 1, 2, 4, 8


class KernelUnavailableError(Exception):
    """Why the compiled kernel cannot be used; the text is for ``describe`` and for errors."""


def _fields(**groups: str) -> list[tuple[str, type]]:
    kinds = {"pointer": c_void_p, "int64": c_int64, "uint64": c_uint64, "int32": c_int32}
    return [(name, kinds[kind]) for kind, names in groups.items() for name in names.split()]


class Segment(ctypes.Structure):
    """Consecutive neurons of one core."""

    _fields_ = [
        ("first", c_int64),
        ("count", c_int64),
        ("core", c_int32),
        ("features", c_int32),
        ("parameters", c_int32 * P_COUNT),
        ("unused", c_int32),
    ]


class Drive(ctypes.Structure):
    """Consecutive Poisson channels with one synapse each onto consecutive neurons."""

    _fields_ = _fields(int64="channel target count", int32="receptor delay uniform recorded")


class Trace(ctypes.Structure):
    """One recorded variable."""

    _fields_ = _fields(pointer="neuron column start out", int64="width variable")


class Lane(ctypes.Structure):
    """What belongs to one thread."""

    _fields_ = [
        *_fields(int64="first last", pointer="stream row"),
        ("lines", c_int64),
        *_fields(int64="segment segment_end drive drive_end poisson poisson_end periodic"),
        *_fields(int64="periodic_end", pointer="saturations recorded_neurons recorded_channels"),
        *_fields(int64="neurons_used channels_used neuron_limit channel_limit"),
        *_fields(int64="records_neurons records_channels"),
        *_fields(pointer="neurons_per_step channels_per_step"),
        *_fields(int64="spikes events generated_room", pointer="generated"),
        ("fired_count", c_int64 * 2),
        ("generated_count", c_int64 * 2),
        *_fields(pointer="parts rules", int64="modulator"),
        ("pad", c_int64 * 8),
    ]


class Machine(ctypes.Structure):
    """The whole machine."""

    _fields_ = [
        *_fields(int64="neurons stride channels cores", uint64="step"),
        *_fields(int64="threads receptors slots parity instructions state_low state_high"),
        *_fields(pointer="u0 u1 v adapt refractory pending saturated theta bias adapt_key mixed"),
        *_fields(pointer="wheel events fired segments drives drive_key drive_probability"),
        *_fields(pointer="drive_value poisson_key poisson_probability poisson_channel"),
        *_fields(pointer="periodic_channel periodic_phase periodic_period periodic_next"),
        *_fields(pointer="neuron_mask channel_mask host_step graded_step host_channel"),
        *_fields(pointer="graded_neuron graded_value", int64="hosts gradeds"),
        ("traces", POINTER(Trace)),
        ("trace_count", c_int64),
        *_fields(pointer="rules memories", int64="rule_count learning modulator"),
        *_fields(pointer="teacher_step factor_step modulator_step teacher_neuron"),
        *_fields(pointer="factor_neuron factor_value modulator_value"),
        *_fields(int64="teachers factors modulators"),
        ("lanes", POINTER(Lane)),
    ]


class CoreMemory(ctypes.Structure):
    """Synapse memory of one core as the Program has it."""

    _fields_ = [
        *_fields(pointer="axon_start rows sparse_target sparse_weight sparse_delay dense_weight"),
        *_fields(pointer="plastic", int64="first_neuron sparse_bytes dense_bytes"),
    ]


class Layout(ctypes.Structure):
    """Everything needed to lay out the streams."""

    _fields_ = [
        *_fields(int64="sources threads", pointer="range thread_of"),
        ("cores", POINTER(CoreMemory)),
        *_fields(pointer="destination_start destination_core destination_axon"),
        ("row", POINTER(c_void_p)),
        ("stream", POINTER(c_void_p)),
        *_fields(pointer="words events single"),
    ]


class Counter(ctypes.Structure):
    """What clock cycles follow from."""

    _fields_ = [
        *_fields(int64="lanes queue pass_ channels"),
        *_fields(int64="prepare after_rows after_plastic written"),
        *_fields(pointer="start part cost driven set before"),
        *_fields(int64="before_count host stride", pointer="earliest walked"),
    ]


class Mesh(ctypes.Structure):
    """What clock cycles of several cores follow from, besides."""

    _fields_ = [
        ("counter", POINTER(Counter)),
        *_fields(int64="cores offered arrived room"),
        *_fields(pointer="region into priority home start to number table first end"),
        *_fields(pointer="list_start list"),
    ]


class Journal(ctypes.Structure):
    """What became of the flits of some steps."""

    _fields_ = _fields(pointer="start first taken arrived done passed waited")


class Fading(ctypes.Structure):
    """How a trace takes up events."""

    _fields_ = [
        *_fields(int32="kind replace impulse keep ages"),
        ("table", c_int32 * 32),
        ("unused", c_int32),
    ]


class Product(ctypes.Structure):
    """One product of a learning rule."""

    _fields_ = [*_fields(int32="coefficient condition factors"), ("factor", c_int32 * 3)]


class Group(ctypes.Structure):
    """One group of a learning rule."""

    _fields_ = _fields(int32="changes shift first count")


class Memory(ctypes.Structure):
    """Plastic synapses of one core and kind."""

    _fields_ = _fields(pointer="weight tag delay enable", int64="bytes")


class Part(ctypes.Structure):
    """A lane's synapses of a plastic row group."""

    _fields_ = [
        *_fields(pointer="place position target", int64="offset count memory"),
        *_fields(int32="first_position first_target pre receptor exponent delay all_enabled"),
        ("unused", c_int32),
    ]


class Rectangle(ctypes.Structure):
    """Dense rows with the same targets."""

    _fields_ = _fields(
        pointer="offset pre", int64="rows first_position memory all_enabled complete"
    )


class Rule(ctypes.Structure):
    """One learning rule and its projection."""

    _fields_ = [
        *_fields(pointer="group product"),
        ("first_group", c_int64 * 4),
        ("needs", c_int64 * 3),
        *_fields(int64="skips rounding"),
        ("low", c_int64 * 3),
        ("high", c_int64 * 3),
        *_fields(int64="post_delay period trace_max pre_size first_channel"),
        ("x_fading", Fading * 2),
        ("y_fading", Fading * 2),
        ("salt", c_uint32 * 2 * 3 * 3),
        *_fields(pointer="pre_of position_of key"),
        *((name, c_void_p * 2) for name in ("x_hash", "y_hash", "y_stored", "y")),
        *_fields(pointer="third_factor event fired_before first_part parts first_place place pre"),
        *_fields(pointer="sparse_memory first_rectangle rectangles rectangle"),
    ]


class LaneRule(ctypes.Structure):
    """What a lane has of a rule."""

    _fields_ = [
        *_fields(int64="position position_end"),
        ("x_stored", c_void_p * 2),
        ("x", c_void_p * 2),
        *_fields(pointer="x_event x_live x_list y_list live_list"),
        *_fields(int64="x_count y_count live_count"),
        ("unused", c_int64 * 2),
    ]


_STRUCTURES = (
    *(Machine, Lane, Segment, Drive, Trace, CoreMemory, Layout),
    *(Fading, Product, Group, Memory, Part, Rectangle, Rule, LaneRule, Counter, Mesh, Journal),
)


class Library:
    """The kernel's entry points."""

    def __init__(self, path: Path) -> None:
        """Load and check ``path``.

        Raises:
            KernelUnavailableError: it is missing, damaged, or not the one this package needs.
        """
        if sys.byteorder != "little":
            raise KernelUnavailableError(
                "the compiled kernel reads Programs only on little-endian hosts"
            )
        if not path.is_file():
            raise KernelUnavailableError(f"the compiled kernel is not there ({path}); {REBUILD}")
        try:
            library = ctypes.CDLL(str(path))
            self.mix = _entry(library, "sl_mix", None, c_void_p, c_int64)
            self.decay = _entry(library, "sl_decay", None, c_void_p, c_int64, c_int32)
            self.layout = _entry(library, "sl_layout", c_int64, POINTER(Layout))
            self.run = _entry(library, "sl_run", c_int64, POINTER(Machine), c_int64)
            self.walk = _entry(
                library, "sl_walk", None, POINTER(Counter), POINTER(Machine), c_int64
            )
            self.walk_mesh = _entry(
                library, "sl_walk_mesh", c_int64, POINTER(Mesh), POINTER(Machine), c_int64
            )
            self.carry = _entry(
                library, "sl_carry", c_int64, POINTER(Mesh), POINTER(Journal), c_int64
            )
            size = _entry(library, "sl_size", c_int64, c_int32)
            abi, source, threads, instructions = (
                _entry(library, name, c_int64)
                for name in ("sl_abi", "sl_source", "sl_threads", "sl_instructions")
            )
        except (OSError, AttributeError) as error:
            raise KernelUnavailableError(f"{path} cannot be used: {error}; {REBUILD}") from error
        if abi() != ABI:
            raise KernelUnavailableError(
                f"{path} has interface number {abi()}, this package needs {ABI}; {REBUILD}"
            )
        expected = source_checksum(path.parent)
        if expected is not None and source() != expected:
            raise KernelUnavailableError(
                f"{path} was built from other sources than those beside it; {REBUILD}"
            )
        for number, structure in enumerate(_STRUCTURES):
            if size(number) != ctypes.sizeof(structure):
                raise KernelUnavailableError(
                    f"{path} lays out {structure.__name__} in {size(number)} bytes,"
                    f" this package in {ctypes.sizeof(structure)}; {REBUILD}"
                )
        self.path = path
        self.max_threads: int = threads()
        self.instructions: int = instructions()


def _entry(library: ctypes.CDLL, name: str, result: type | None, *arguments: type) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


@functools.cache
def load(path: Path) -> Library:
    """The library at ``path``, loaded once.

    Raises:
        KernelUnavailableError: it cannot be used.
    """
    return Library(path)


def library() -> Library:
    """This package's own library.

    Raises:
        KernelUnavailableError: it cannot be used.
    """
    return load(FOLDER / LIBRARY_NAME)
