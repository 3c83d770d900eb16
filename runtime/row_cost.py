"""What plastic rows cost the generated hardware: for the cycle formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.microcode import When
from ..hdl.cycles import PlasticRows
from .learning_image import changes_of

if TYPE_CHECKING:
    from ..compiler.program import Program
    from .row_plan import RowPlan


def plastic_rows(program: Program, plan: RowPlan, lanes: int) -> PlasticRows | None:
    """The rows of a plan as the formula wants them; None where nothing learns."""
    if not program.rules:
        return None
    products, numbers = [0], [0]
    for rule in program.rules:
        own = [group for group in rule.groups if group.when == When.PRE]
        products.append(sum(len(group.products) for group in own))
        numbers.append(2 * changes_of(rule, When.PRE))
    groups = np.where(plan.rule > 0, plan.last // lanes - plan.first // lanes + 1, 0)
    return PlasticRows(
        groups.astype(np.int32),
        np.array(products, np.int32)[plan.rule],
        np.array(numbers, np.int32)[plan.rule],
    )
