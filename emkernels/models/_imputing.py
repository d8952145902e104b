"""What an imputer accepts: rows, columns, limits, priors; each refusal names its cause."""

import numbers
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from emkernels.models._arguments import _is_positive
from emkernels.models._gaussian import CovariancePrior

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

    def take(self, X):
        """The varying columns of X: X itself or a view where they lie evenly, else a copy."""
        index = self.varying
        if len(index) == X.shape[1]:
            return X
        steps = np.unique(np.diff(index))
        if len(index) and len(steps) <= 1:
            step = int(steps[0]) if len(steps) else 1
            return X[:, index[0]:index[-1] + 1:step]
        return np.ascontiguousarray(X[:, index])


def check_incomplete(estimator, X, missing_values, *, reset):
    """X as float32 or float64 with NaN for the missing cells; the estimator is not touched.

    With NaN for `missing_values` X is read in place where it is an array of such a type;
    with a number it is copied where that number occurs.
    """
    options = {"dtype": [np.float64, np.float32], "ensure_all_finite": False}
    if reset:
        rows = check_array(X, estimator=estimator, input_name="X", **options)
    else:
        rows = validate_data(estimator, X, reset=False, **options)
    if not isinstance(missing_values, numbers.Real) or np.isnan(missing_values):
        return rows
    nan = np.isnan(rows)
    if nan.any():
        row, column = np.argwhere(nan)[0]
        raise ValueError(
            f"X contains NaN at row {row}, column {column}, but missing_values is "
            f"{missing_values!r}: only that stands for a missing value")
    missing = rows == missing_values
    if missing.any():
        rows = np.where(missing, rows.dtype.type(np.nan), rows)
    return rows


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


def never_together(patterns, sample_weight=None):
    """Pairs (i, j), i < j, of columns that no row (of some weight) has both of."""
    seen = ~patterns.masks
    if sample_weight is not None:
        weighted = (sample_weight > 0)[patterns.order]
        seen = seen[np.add.reduceat(weighted, patterns.offsets[:-1], dtype=np.int64) > 0]
    counts = np.zeros((seen.shape[1], seen.shape[1]))
    step = max(1, 2**22 // max(1, seen.shape[1]))
    for first in range(0, len(seen), step):
        block = seen[first:first + step].astype(np.float32)
        counts += block.T @ block
    return np.argwhere(np.triu(counts == 0, 1))


def check_limits(low, high, n_features):
    """min_value and max_value, one for each column of the input."""
    limits = []
    for name, value, default in (("min_value", low, -np.inf), ("max_value", high, np.inf)):
        value = np.asarray(default if value is None else value, dtype=np.float64)
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


def check_prior(prior, covariance_type, n_components, scale, columns, n_features):
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
        if (prior[0] != "ridge" or not isinstance(prior[1], numbers.Real)
                or not 0 < prior[1] < np.inf):
            raise ValueError(f"prior must be ('ridge', amount) with amount > 0, got {prior!r}")
        dof = float(prior[1])
        matrix = dof / n_components ** (2 / max(1, n_varying)) * np.eye(n_varying)
    else:
        dof = float(prior[0])
        # an inverse gamma prior of every variance is the Wishart one of one column
        least = -(n_varying + 1) if covariance_type in ("full", "tied") else -2
        if not least <= dof < np.inf:
            raise ValueError(
                "prior needs a finite dof of at least " + (
                    "-(columns + 1) = " if covariance_type in ("full", "tied") else "")
                + f"{least}, got {dof}")
        matrix = np.asarray(prior[1], dtype=np.float64)
        if matrix.ndim < 2:
            matrix = np.diag(np.broadcast_to(matrix, n_features) if matrix.ndim == 0 else matrix)
        if matrix.shape != (n_features, n_features) or not np.isfinite(matrix).all():
            raise ValueError(
                f"the scale of prior must be a number, a vector or a matrix for {n_features} "
                "columns, all finite")
        if not np.allclose(matrix, matrix.T) or not _is_positive(matrix):
            raise ValueError("the scale of prior must be symmetric, not negative")
        index = columns.varying
        matrix = matrix[np.ix_(index, index)] / np.outer(scale, scale)
    if covariance_type == "diag":
        matrix = np.diag(matrix).copy()
    elif covariance_type == "spherical":
        matrix = np.array(np.trace(matrix) / max(1, n_varying))
    return CovariancePrior(dof, matrix)
