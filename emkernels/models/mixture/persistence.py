"""Fitted mixtures in files."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import structure_of
from emkernels.components.uniform import Uniform
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.persistence import read_archive, saved_parameters, write_archive

_FORMAT = "emkernels.GaussianMixture"
_VERSION = 1
_ARRAYS = ("weights_", "means_", "covariances_", "precisions_cholesky_", "lower_bounds_")
_INIT_ARRAYS = ("weights_init", "means_init", "precisions_init")


def save(model, path):
    """Write a fitted mixture to `path`, at once or not at all."""
    check_is_fitted(model)
    parameters = saved_parameters(model)
    arrays = {name: np.asarray(getattr(model, name)) for name in _ARRAYS}
    for name in _INIT_ARRAYS:
        if parameters[name] is not None:
            arrays[name] = np.asarray(parameters[name], dtype=np.float64)
        parameters.pop(name)
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "converged": bool(model.converged_),
        "n_iter": int(model.n_iter_),
        "lower_bound": float(model.lower_bound_).hex(),
        "degenerate": model.degenerate_components_.tolist(),
        "fitted": [model._type, sorted(model._fixed)],
        "classes": _plain(getattr(model, "classes_", None)),
        "feature_names": [str(name) for name in getattr(model, "feature_names_in_", ())],
    }
    if vars(model).get("_fitted_weight") is not None:
        header["weight"] = float(model._fitted_weight).hex()
        if "_fitted_rows" in vars(model):
            header["rows"] = int(model._fitted_rows)
    if hasattr(model, "n_blocks_"):
        header["blocks"] = [int(model.n_blocks_), int(model.n_rows_)]
    if model._noise is not None:
        arrays["noise_box_"] = model.noise_box_
        header["noise_log_density"] = float(model.noise_log_density_).hex()
    write_archive(path, header, arrays)


def load(cls, path):
    """A fitted mixture from `path`."""
    problem = f"{path} is not a mixture saved by emkernels, or it is damaged"
    header, arrays = read_archive(path, _FORMAT, _VERSION, problem)
    try:
        return _build(cls, header, arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"{problem}: {error}") from error


def _build(cls, header, arrays):
    parameters = dict(header["parameters"])
    for name in ("fixed", "covariance_prior", "init_params"):
        if isinstance(parameters[name], list):
            parameters[name] = tuple(parameters[name])
    for name in _INIT_ARRAYS:
        parameters[name] = arrays.get(name)
    model = cls(**parameters)
    n_components, n_features = arrays["means_"].shape
    noise = _noise(header, arrays, n_features)
    type_, fixed = header.get("fitted") or (model.covariance_type, model.fixed)
    structure = structure_of(type_)
    shape = structure.outer_shape(n_components, n_features)
    for name, expected in (("weights_", (n_components + (noise is not None),)),
                           ("covariances_", shape), ("precisions_cholesky_", shape)):
        if arrays[name].shape != expected or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has a wrong shape or is not finite")
    if not np.isfinite(arrays["means_"]).all():
        raise ValueError("means_ is not finite")
    dtype = arrays["means_"].dtype
    weights, means, covariances, factors = (
        np.ascontiguousarray(arrays[name], np.float64) for name in _ARRAYS[:4])
    gaussians = Gaussians(structure, means, structure.inner(covariances), structure.inner(factors))
    model._set_parameters(
        MixtureParameters(weights, gaussians, noise), dtype, fixed)
    if header.get("classes") is not None:
        model._remember_labels(np.array(header["classes"]))
    model.lower_bounds_ = arrays["lower_bounds_"].tolist()
    model.converged_, model.n_iter_ = bool(header["converged"]), int(header["n_iter"])
    model.lower_bound_ = float.fromhex(header["lower_bound"])
    model.degenerate_components_ = np.array(header.get("degenerate", []), dtype=np.int64)
    model.n_features_in_ = n_features
    if "weight" in header:
        model._fitted_weight = float.fromhex(header["weight"])
        if "rows" in header:
            model._fitted_rows = int(header["rows"])
    if "blocks" in header:
        model.n_blocks_, model.n_rows_ = map(int, header["blocks"])
    if header["feature_names"]:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    return model


def _noise(header, arrays, n_features):
    """The uniform component of a file, None where it has none."""
    if "noise_log_density" not in header:
        return None
    noise = Uniform(arrays["noise_box_"], float.fromhex(header["noise_log_density"]))
    if noise.box.shape != (2, n_features) or not (
            np.isfinite(noise.box).all() and (noise.box[1] > noise.box[0]).all()
            and np.isfinite(noise.log_density)):
        raise ValueError("noise_box_ is no box, or noise_log_density_ is not finite")
    return noise


def _plain(value):
    """A value as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(item) for item in value]
    return value
