"""Checks of what a user passes to a model, each with a named error."""

from numbers import Real

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _get_feature_names,
)

from emkernels import kernels
from emkernels.models._covariance import check_precisions
from emkernels.models._gaussian import CovariancePrior, total_covariance

STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def check_init_params(init_params):
    """The kinds of start, a tuple."""
    kinds = (init_params,) if isinstance(init_params, str) else tuple(init_params)
    for kind in kinds:
        if not isinstance(kind, str) or kind not in STARTS:
            raise ValueError(f"init_params knows {', '.join(map(repr, STARTS))}, not {kind!r}")
    if not kinds:
        raise ValueError("init_params names no kind of start")
    return kinds


def patterns_where_missing(X):
    """The patterns of missing values, None where there are none, and the largest absolute value;
    ValueError for an infinity."""
    try:
        return None, kernels.check_finite(X)
    except ValueError:
        patterns = kernels.missing_patterns(X)
        return patterns, patterns.largest


def check_rows(estimator, X, *, min_samples=1):
    """The rows to fit, their patterns (None where nothing is missing) and the largest absolute
    value, checked; the estimator is not touched."""
    _get_feature_names(X)       # TypeError for some that are texts and some that are not
    checked = check_array(
        X, dtype=[np.float64, np.float32], ensure_all_finite=False,
        ensure_min_samples=min_samples, estimator=estimator, input_name="X")
    patterns, largest = patterns_where_missing(checked)
    if patterns is not None:
        check_columns_observed(checked, patterns)
    check_magnitude(checked, largest)
    return checked, patterns, largest


def check_complete(X, what):
    """The largest absolute value of X; ValueError for a NaN or an infinity."""
    try:
        return kernels.check_finite(X)
    except ValueError as error:
        if not np.isnan(X).any():
            raise
        raise ValueError(
            f"{error}. {what} needs complete rows; GaussianMixture and the imputers take NaN as "
            "missing"
        ) from None


def check_complete_rows(estimator, X, what):
    """The rows to fit by a model that knows no missing values, and the largest absolute value;
    the estimator is not touched."""
    _get_feature_names(X)       # TypeError for some that are texts and some that are not
    checked = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=False,
                          estimator=estimator, input_name="X")
    largest = check_complete(checked, what)
    check_magnitude(checked, largest)
    return checked, largest


def check_magnitude(X, largest, name="X", n_samples=None):
    """ValueError naming the place of the largest absolute value, where sums of squares of
    n_samples rows (len(X) when None) overflow in the precision of X (float64 for the sums)."""
    n_samples = X.shape[0] if n_samples is None else n_samples
    room = 1024 if X.dtype == np.float32 else n_samples
    limit = float(np.sqrt(np.finfo(X.dtype).max / (4 * room * X.shape[1])))
    if largest > limit:
        row, column = np.argwhere(np.abs(X) == largest)[0]
        raise ValueError(
            f"{name} is too large for {X.dtype}: {X[row, column]:.6g} at row {row}, column "
            f"{column}; sums of squares overflow beyond {limit:.3g}. Rescale the column"
            + (" or pass float64" if X.dtype == np.float32 else "")
        )


def check_columns_observed(X, patterns):
    """ValueError naming the first column that is missing in every row."""
    empty = np.ones(X.shape[1], bool)
    for first in range(0, patterns.n_patterns, 4096):
        empty &= patterns.masks_of(slice(first, first + 4096)).all(axis=0)
        if not empty.any():
            return
    raise ValueError(f"X has no observed value in column {int(empty.argmax())}")


def remember_columns(estimator, X):
    """Set n_features_in_ and feature_names_in_ once a fit has succeeded."""
    _check_feature_names(estimator, X, reset=True)
    _check_n_features(estimator, X, reset=True)


def check_weights(weights, n_components):
    if weights is None:
        return None
    weights = np.array(weights, dtype=np.float64)
    if weights.shape != (n_components,):
        raise ValueError(
            f"The parameter 'weights' should have the shape of {(n_components,)}, "
            f"but got {weights.shape}"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights <= 1).all()):
        raise ValueError(
            "The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{weights.max():.5f}, min value {weights.min():.5f}"
        )
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(
            "The parameter 'weights' should be normalized, "
            f"but got sum(weights) = {weights.sum():.5f}"
        )
    return weights


