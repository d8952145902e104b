"""Where the choice of a mixture was before it had a room."""

from emkernels.models.mixture.selection import SelectionResult, select_mixture

__all__ = ["SelectionResult", "select_mixture"]
