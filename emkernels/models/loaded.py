"""What a file says of a fit is looked at before it becomes one; ValueError says what is wrong."""

import numpy as np

from emkernels.latent.standardised import Standardised
from emkernels.models.encoding import bound, count, number

OUTPUT = "_sklearn_output_config"      # of set_output


def _is_flag(value):
    return isinstance(value, (bool, np.bool_))


def _are_bounds(value):
    return isinstance(value, list) and all(bound(each) for each in value)


def _are_places(value):
    return isinstance(value, np.ndarray) and value.dtype == np.int64 and bool((value >= 0).all())


def _is_bound(value):
    # NaN is that of the mixture of some columns, which was not fitted to them
    return bound(value) or (isinstance(value, float) and value != value)


_COMMON = {"n_iter_": count, "converged_": _is_flag, "lower_bound_": _is_bound,
           "lower_bounds_": _are_bounds, "n_blocks_": count, "n_rows_": count,
           "heywood_": _are_places, "degenerate_components_": _are_places, "n_best_": count,
           "identified_": _is_flag, "entropy_": number}


def check_common(model):
    """ValueError where what most fits leave is not what a fit leaves."""
    known = vars(model)
    for name, fits in _COMMON.items():
        if name in known and not fits(known[name]):
            raise ValueError(f"{name} is not that of a fit")
    n_features = known.get("n_features_in_", 1)
    if not count(n_features) or n_features < 1:
        raise ValueError("n_features_in_ is not that of a fit")
    names = known.get("feature_names_in_")
    if names is not None and (
            not isinstance(names, np.ndarray) or names.shape != (n_features,)
            or not all(isinstance(name, str) for name in names.tolist())):
        raise ValueError(f"feature_names_in_ are not the names of {n_features} columns")
    config = known.get(OUTPUT, {})
    if not isinstance(config, dict) or not set(config) <= {"transform"} or not all(
            value in ("default", "pandas", "polars") for value in config.values()):
        raise ValueError("it asks for a container that is none")


def check_values(model, *, shapes, positive=(), infinite=()):
    """ValueError where attributes are not arrays of these shapes of finite numbers (or infinite
    ones), or not all positive."""
    for name, shape in shapes.items():
        values = getattr(model, name)
        if not isinstance(values, np.ndarray) or values.dtype not in (np.float64, np.float32) or (
                values.shape != shape) or np.isnan(values).any() or not (
                name in infinite or np.isfinite(values).all()):
            raise ValueError(f"{name} has a wrong shape or type, or is not finite")
        if name in positive and not (values > 0).all():
            raise ValueError(f"{name} is not positive everywhere")


def check_weights(values, name="weights_"):
    """ValueError where these do not add up to one along the last axis, or are negative."""
    tolerance = 1e-3 if values.dtype == np.float32 else 1e-6
    if not (values >= 0).all() or not np.allclose(
            values.sum(axis=-1, dtype=np.float64), 1, rtol=0, atol=tolerance):
        raise ValueError(f"{name} are negative, or do not add up to one")


def check_gaussians(gaussians, n_features, dtype=np.float64):
    """ValueError where covariances are not symmetric and positive, factors not upper triangular, or
    both not of the same matrices as far as `dtype` can tell."""
    structure, means = gaussians.structure, gaussians.means
    shape = structure.shape(len(means), n_features)
    factors, covariances = gaussians.precisions_cholesky, gaussians.covariances
    if means.shape != (len(means), n_features) or not len(means) or factors.shape != shape or (
            covariances.shape != shape):
        raise ValueError("means, covariances or their factors have a wrong shape")
    if not all(np.isfinite(each).all() for each in (means, factors, covariances)):
        raise ValueError("means, covariances or their factors are not finite")
    for k in range(1 if structure.shared else len(means)):
        check_pair(*(structure.matrix(each, k, n_features) for each in (covariances, factors)),
                   k, dtype)


