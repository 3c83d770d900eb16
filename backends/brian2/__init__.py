"""Brian2 as a device: a Program's neurons and synapses in double precision, without rounding.

``backend.py`` is the device, ``worker/`` runs in an interpreter that has Brian2 and imports nothing
of the project, ``install.py`` makes its environment. docs/brian2.md is the page.
"""

from .backend import Brian2Backend

__all__ = ["Brian2Backend"]
