"""The generated hardware core, in Amaranth.

``geometry``, ``layout``, ``registers``, ``streams`` and ``cycles`` are plain data without Amaranth:
the sizes of a core, its memories, its register map, what goes in and out, and its timing, from
which the hardware, the runtime and docs/hardware.md derive. Everything else here is hardware;
``core.Core`` is the whole of it.
"""
