"""Make Lava 0.10 importable on Python 3.11 and later.

One of its modules uses instances of a dataclass as defaults of other dataclasses' fields. Since
3.11 Python refuses unhashable defaults, which these are. While that module is imported, and only
then, ``dataclass`` turns each such default into a factory that makes an equal copy.

``python -m spikeloom.backends.lava.install`` puts this file beside Lava, with a ``.pth`` file that
imports it when Python starts; it does nothing until Lava is imported.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from typing import Any

MODULE = "lava.magma.compiler.var_model"


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(_execute, spec.loader.exec_module)
        return spec


def prepare() -> None:
    """From now on Lava can be imported; before 3.11 there is nothing to do."""
    if sys.version_info >= (3, 11) and not any(type(f) is _Finder for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _execute(original: Any, module: Any) -> None:
    kept = dataclasses.dataclass
    dataclasses.dataclass = functools.partial(_tolerant, kept)  # type: ignore[assignment]
    try:
        original(module)
    finally:
        dataclasses.dataclass = kept


def _tolerant(original: Any, cls: Any = None, /, **options: Any) -> Any:
    """``dataclasses.dataclass``, with or without parentheses."""
    if cls is None:
        return functools.partial(_tolerant, original, **options)
    for name in inspect.get_annotations(cls):
        default = cls.__dict__.get(name)
        if dataclasses.is_dataclass(default) and type(default).__hash__ is None:
            factory = functools.partial(copy.copy, default)
            setattr(cls, name, dataclasses.field(default_factory=factory))
    return original(cls, **options)


prepare()