def check_means(means, n_components, n_features):
    if means is None:
        return None
    means = np.array(means, dtype=np.float64, order="C")
    if means.shape != (n_components, n_features):
        raise ValueError(
            f"The parameter 'means' should have the shape of {(n_components, n_features)}, "
            f"but got {means.shape}"
        )
    if not np.isfinite(means).all():
        raise ValueError("means_init contains NaN or infinity")
    return means


def check_start_precisions(precisions, covariance_type, n_components, n_features):
    if precisions is None:
        return None
    return check_precisions(precisions, covariance_type, n_components, n_features)


def check_sample_weight(sample_weight, X, largest=0.0):
    """Contiguous float64 weights or None; a number is that of every row. ValueError also where
    sums of squares of X, whose largest absolute value is given, would overflow."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(len(X), float(sample_weight))
    weight = kernels.check_sample_weight(sample_weight, X.shape[0], X.dtype)
    row = int(weight.argmax())
    heaviest = float(weight[row])
    if not heaviest * len(X) * (4 * X.shape[1] * largest * largest + 1) < np.inf:
        raise ValueError(
            f"sample_weight is too large: with {heaviest:.6g} at row {row}, weighted sums "
            "of squares overflow"
        )
    return weight


def check_labels(labels, n_samples, n_components):
    """Known components as int32, or None."""
    if labels is None:
        return None
    return kernels.check_labels(labels, n_samples, n_components)


def check_concentration(concentration, n_components):
    if concentration is None:
        return None
    concentration = np.asarray(concentration, dtype=np.float64)
    if concentration.ndim == 0:
        concentration = np.full(n_components, float(concentration))
    if concentration.shape != (n_components,):
        raise ValueError(
            f"weight_concentration must be a number or have shape ({n_components},), "
            f"got {concentration.shape}"
        )
    if not ((concentration >= 1) & np.isfinite(concentration)).all():
        raise ValueError("weight_concentration must be finite and at least 1")
    return concentration


def check_fixed(fixed, given, warm_start):
    """The names of fixed parameters; each needs a start value."""
    fixed = frozenset(fixed)
    names = {"weights": "weights", "means": "means", "covariances": "precisions_cholesky"}
    init = {"weights": "weights_init", "means": "means_init", "covariances": "precisions_init"}
    unknown = sorted(str(name) for name in fixed - names.keys())
    if unknown:
        raise ValueError(
            f"fixed may name 'weights', 'means' and 'covariances', got {', '.join(unknown)}"
        )
    for name in sorted(fixed):
        if given[names[name]] is None and not warm_start:
            raise ValueError(f"fixed names {name!r}, so {init[name]} must be set")
    return fixed


def _is_positive(scale):
    """Positive semi-definite, up to rounding."""
    values = np.linalg.eigvalsh(scale)
    return values[0] >= -1e-12 * max(values[-1], 0)


def check_covariance_prior(prior, covariance_type, X, sample_weight, n_components, n_threads,
                           patterns=None):
    """A CovariancePrior of the type, or None."""
    if prior is None:
        return None
    n_features = X.shape[1]
    if isinstance(prior, str):
        covariance = total_covariance(X, sample_weight, n_threads, patterns)
        dof, scale = n_features + 2.0, covariance / n_components ** (2 / n_features)
    else:
        if len(prior) != 2:
            raise ValueError(f"covariance_prior must be a pair (dof, scale), got {prior!r}")
        dof, scale = float(prior[0]), np.asarray(prior[1], dtype=np.float64)
        if scale.ndim == 0:
            scale = float(scale) * np.eye(n_features)
        elif scale.ndim == 1:
            scale = np.diag(scale)
    if not 0 <= dof < np.inf:
        raise ValueError(f"covariance_prior needs a finite dof of 0 or more, got {dof}")
    if scale.shape != (n_features, n_features) or not np.isfinite(scale).all():
        raise ValueError(
            "the scale of covariance_prior must be a number, a vector or a matrix for "
            f"{n_features} columns, all finite"
        )
    if not np.allclose(scale, scale.T) or not _is_positive(scale):
        raise ValueError("the scale of covariance_prior must be symmetric, not negative")
    if covariance_type == "diag":
        scale = np.diag(scale).copy()
    elif covariance_type == "spherical":
        scale = np.array(np.trace(scale) / n_features)
    return CovariancePrior(dof, scale)
