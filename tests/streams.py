"""Batches for what is fitted by `partial_fit`."""

import numpy as np
from numpy.testing import assert_array_equal

TYPES = ("full", "tied", "diag", "spherical")


def groups(n, gap=3.0, k=3, d=3, seed=0, missing=0.0, shift=0.0):
    rng = np.random.default_rng(seed)
    centers = gap * rng.normal(size=(k, d))
    X = centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) + shift
    if missing:
        X[rng.uniform(size=X.shape) < missing] = np.nan
    return X


def streamed(model, X, n_batches, weight=None):
    weights = [None] * n_batches if weight is None else np.array_split(weight, n_batches)
    for part, w in zip(np.array_split(X, n_batches), weights):
        model.partial_fit(part, sample_weight=w)
    return model


def start_of(model):
    return {"weights_init": model.weights_, "means_init": model.means_,
            "precisions_init": model.precisions_}


def same(a, b):
    for name in ("weights_", "means_", "covariances_", "location_", "covariance_",
                 "cluster_centers_"):
        if hasattr(a, name):
            assert_array_equal(getattr(a, name), getattr(b, name))
