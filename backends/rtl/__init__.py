"""The generated hardware, simulated: the same circuit that a board would hold.

``build.py`` turns a core into a shared library and keeps it (Amaranth, yosys, ``translate.py``, a
C++ compiler); ``compiled.py`` drives that library, ``interpreted.py`` Amaranth's own simulator
where there is no compiler; ``backend.py`` is the device, which loads Programs through the back door
into the core's memories.
"""

from .backend import RtlBackend

__all__ = ["RtlBackend"]
