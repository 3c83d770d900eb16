"""Make lava-nc 0.10 importable on Python 3.11 and later: call ``prepare()`` before importing it.

One of its modules uses instances of a dataclass as defaults of other dataclasses' fields. Since
3.11 Python refuses unhashable defaults, which these are. While that module is imported, and only
then, ``dataclass`` turns each such default into a factory that makes an equal instance.
"""

import copy
import dataclasses
import functools
import importlib
import inspect
import sys

_MODULE = "lava.magma.compiler.var_model"


def prepare():
    """Import the module in question with a more tolerant ``dataclass``."""
    if sys.version_info < (3, 11) or _MODULE in sys.modules:
        return
    original = dataclasses.dataclass
    dataclasses.dataclass = functools.partial(_tolerant, original)
    try:
        importlib.import_module(_MODULE)
    finally:
        dataclasses.dataclass = original


def _tolerant(original, cls=None, /, **options):
    """``dataclasses.dataclass`` with or without parentheses."""
    if cls is None:
        return functools.partial(_tolerant, original, **options)
    for name in inspect.get_annotations(cls):
        default = cls.__dict__.get(name)
        if dataclasses.is_dataclass(default) and type(default).__hash__ is None:
            factory = functools.partial(copy.copy, default)
            setattr(cls, name, dataclasses.field(default_factory=factory))
    return original(cls, **options)
