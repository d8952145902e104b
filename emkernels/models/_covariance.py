"""Covariances and precision factors of the four covariance types."""

import numpy as np
from scipy.linalg import lapack

from emkernels.em import DegenerateFitError
from emkernels.statistics import second_shape

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def ill_defined(what):
    """The error of a collapsed component; its first sentence is what callers of
    scikit-learn's mixture look for."""
    return DegenerateFitError(
        "Fitting the mixture model failed because some components have ill-defined empirical "
        "covariance (for instance caused by singleton or collapsed samples). Try to decrease "
        f"the number of components, increase reg_covar, or scale the input data. Here {what} is "
        "not positive definite in float64; a covariance_prior makes it so"
    )


def factor(covariance, what):
    """Upper triangular U with U U' = covariance^-1 (the transpose of the inverse of the
    Cholesky factor), or DegenerateFitError naming `what`."""
    lower, info = lapack.dpotrf(covariance, lower=1, clean=1)
    if info == 0:
        inverse, info = lapack.dtrtri(lower, lower=1)
    # the precisions are squares of the factor: they must be finite too
    if info != 0 or not np.abs(inverse).max() < 1e153:
        raise ill_defined(what)
    return inverse.T


def precision_cholesky(covariances, covariance_type):
    """scikit-learn's ``precisions_cholesky_`` of covariances, C-contiguous float64."""
    if covariance_type == "full":
        out = np.empty_like(covariances)
        for k, covariance in enumerate(covariances):
            out[k] = factor(covariance, f"the covariance of component {k}")
        return out
    if covariance_type == "tied":
        return np.ascontiguousarray(factor(covariances, "the tied covariance"))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        out = 1.0 / np.sqrt(covariances)
    usable = (out < 1e153) & (out > 0)
    if not usable.all():
        component = int(np.argwhere(~usable)[0][0])
        raise ill_defined(f"the variance of component {component}")
    return out


def covariances_from_factors(precisions_cholesky, covariance_type):
    """Covariances from ``precisions_cholesky``."""
    if covariance_type in ("diag", "spherical"):
        return precisions_cholesky**-2.0
    single = covariance_type == "tied"
    out = []
    for upper in precisions_cholesky[None] if single else precisions_cholesky:
        inverse, _ = lapack.dtrtri(upper, lower=0)
        out.append(inverse.T @ inverse)
    return out[0] if single else np.array(out)


def precisions_from_factors(precisions_cholesky, covariance_type):
    """Precisions U U' from ``precisions_cholesky``."""
    if covariance_type in ("diag", "spherical"):
        return precisions_cholesky**2
    return precisions_cholesky @ np.swapaxes(precisions_cholesky, -1, -2)


def factors_from_precisions(precisions, covariance_type):
    """``precisions_cholesky`` from checked precisions."""
    if covariance_type in ("diag", "spherical"):
        return np.sqrt(precisions)
    single = covariance_type == "tied"
    out = []
    for precision in precisions[None] if single else precisions:
        # U U' = precision with U upper triangular: Cholesky of the reversed matrix
        lower, _ = lapack.dpotrf(precision[::-1, ::-1], lower=1, clean=1)
        out.append(lower[::-1, ::-1])
    return np.ascontiguousarray(out[0] if single else out)


def check_precisions(precisions, covariance_type, n_components, n_features):
    """Start precisions: finite, of the right shape, symmetric, positive definite."""
    precisions = np.array(precisions, dtype=np.float64)
    shape = second_shape(covariance_type, n_components, n_features)
    if precisions.shape != shape:
        raise ValueError(
            f"The parameter '{covariance_type} precision' should have the shape of {shape}, "
            f"but got {precisions.shape}"
        )
    if not np.isfinite(precisions).all():
        raise ValueError("precisions_init contains NaN or infinity")
    if covariance_type in ("diag", "spherical"):
        if (precisions <= 0).any():
            component = int(np.argwhere(precisions <= 0)[0][0])
            raise ValueError(
                f"'{covariance_type} precision' should be positive, "
                f"but that of component {component} is not"
            )
        return precisions
    single = covariance_type == "tied"
    for k, precision in enumerate(precisions[None] if single else precisions):
        if not np.allclose(precision, precision.T) or lapack.dpotrf(precision, lower=1)[1] != 0:
            raise ValueError(
                f"'{covariance_type} precision' should be symmetric, positive-definite"
                + ("" if single else f", but that of component {k} is not")
            )
    return precisions


def full_covariance(covariances, covariance_type, component, n_features):
    """The (n_features, n_features) covariance of one component, whatever the type."""
    if covariance_type == "full":
        return covariances[component]
    if covariance_type == "tied":
        return covariances
    if covariance_type == "diag":
        return np.diag(covariances[component])
    return covariances[component] * np.eye(n_features)


def n_covariance_parameters(covariance_type, n_components, n_features):
    """Free parameters of the covariances."""
    return {
        "full": n_components * n_features * (n_features + 1) // 2,
        "tied": n_features * (n_features + 1) // 2,
        "diag": n_components * n_features,
        "spherical": n_components,
    }[covariance_type]
