"""Products of rules as the generated hardware has them: factors by owner, aligned numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.microcode import Factor, When
from ..hdl.learning_tables import (
    ABOVE,
    BELOW,
    DELAY,
    MODULATOR,
    ONE,
    OWN1,
    OWN2,
    OWN_THIRD,
    SHARED1,
    SHARED2,
    SHARED_THIRD,
    SIGN,
    TAG,
    WEIGHT,
)

if TYPE_CHECKING:
    from ..compiler.microcode import Product
    from ..hdl.geometry import Geometry
    from ..hdl.layout import Table

_SYNAPSE = {
    Factor.W: WEIGHT, Factor.ABOVE: ABOVE, Factor.BELOW: BELOW, Factor.TAG: TAG,
    Factor.DELAY: DELAY, Factor.M: MODULATOR,
}  # fmt: skip
_ROW = {
    Factor.X1: SHARED1, Factor.X2: SHARED2, Factor.Y1: OWN1, Factor.Y2: OWN2, Factor.R: OWN_THIRD,
}  # fmt: skip
_COLUMN = {
    Factor.X1: OWN1, Factor.X2: OWN2, Factor.Y1: SHARED1, Factor.Y2: SHARED2,
    Factor.R: SHARED_THIRD,
}  # fmt: skip


def code_of(factor: int, when: When) -> int:
    """A factor in table `code`. What belongs to rows is shared by the synapses of a row, what
    belongs to neurons by those of a column, and only post groups walk columns."""
    plain = Factor(int(factor) & ~Factor.SIGN)
    places = {**_SYNAPSE, **(_COLUMN if when == When.POST else _ROW)}
    return places[plain] + (SIGN if int(factor) & Factor.SIGN else 0)


def encode_product(
    product: Product, when: When, shift: int, geometry: Geometry, table: Table
) -> dict[str, int]:
    """The fields of table `code` that say what is multiplied."""
    codes = [code_of(factor, when) for factor in product.factors]
    codes += [ONE] * (geometry.factors - len(codes))
    aligned = product.coefficient << geometry.fraction - shift
    fields = {f"factor{i}": code for i, code in enumerate(codes)}
    if table.has("high"):
        width = table.field("low").width
        fields["high"], aligned = aligned >> width, aligned % (1 << width)
    return {**fields, "low": aligned, "condition": int(product.condition)}
