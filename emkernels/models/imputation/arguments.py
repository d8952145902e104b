"""What an imputer accepts: rows, columns, limits, priors; each refusal names its cause."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from emkernels.components.gaussian.arguments import is_positive
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.data.checks import numbers
from emkernels.models.encoding import absent, count, places, register

# Standard deviations with which densities, and squares of data, stay in range.
RANGE = {np.dtype(np.float64): (1e-140, 1e140), np.dtype(np.float32): (1e-12, 1e12)}
# The ridge that prior="ridge" means, in rows.
RIDGE = 1.0


@dataclass
class Columns:
    """Which columns of the input do what.

    Attributes
    ----------
    kept : ndarray of int
        Columns of the output (before indicators).
    varying : ndarray of int
        Columns that the model is of, as positions in the input.
    inside : ndarray of int
        The same as positions in the output.
    """

    kept: np.ndarray
    varying: np.ndarray

    @property
    def inside(self):
        return np.searchsorted(self.kept, self.varying)


@dataclass(frozen=True)
class Fitted:
    """What a fit was made with and methods go by."""

    missing_values: object
    limits: list
    prior: CovariancePrior | None       # of standardised columns
    max_iter: int
    acceleration: str | None


register(Columns, kept=places, varying=places)
register(Fitted, missing_values=object, limits=list, prior=(CovariancePrior, absent),
         max_iter=count, acceleration=(str, absent))


def check_scales(summary, dtype, names):
    """Columns must vary neither too little nor too much for squares in their precision."""
    low, high = RANGE[np.dtype(dtype)]
    largest = np.fmax(np.abs(summary.low), np.abs(summary.high))
    varying = ~summary.empty & ~summary.constant
    for j in np.flatnonzero(varying):
        if largest[j] > high or not low <= summary.deviations[j] <= high:
            raise ValueError(
                f"column {names[j]} has values up to {largest[j]:.3g} and a standard deviation of "
                f"{summary.deviations[j]:.3g}; squares of deviations from {low:.0e} to "
                f"{high:.0e} fit {np.dtype(dtype)}. Rescale the column"
                + (" or pass float64" if dtype == np.float32 else ""))


def check_limits(low, high, n_features):
    """min_value and max_value, one for each column of the input."""
    limits = []
    for name, value, default in (("min_value", low, -np.inf), ("max_value", high, np.inf)):
        value = numbers(default if value is None else value, name)
        if value.ndim == 0:
            value = np.full(n_features, float(value))
        if value.shape != (n_features,):
            raise ValueError(
                f"{name} must be a number or have shape ({n_features},), got {value.shape}")
        if np.isnan(value).any():
            raise ValueError(f"{name} contains NaN")
        limits.append(value)
    if not (limits[0] < limits[1]).all():
        column = int(np.argmin(limits[0] < limits[1]))
        raise ValueError(
            f"min_value must be below max_value, but in column {column} they are "
            f"{limits[0][column]:.6g} and {limits[1][column]:.6g}")
    return limits


def check_prior(prior, structure, n_components, scale, columns, n_features):
    """The CovariancePrior of standardised columns, or None.

    `scale` are the units of the varying columns; a matrix that the user gives is one of all
    columns of the input, in their own units.
    """
    if prior is None:
        return None
    n_varying = len(columns.varying)
    if isinstance(prior, str):
        prior = (prior, RIDGE)
    if len(prior) != 2:
        raise ValueError(
            f"prior must be None, 'ridge', ('ridge', amount) or (dof, scale), got {prior!r}")
    if isinstance(prior[0], str):
        if (prior[0] != "ridge" or not isinstance(prior[1], Real)
                or not 0 < prior[1] < np.inf):
            raise ValueError(f"prior must be ('ridge', amount) with amount > 0, got {prior!r}")
        dof = float(prior[1])
        matrix = dof / n_components ** (2 / max(1, n_varying)) * np.eye(n_varying)
    else:
        dof, matrix = (numbers(part, f"the {what} of prior")
                       for what, part in zip(("dof", "scale"), prior, strict=True))
        if dof.ndim:
            raise ValueError(f"the dof of prior must be a number, got {prior[0]!r}")
        dof = float(dof)
        least = structure.least_dof(n_varying)
        if not least <= dof < np.inf:
            raise ValueError(
                "prior needs a finite dof of at least " + (
                    "" if structure.diagonal else "-(columns + 1) = ")
                + f"{least}, got {dof}")
        if matrix.ndim < 2:
            matrix = np.diag(np.broadcast_to(matrix, n_features) if matrix.ndim == 0 else matrix)
        if matrix.shape != (n_features, n_features) or not np.isfinite(matrix).all():
            raise ValueError(
                f"the scale of prior must be a number, a vector or a matrix for {n_features} "
                "columns, all finite")
        if not np.allclose(matrix, matrix.T) or not is_positive(matrix):
            raise ValueError("the scale of prior must be symmetric, not negative")
        index = columns.varying
        matrix = matrix[np.ix_(index, index)] / np.outer(scale, scale)
    return CovariancePrior(dof, structure.of_matrix(matrix))
