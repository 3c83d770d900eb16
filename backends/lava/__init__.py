"""Lava 0.10 as a device: a Program becomes processes of Lava's own models.

``synapses.py`` finds a Program's synapses as spikes find them, ``plan.py`` says which processes
they and the neurons become, ``refuse.py`` what has none and why. ``backend.py`` is the device,
``learning.py`` is a rule in Lava's language
and ``learning_state.py`` what the host adds to it, ``transit.py`` translates spikes on their way, ``generators.py`` is sources that drive themselves,
``remote.py`` its hold on the process that ``worker/`` runs in, ``script.py`` writes the same
network as a script for Lava, ``install.py`` installs Lava where pip refuses to. docs/lava.md is
the page.
"""

from .backend import LavaBackend

__all__ = ["LavaBackend"]
