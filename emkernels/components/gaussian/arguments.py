"""Checks of what a user says of a Gaussian mixture, each with a named error."""

import numpy as np

from emkernels import _inputs
from emkernels.components.gaussian.moments import total_covariance
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.data.checks import numbers

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


def check_weights(weights, n_components, noise=False):
    """Weights of a start; with noise one more, which is its own."""
    if weights is None:
        return None
    weights = numbers(weights, "weights_init")
    if noise and weights.shape == (n_components,):
        raise ValueError(f"weights_init must have {n_components + 1} weights, the last one of "
                         f"them that of the noise, got {n_components}")
    n_components += noise
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
    if noise and not weights[:-1].any():
        raise ValueError("weights_init leaves no weight to the components but noise")
    return weights


def check_noise(noise):
    """The density of the noise: a number, 0 where it is to be found, None without noise."""
    if noise is None or noise is False:
        return None
    if isinstance(noise, (bool, np.bool_)):
        return 0.0 if noise else None
    if not (0 < noise < np.inf):
        raise ValueError("noise must be True, or the density of the noise, a positive finite "
                         f"number, got {noise!r}")
    return float(noise)


def check_means(means, n_components, n_features):
    if means is None:
        return None
    means = numbers(means, "means_init")
    if means.shape != (n_components, n_features):
        raise ValueError(
            f"The parameter 'means' should have the shape of {(n_components, n_features)}, "
            f"but got {means.shape}"
        )
    if not np.isfinite(means).all():
        where = _inputs.place(np.argwhere(~np.isfinite(means))[0])
        raise ValueError(f"means_init contains NaN or infinity, first at {where}")
    return means


def check_start_precisions(precisions, structure, n_components, n_features):
    if precisions is None:
        return None
    return structure.check_precisions(
        numbers(precisions, "precisions_init"), n_components, n_features)


def check_concentration(concentration, n_components):
    if concentration is None:
        return None
    concentration = numbers(concentration, "weight_concentration")
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
        if getattr(given, names[name]) is None and not warm_start:
            raise ValueError(f"fixed names {name!r}, so {init[name]} must be set")
    return fixed


def is_positive(scale):
    """Positive semi-definite, up to rounding."""
    values = np.linalg.eigvalsh(scale)
    return values[0] >= -1e-12 * max(values[-1], 0)


def check_covariance_prior(prior, structure, rows, n_components):
    """A CovariancePrior of the structure, or None."""
    if prior is None:
        return None
    n_features = rows.n_features
    if isinstance(prior, str):
        covariance = total_covariance(rows)
        dof, scale = n_features + 2.0, covariance / n_components ** (2 / n_features)
    else:
        if len(prior) != 2:
            raise ValueError(f"covariance_prior must be a pair (dof, scale), got {prior!r}")
        dof, scale = (numbers(part, f"the {what} of covariance_prior")
                      for what, part in zip(("dof", "scale"), prior, strict=True))
        if dof.ndim:
            raise ValueError(f"the dof of covariance_prior must be a number, got {prior[0]!r}")
        dof = float(dof)
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
    if not np.allclose(scale, scale.T) or not is_positive(scale):
        raise ValueError("the scale of covariance_prior must be symmetric, not negative")
    return CovariancePrior(dof, structure.of_matrix((scale + scale.T) / 2))
