"""The reference: docs/machine.md in NumPy, and by declaration the definition of the machine.

Every other device is compared with this one. It is written to be read beside the page, section by
section, and does nothing clever: ``sources.py`` is §4, ``deliver.py`` the first half of §2,
``neuron.py`` §3 and §5, ``backend.py`` holds the state of §6 and runs the steps.
"""

from .backend import ReferenceBackend

__all__ = ["ReferenceBackend"]
