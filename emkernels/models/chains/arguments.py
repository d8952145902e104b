"""Checks of what a user says of a hidden Markov model, each with a named error."""

import numpy as np

from emkernels.data.checks import check_numbers_finite, numbers


def check_rows(values, name, *leading):
    """A finite float64 array of the `leading` axes and any number of columns."""
    array = numbers(values, name)
    if array.ndim != len(leading) + 1 or array.shape[:-1] != leading or not array.shape[-1]:
        raise ValueError(f"{name} must have shape ({', '.join(map(str, leading))}, n_features), "
                         f"got {array.shape}")
    check_numbers_finite(array, name)
    return array


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
