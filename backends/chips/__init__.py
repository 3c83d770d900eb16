"""Latency and energy of many-core chips: the traffic of a Program, timed by a chip's numbers."""