def check_pair(covariance, factor, component, dtype=np.float64):
    """The same of the covariance of one component and of the factor of its inverse."""
    if not (np.diagonal(covariance) > 0).all() or not (np.diagonal(factor) > 0).all():
        raise ValueError(f"the covariance of component {component} is not positive definite")
    scale, n_features = np.sqrt(np.diagonal(covariance)), len(covariance)
    if np.tril(factor, -1).any():
        raise ValueError(f"the factor of the precision of component {component} is not triangular")
    if not (np.abs(covariance - covariance.T) <= 1e-5 * np.outer(scale, scale)).all():
        raise ValueError(f"the covariance of component {component} is not symmetric")
    # in units of the columns; a covariance that is nearly singular says little of its inverse
    factor, covariance = factor * scale[:, None], covariance / np.outer(scale, scale)
    size = float(n_features) * np.square(factor).sum()
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(factor.T @ covariance @ factor - np.eye(n_features)).max()
    if not off <= 1e-3 + 100 * np.finfo(dtype).eps * size:
        raise ValueError(f"covariance and precision of component {component} are of two matrices")


def check_mixture(parameters, n_features, dtype=np.float64):
    """The same of a mixture, and of its weights and noise."""
    noise = parameters.noise
    n = len(parameters.means) + (noise is not None)
    if parameters.weights.shape != (n,):
        raise ValueError(f"weights are not those of {n} components")
    check_weights(parameters.weights)
    check_gaussians(parameters.components, n_features, dtype)
    if noise is not None and (
            noise.box.shape != (2, n_features) or not np.isfinite(noise.box).all()
            or not (noise.box[1] > noise.box[0]).all() or not np.isfinite(noise.log_density)):
        raise ValueError("the box of noise is none, or its density is not finite")


def check_stream(stream, type_, n_components, n_features, *, noise=False):
    """ValueError where the state of a stream is not that of one of this model."""
    model, pace = stream.model, stream.pace
    if isinstance(model, Standardised):
        check_scaling(model.scaling, n_features)
        model = model.model
    structure = model.components.structure
    shape = (n_components, n_features)
    for each in (stream.parameters, stream.shown):
        check_mixture(each, n_features)
        if each.means.shape != shape or each.structure.name != type_ or (
                (each.noise is not None) != noise):
            raise ValueError("its stream is of another model")
    if structure.name != type_ or not model.components.fixed <= {"means", "covariances"}:
        raise ValueError("its stream is of another model")
    check_structure(structure, n_features)
    concentration = model.concentration
    if concentration is not None and (
            concentration.shape != (n_components + noise,) or not (concentration >= 1).all()):
        raise ValueError("the prior of the weights of its stream is none")
    found = stream.statistics
    if found is not None and (found.centers.shape != shape
                              or found.covariance_type != structure.kernel
                              or (found.counts < 0).any() or (found.noise is not None) != noise):
        raise ValueError("the statistics of its stream are of another model")
    if not pace.n_batches >= 0 or not pace.weight >= 0 or not stream.n_parameters > 0 or (
            found is None and pace.n_batches):
        raise ValueError("its stream counts what cannot be")


def check_structure(structure, n_features):
    """ValueError where ridge, floor, rounding or prior cannot be."""
    prior, ridge = structure.prior, np.asarray(structure.reg_covar)
    if ridge.shape not in ((), (n_features,)) or not (ridge >= 0).all() or not (
            structure.floor >= 0 and structure.rounding >= 0):
        raise ValueError("the ridge or the floor of its covariances is none")
    if prior is not None:
        own = structure.shape(1, n_features)[0 if structure.shared else 1:]
        if np.shape(prior.scale) != own:
            raise ValueError("the prior of its covariances is of another model")


def check_scaling(scaling, n_features):
    """ValueError where the units of columns cannot be."""
    if scaling.center.shape != (n_features,) or scaling.scale.shape != (n_features,) or not (
            scaling.scale > 0).all():
        raise ValueError("the units of its columns are none")
