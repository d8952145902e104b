"""Where the choice of a mixture was before it had a room."""

from emkernels.models.mixture.selection import (
    CAREFUL,
    CRITERIA,
    SelectionResult,
    select_mixture,
    split_components,
)

__all__ = ["CAREFUL", "CRITERIA", "SelectionResult", "select_mixture", "split_components"]
