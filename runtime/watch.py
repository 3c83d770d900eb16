"""What a user wants recorded, checked against a Program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from ..compiler.program import Probe
from ..errors import InputError
from .backend import Variable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program


def wanted_probes(program: Program, probes: Mapping[str, Iterable[str]]) -> tuple[Probe, ...]:
    """Probes of what a Program has.

    Args:
        program: that is loaded.
        probes: source or population -> variables.

    Raises:
        InputError: there is no such name or variable.
    """
    found: list[Probe] = []
    populations, sources = ([s.name for s in x] for x in (program.populations, program.sources))
    for name, variables in probes.items():
        if name not in populations and name not in sources:
            raise no_such("source or population", name, [*sources, *populations])
        known = ("spikes",) if name in sources else ("spikes", *get_args(Variable))
        for variable in (variables,) if isinstance(variables, str) else variables:
            if variable not in known:
                raise InputError(
                    f"{name!r} has no such variable",
                    found=repr(variable),
                    expected=f"one of {', '.join(known)}",
                )
            found.append(Probe(name, cast("Literal['spikes'] | Variable", variable)))
    return tuple(dict.fromkeys(found))


def wanted_neurons(program: Program, neurons: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
    """Population -> (k,) indices, in the user's order.

    Raises:
        InputError: there is no such population or neuron.
    """
    found = {}
    for name, given in neurons.items():
        population = program.population(name)
        if population is None:
            raise no_such("population", name, [p.name for p in program.populations])
        index = np.asarray(given)
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise InputError(
                f"neurons of {name!r} are chosen by their indices",
                found=f"shape {index.shape}, dtype {index.dtype}",
                expected="a list of integers",
            )
        wrong = (index < 0) | (index >= population.size)
        if wrong.any():
            raise InputError(
                f"there is no such neuron in {name!r}",
                found=int(index[np.argmax(wrong)]),
                expected=f"0 to {population.size - 1}",
            )
        found[name] = index.astype(np.int64)
    return found


def no_such(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name that a Program does not have."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(str(name), names, n=1)
    listed = ", ".join(map(repr, names[:10])) + (", …" if len(names) > 10 else "")
    return InputError(
        f"there is no {kind} of this name",
        found=repr(name),
        expected=f"one of {listed}" if names else f"nothing: the Program has no {kind}s",
        remedy=f"did you mean {close[0]!r}?" if close else None,
    )
