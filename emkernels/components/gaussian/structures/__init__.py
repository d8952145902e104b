"""Families of covariances, by the names that users give them."""

from emkernels.components.gaussian.structures.base import Structure, below_floor, ill_defined
from emkernels.components.gaussian.structures.matrices import Full, Tied
from emkernels.components.gaussian.structures.variances import Diagonal, Spherical

STRUCTURES = {each.name: each for each in (Full, Tied, Diagonal, Spherical)}
COVARIANCE_TYPES = tuple(STRUCTURES)

__all__ = ["COVARIANCE_TYPES", "STRUCTURES", "Diagonal", "Full", "Spherical", "Structure", "Tied",
           "below_floor", "ill_defined", "structure_of"]


def structure_of(covariance_type, **attributes):
    """The :class:`Structure` of a covariance type, with prior, ridge and floor."""
    if covariance_type not in STRUCTURES:
        raise ValueError(
            "covariance_type must be 'full', 'tied', 'diag' or 'spherical', "
            f"got {covariance_type!r}"
        )
    return STRUCTURES[covariance_type](**attributes)
