"""SuperNeuroMAT's STDP as a rule.

In step t it counts only taps whose step is not before the beginning: tap k from step k + 1 on. A
rule counts all of them from step 0 on, so that what is too much in the first steps is given back:
``m*u``, with the modulator ``m`` from the host, which is 0 as soon as the last tap counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import NetworkError
from ..learning import Rule
from ..learning_rules import TapSTDP
from .exact import lowest_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 127
"""Of a modulator, and of a trace of the usual target."""
MAX_TAPS = 33


def tap_rule(
    apos: NDArray[np.float64],
    aneg: NDArray[np.float64],
    limits: tuple[float | None, float | None],
    scale: float | None,
) -> Rule:
    """The rule of a network's plastic synapses.

    Args:
        apos, aneg: (taps,), none negative, none positive.
        limits: of the weights, smallest and largest.
        scale: integers per unit, for a rule without rounding; None: real numbers.

    Raises:
        NetworkError: limits are missing, or numbers that a device cannot hold exactly.
    """
    w_min, w_max = limits
    if w_min is None or w_max is None:
        raise NetworkError(
            "the SuperNeuroMAT network learns: a device must know how far its weights can go",
            expected="w_min and w_max",
            remedy="from_superneuromat(snn, w_min=…, w_max=…), or the network as it is: "
            "snn.stdp = False",
        )
    if len(apos) > MAX_TAPS:
        raise NetworkError(
            "STDP has too many taps", found=str(len(apos)), expected=f"at most {MAX_TAPS}"
        )
    unit = warm_up(aneg)[0] if aneg.any() else 0.0
    if scale is None:
        rule = TapSTDP(apos.tolist(), aneg.tolist(), w_max, w_min=w_min)
    else:
        _check_exact(apos, aneg, unit, scale)
        whole = [(values * scale).tolist() for values in (apos, aneg)]
        low, high = w_min * scale, w_max * scale
        rule = TapSTDP(whole[0], whole[1], high, w_min=low, units="raw")
        unit *= scale
    return replace(rule, dw=f"{rule.dw} + {unit!r}*m*u") if unit else rule


def warm_up(
    aneg: NDArray[np.float64],
) -> tuple[float, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What one of the modulator is worth, and its steps and values in the first steps.

    Args:
        aneg: (taps,), not all 0.
    """
    missing = -np.cumsum(aneg[::-1])[::-1]  # by taps that do not count yet, step by step
    unit = float(np.exp2(lowest_bits(aneg).min()))
    if missing[0] > LARGEST * unit:
        unit = float(missing[0]) / LARGEST
    values = np.append(np.rint(missing / unit), 0.0).astype(np.int64)
    return unit, (np.arange(len(values)), values)


def _check_exact(
    apos: NDArray[np.float64], aneg: NDArray[np.float64], unit: float, scale: float
) -> None:
    window = float((apos - aneg)[1:].sum()) * scale
    if window > LARGEST:
        raise NetworkError(
            "STDP cannot be exact: its window is beyond a trace's range",
            found=f"apos - aneg of all taps but the first add up to {window:g} steps of "
            f"1/{scale:g}",
            expected=f"at most {LARGEST}",
            remedy="scale='auto', which rounds and reports",
        )
    if aneg.any() and unit != np.exp2(lowest_bits(aneg).min()):
        raise NetworkError(
            "STDP cannot be exact: the taps of aneg are too different for the first steps",
            found=f"they add up to {float(aneg.sum()):g}, in steps of "
            f"{float(np.exp2(lowest_bits(aneg).min())):g}",
            expected=f"at most {LARGEST} such steps",
            remedy="scale='auto', which rounds and reports",
        )
