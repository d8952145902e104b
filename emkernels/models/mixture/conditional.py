"""Marginal and conditional mixtures, and regression by them."""

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from emkernels import _inputs, kernels
from emkernels._callers import warn
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.data import Rows, checks
from emkernels.data.checks import missing_patterns
from emkernels.em import EMWarning
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.loaded import OUTPUT

# Covariances that differ by less of the deviations are the same but for rounding to float32.
ROUNDED = 1e-3


def column_indices(model, columns, *, name="columns"):
    """Checked integer positions of columns given by position or name."""
    n_features = model.means_.shape[1]
    names = list(getattr(model, "feature_names_in_", ()))
    if isinstance(columns, (str, int, np.integer)):
        columns = [columns]
    if isinstance(columns, slice) or not hasattr(columns, "__iter__"):
        raise TypeError(f"{name} must hold positions or names of columns, got {columns!r}")
    out = []
    for column in columns:
        if isinstance(column, str):
            if column not in names:
                raise ValueError(f"{name}: the mixture was not fitted with a column {column!r}")
            column = names.index(column)
        if isinstance(column, (bool, np.bool_)) or not isinstance(column, (int, np.integer)):
            raise TypeError(f"{name} must hold positions or names of columns, got {column!r}")
        if not -n_features <= column < n_features:
            raise ValueError(f"{name}: there is no column {column}, only {n_features} of them")
        out.append(int(column) % n_features)
    if not out:
        raise ValueError(f"{name} must name at least one column")
    if len(set(out)) != len(out):
        raise ValueError(f"{name} names a column twice")
    return np.array(out)


def _read(model, values, given, name):
    """Values of the given columns as float64, NaN where missing; names must be those of the
    columns, as the fit saw them."""
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        _inputs.check_names(values, names[given], name, "the columns")
    if isinstance(values, Rows):
        values = values.X
    return np.asarray(_inputs.as_rows(values, name), dtype=np.float64)


def _derived(model, parameters, columns):
    """A fitted mixture with other parameters, over some columns of the model's."""
    derived = type(model)(
        len(parameters.weights), covariance_type=parameters.structure.name,
        reg_covar=model.reg_covar, tol=model.tol, max_iter=model.max_iter,
        random_state=model.random_state, n_threads=model.n_threads)
    derived._set_parameters(parameters)
    derived._remember_labels(getattr(model, "classes_", None))
    derived.n_features_in_ = len(columns)
    if hasattr(model, "feature_names_in_"):
        derived.feature_names_in_ = model.feature_names_in_[columns]
    # not fitted to these columns: no bound is known
    known = vars(model)
    if "converged_" in known:       # not of a mixture of given parameters
        derived.converged_, derived.n_iter_ = known["converged_"], known["n_iter_"]
        derived.lower_bound_, derived.lower_bounds_ = np.nan, []
    # those that are spikes may be so along other columns
    if "degenerate_components_" in known:
        derived.degenerate_components_ = known["degenerate_components_"].copy()
    if OUTPUT in known:
        setattr(derived, OUTPUT, dict(known[OUTPUT]))
    return derived


def marginal(model, columns):
    columns = column_indices(model, columns)
    _warn_of_noise(model, "marginal")
    return _derived(model, _marginal_parameters(model, columns), columns)


def _marginal_parameters(model, columns):
    """The components of some columns, of the same structure, without noise."""
    parameters = _without_noise(model)
    return MixtureParameters(parameters.weights, parameters.components.select(columns))


def _without_noise(model):
    """The parameters of the components alone. In float32 the factors keep digits that nearly
    singular covariances lose: those of the factors then, unless they are others altogether."""
    parameters = model._parameters().without_noise()
    components = parameters.components
    if model.precisions_cholesky_.dtype == np.float64:
        return parameters
    precise = components.from_factors_only()
    units = components.structure.deviations(precise.covariances)[1]
    if not np.max(np.abs(components.covariances - precise.covariances) / units) < ROUNDED:
        return parameters
    return replace(parameters, components=precise)


def _warn_of_noise(model, method):
    if model._noise is not None:
        warn(f"{method} leaves the noise out: its density is the same whatever the values are. "
             "The weights are those of the components, made to sum to one", EMWarning)


def _others(model, given):
    others = np.setdiff1d(np.arange(model.means_.shape[1]), given)
    if len(others) == 0:
        raise ValueError("columns names every column: nothing is left to predict")
    return others


