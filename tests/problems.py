"""Inputs that the tests of the kernels share."""

import functools
from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    X: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    sample_weight: np.ndarray


# (for all of a test: it goes through them once for each SIMD level)
@functools.lru_cache(maxsize=160)
def problem(n, D, K, covariance_type="full", dtype="f8", separation=1.0):
    """Rows around K means `separation` standard deviations apart, one row in seven of
    weight zero; everything representable in the dtype. The arrays are read-only."""
    rng = np.random.default_rng([n, D, K])
    means = rng.normal(size=(K, D)) * separation
    full = np.triu(rng.normal(size=(K, D, D)) * (0.4 / np.sqrt(D)), 1)
    full += np.eye(D) * rng.uniform(0.5, 2, size=(K, D, 1))
    factors = {
        "full": full,
        "tied": full[0],
        "diag": np.ascontiguousarray(np.diagonal(full, axis1=1, axis2=2)),
        "spherical": full[:, 0, 0].copy(),
    }[covariance_type]
    X = means[rng.integers(K, size=n)] + rng.normal(size=(n, D))
    sample_weight = rng.uniform(0.1, 3, size=n)
    sample_weight[3::7] = 0
    arrays = (X.astype(dtype), rng.dirichlet(np.full(K, 5.0)), means.astype(dtype).astype("f8"),
              factors.astype(dtype).astype("f8"), sample_weight.astype(dtype).astype("f8"))
    for array in arrays:
        array.flags.writeable = False
    return Problem(*arrays)


def unaligned(array):
    """A copy whose first byte lies at an odd address."""
    buffer = np.empty(array.nbytes + 1, np.uint8)
    view = buffer[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def strided(array, row_step, column_step):
    """A view with the values of `array` and the steps between its rows and columns."""
    n, D = array.shape
    base = np.full((n * abs(row_step), D * abs(column_step)), np.nan, array.dtype)
    view = base[::row_step, ::column_step]
    view[...] = array
    return view


def memory_mapped(array, folder):
    path = folder / "rows.bin"
    array.tofile(path)
    return np.memmap(path, dtype=array.dtype, mode="r", shape=array.shape)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "fortran": lambda X, folder: np.asfortranarray(X),
    "rows": lambda X, folder: strided(X, 3, 1),
    "columns": lambda X, folder: strided(X, 1, 2),
    "both": lambda X, folder: strided(X, 2, 3),
    "backwards": lambda X, folder: strided(X, -1, -1),
    "backwards fortran": lambda X, folder: strided(np.asfortranarray(X).T, -1, 1).T,
    "unaligned": lambda X, folder: unaligned(X),
    "unaligned fortran": lambda X, folder: unaligned(np.ascontiguousarray(X.T)).T,
    "read-only": lambda X, folder: read_only(X),
    "memory map": memory_mapped,
    "swapped bytes": lambda X, folder: X.astype(X.dtype.newbyteorder("S")),
}
