"""What devices share that other simulators compute, each in an interpreter of its own.

``remote.py`` is the hold on the process, ``install.py`` makes its environment, ``peer_worker/`` is
the other end's common part, which imports nothing of the project; ``synapses.py`` finds a
Program's synapses as spikes find them, ``generators.py`` is sources that drive themselves.
"""
