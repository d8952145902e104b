"""Checks of what a user says of a hidden Markov model, each with a named error."""

import numpy as np

from emkernels.data.checks import check_numbers_finite, numbers

# How far sums of probabilities may be from one, the rounding of float32; what is further than the
# second is taken out where they are computed with.
ROUNDING, NOISE = 1e-6, 1e-12


def check_array(values, name, shape):
    """A float64 array of that shape, finite; None for None."""
    if values is None:
        return None
    array = numbers(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    check_numbers_finite(array, name)
    return array


def check_rows(values, name, *leading):
    """The same, of the `leading` axes and any number of columns."""
    array = numbers(values, name)
    if array.ndim != len(leading) + 1 or array.shape[:-1] != leading or not array.shape[-1]:
        raise ValueError(f"{name} must have shape ({', '.join(map(str, leading))}, n_features), "
                         f"got {array.shape}")
    check_numbers_finite(array, name)
    return array


def check_probabilities(values, name, shape):
    """The same of probabilities along the last axis: they are refused where they do not sum to
    one, not made to."""
    array = check_array(values, name, shape)
    if array is None:
        return None
    if (array < 0).any():
        at = tuple(map(int, np.argwhere(array < 0)[0]))
        raise ValueError(f"{name} must not be negative, got {array[at]:.6g} at {at}")
    sums = array.sum(axis=-1)
    off = np.abs(sums - 1) > ROUNDING
    if off.any():
        if array.ndim == 1:
            raise ValueError(f"{name} must sum to one, got {sums:.10g}")
        row = int(np.argmax(off))
        raise ValueError(f"every row of {name} must sum to one, got {sums[row]:.10g} in row {row}")
    return array


def exact(probabilities):
    """Checked probabilities without the rounding of their sums, which a fit would gain or lose at
    every row; None for None."""
    if probabilities is None:
        return None
    sums = probabilities.sum(axis=-1, keepdims=True)
    return np.where(np.abs(sums - 1) > NOISE, probabilities / sums, probabilities)


def check_covars(values, name, shape, structure):
    """Covariances as users have them, (..., n_features, n_features), and as the structure has
    them; None twice for None."""
    if values is None:
        return None, None
    array = numbers(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, whatever the covariance_type, got "
                         f"{array.shape}")
    check_numbers_finite(array, name)
    each = array.reshape(-1, *shape[-2:])
    places = [", ".join(map(str, place)) for place in np.ndindex(shape[:-2])]
    for place, matrix in zip(places, each, strict=True):
        scale = np.sqrt(np.abs(np.diagonal(matrix)))
        gap = np.abs(matrix - matrix.T)
        if not (gap <= 1e-6 * np.outer(scale, scale)).all() or not is_definite(matrix):
            raise ValueError(f"{name} must be symmetric and positive definite, and that of state "
                             f"{place} is not")
    return array, of_structure(each, name, structure, places)


def is_definite(matrix):
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def of_structure(matrices, name, structure, places):
    """Matrices (n, n_features, n_features) as the structure has them; ValueError where it does
    not."""
    # one variance for all columns is looked up, not averaged: what is given keeps its bits
    own = [structure.of_matrix(each if structure.n_axes else each[:1, :1]) for each in matrices]
    inner = np.ascontiguousarray(own[0] if structure.shared else own)
    for k, matrix in enumerate(matrices):
        again = structure.matrix(inner, k, matrix.shape[0])
        scale = np.sqrt(np.diagonal(matrix))
        if not (np.abs(again - matrix) <= 1e-8 * np.outer(scale, scale)).all():
            what = ("the same for all states" if structure.shared
                    else "multiples of the identity" if not structure.n_axes else "diagonal")
            raise ValueError(
                f"{name} must be {what} with covariance_type={structure.name!r}, and that of "
                f"state {places[k]} is not")
    return inner


def check_concentration(values, name, shape):
    """A Dirichlet prior, of that shape, at least 1; None for None."""
    if values is None:
        return None
    array = numbers(values, name)
    if array.ndim and array.shape != shape:
        raise ValueError(f"{name} must be a number or have shape {shape}, got {array.shape}")
    if not ((array >= 1) & np.isfinite(array)).all():
        raise ValueError(f"{name} must be finite and at least 1")
    return np.broadcast_to(array, shape).copy()


def check_fixed(fixed, names):
    """The names of what is fixed, a frozenset."""
    if isinstance(fixed, str):
        fixed = (fixed,)
    fixed = frozenset(fixed)
    unknown = sorted(str(name) for name in fixed if name not in names)
    if unknown:
        raise ValueError(f"fixed may name {', '.join(map(repr, names))}, got "
                         f"{', '.join(map(repr, unknown))}")
    return fixed


def check_no_lengths(y, n_rows):
    """ValueError for lengths in the place of y, where hmmlearn has them and nobody reads them."""
    if y is None or np.ndim(y) != 1 or len(y) == n_rows:
        return
    y = np.asarray(y)
    if y.dtype.kind in "iu" and len(y) and y.min() > 0 and y.sum() == n_rows:
        raise ValueError("the second argument of fit is y, which is ignored, and got what looks "
                         "like lengths: pass lengths=")
