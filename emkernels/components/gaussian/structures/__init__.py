"""Families of covariances, by the names that users give them."""

from emkernels.components.gaussian.structures.alternating import EEV, EVI, EVV, VEE, VEI, VEV
from emkernels.components.gaussian.structures.base import Structure, below_floor, ill_defined
from emkernels.components.gaussian.structures.lettered import EEE, EEI, EII, VII, VVI, VVV
from emkernels.components.gaussian.structures.matrices import Full, Tied
from emkernels.components.gaussian.structures.orientation import EVE, VVE
from emkernels.components.gaussian.structures.variances import Diagonal, Spherical

# one for each kernel, of the shape of what it takes
PLAIN = {each.name: each for each in (Full, Tied, Diagonal, Spherical)}
LETTERED = {each.name: each for each in (
    EII, VII, EEI, VEI, EVI, VVI, EEE, VEE, EVE, VVE, EEV, VEV, EVV, VVV)}
STRUCTURES = {**PLAIN, **LETTERED}
COVARIANCE_TYPES = tuple(STRUCTURES)

__all__ = ["COVARIANCE_TYPES", "LETTERED", "PLAIN", "STRUCTURES", "Diagonal", "Full", "Spherical",
           "Structure", "Tied", "below_floor", "ill_defined", "is_within", "kernel_structure",
           "same_as", "structure_of"]


def structure_of(covariance_type, **attributes):
    """The :class:`Structure` of a covariance type, with prior, ridge and floor."""
    if covariance_type not in STRUCTURES:
        raise ValueError(
            "covariance_type must be 'full', 'tied', 'diag' or 'spherical', or one of "
            f"{', '.join(LETTERED)}, got {covariance_type!r}"
        )
    return STRUCTURES[covariance_type](**attributes)


def kernel_structure(covariance_type):
    """The :class:`Structure` whose covariances have the shape of a kernel's sums."""
    if covariance_type not in PLAIN:
        raise ValueError(
            "covariance_type must be 'full', 'tied', 'diag' or 'spherical', "
            f"got {covariance_type!r}"
        )
    return PLAIN[covariance_type]()


def is_within(covariance_type, other):
    """Whether the second of two families of three letters has every covariance of the first, and
    more."""
    if covariance_type == other or not {covariance_type, other} <= set(LETTERED):
        return False
    return all("IEV".index(mine) <= "IEV".index(theirs)
               for mine, theirs in zip(covariance_type, other, strict=True))


def same_as(covariance_type, n_components, n_features):
    """The first of the families of three letters that has the covariances of this one where there
    are so many components and columns; other types are their own."""
    if covariance_type not in LETTERED:
        return covariance_type

    def key(name):
        volume, shape, axes = name if n_components > 1 else name.replace("V", "E")
        return (volume, "I", "I") if n_features == 1 else (volume, shape, axes)

    return next(name for name in LETTERED if key(name) == key(covariance_type))
