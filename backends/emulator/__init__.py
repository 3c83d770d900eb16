"""The emulator: the machine of docs/machine.md, bit for bit and fast.

Two kernels compute the same numbers: a compiled one (``kernel.c``, no CPython interface, used
where it was built) and one in vectorised NumPy. ``backend.py`` chooses; ``c_kernel.py`` and
``numpy_kernel.py`` are the two.
"""

from .backend import EmulatorBackend

__all__ = ["EmulatorBackend"]
