"""A core of few logic cells: the machine as a program of a small sequencer."""
