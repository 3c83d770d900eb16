"""Lava 0.10 as a device: a Program becomes processes of Lava's own models.

``plan.py`` says which processes neurons and synapses become, ``refuse.py`` what has none and why.
``backend.py`` is the device,
``learning.py`` a rule in Lava's language and ``learning_state.py`` what the host adds to it,
``transit.py`` translates spikes on their way, ``worker/`` runs beside Lava, ``script.py`` writes
the same network as a script for Lava (``script_rule.py`` its rules), ``install.py`` installs Lava
where pip refuses to. ``../peer`` has what Brian2 needs as well. docs/lava.md is the page.
"""

from .backend import LavaBackend

__all__ = ["LavaBackend"]
