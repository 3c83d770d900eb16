"""SuperNeuroMAT networks in and out: the numbers exactly, its delay chains as delays.

``document.py`` reads what SuperNeuroMAT wrote, ``chains.py`` finds its delay chains, ``exact.py``
the scale at which every number is an integer, ``taps.py`` makes its STDP a rule, ``build.py`` makes
the Network and ``export.py`` goes back. docs/superneuromat.md says what is kept and what is
refused.
"""

from .build import from_superneuromat, superneuromat_ids, superneuromat_inputs
from .export import to_superneuromat

__all__ = [
    "from_superneuromat",
    "superneuromat_ids",
    "superneuromat_inputs",
    "to_superneuromat",
]