def _regressions(model, given, others):
    """Per component: coefficients (n_others, n_given) and residual covariance."""
    components = _without_noise(model).components
    for k in range(len(model.means_)):
        covariance = components.covariance(k)
        cross = covariance[np.ix_(others, given)]
        if len(given) == 0:
            yield cross, covariance[np.ix_(others, others)]
            continue
        factor = cho_factor(covariance[np.ix_(given, given)], lower=True)
        coefficients = cho_solve(factor, cross.T).T
        residual = covariance[np.ix_(others, others)] - coefficients @ cross.T
        yield coefficients, (residual + residual.T) / 2


def condition(model, columns, values):
    given = column_indices(model, columns)
    others = _others(model, given)
    values = _read(model, values, given, "values")
    if values.shape != (len(given),):
        raise ValueError(f"values must have shape ({len(given)},), got {values.shape}")
    if not np.isfinite(values).all():
        names = getattr(model, "feature_names_in_", range(model.means_.shape[1]))
        at = names[given[np.argmin(np.isfinite(values))]]
        raise ValueError(f"values contains NaN or infinity, first for column {at!r}"
                         ": leave out of columns what is not known")
    _warn_of_noise(model, "condition")
    part = _marginal_parameters(model, given)
    weights = kernels.e_step(values[None], part.weights, part.means, part.precisions_cholesky,
                             part.structure.kernel, want=["resp"])[0][0]
    means, covariances = [], []
    for k, (coefficients, residual) in enumerate(_regressions(model, given, others)):
        with np.errstate(over="ignore", invalid="ignore"):
            means.append(model.means_[k, others] + coefficients @ (values - model.means_[k, given]))
        covariances.append(residual)
    if not np.isfinite(means).all():
        raise ValueError(f"values are too large: what follows from {values.tolist()} overflows")
    structure = model._structure.conditional()
    if structure.diagonal:
        # given the component, the columns say nothing of each other
        covariances = structure.select(_without_noise(model).covariances, others)
    else:
        covariances = structure.inner(np.array(covariances))
    covariances = np.ascontiguousarray(covariances)
    components = Gaussians(structure, np.array(means), covariances,
                           structure.factors(covariances))
    return _derived(model, MixtureParameters(weights, components), others)


def regress(model, columns, X):
    given = column_indices(model, columns)
    others = _others(model, given)
    X = _read(model, X, given, "X")
    if X.ndim != 2 or X.shape[1] != len(given):
        raise ValueError(f"X must have shape (n_samples, {len(given)}), got {X.shape}")
    _warn_of_noise(model, "regress")
    names = getattr(model, "feature_names_in_", None)
    patterns = missing_patterns(X, None if names is None else names[given])
    if patterns.n_patterns == 1 and not patterns.n_missing[0]:
        mean, covariance = _regress(model, given, others, X)
        return checks.answered(mean, mean), checks.answered(covariance, covariance)
    mean, covariance = np.empty((len(X), len(others))), np.empty((len(X), len(others), len(others)))
    for p, missing in enumerate(patterns.masks):
        rows = patterns.order[patterns.offsets[p]:patterns.offsets[p + 1]]
        mean[rows], covariance[rows] = _regress(
            model, given[~missing], others, np.ascontiguousarray(X[rows][:, ~missing]))
    return checks.answered(mean, mean), checks.answered(covariance, covariance)


@np.errstate(over="ignore", invalid="ignore")
def _regress(model, given, others, X):
    """The mean and covariance of the others for complete rows of the given columns."""
    if len(given):
        part = _marginal_parameters(model, given)
        resp = kernels.e_step(X, part.weights, part.means, part.precisions_cholesky,
                              part.structure.kernel, want=["resp"],
                              n_threads=model.n_threads)[0]
    else:
        resp = np.repeat(_without_noise(model).weights[None], len(X), axis=0)
    means = np.empty((len(model.means_), len(X), len(others)))
    residuals = []
    for k, (coefficients, residual) in enumerate(_regressions(model, given, others)):
        means[k] = model.means_[k, others] + (X - model.means_[k, given]) @ coefficients.T
        residuals.append(residual)
    mean = np.einsum("nk,knd->nd", resp, means)
    covariance = np.einsum("nk,kde->nde", resp, np.array(residuals))
    means -= mean
    covariance += np.einsum("nk,knd,kne->nde", resp, means, means, optimize=True)
    return mean, covariance
