"""Lava in a process of its own; runs in whatever interpreter has Lava, and needs nothing of ours.

Importing Lava sets multiprocessing's start method and brings a top-level package ``tests``, and
each of its processes is one of the operating system. So it is imported here only, and this package
imports nothing but the standard library, NumPy, SciPy and Lava. The other side is
``backends/lava/remote.py``; what the two say to each other is in ``frames.py``.
"""
