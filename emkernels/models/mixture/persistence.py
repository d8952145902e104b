"""Files of mixtures of version 1 of the format, which mixtures had for themselves."""

import numpy as np

from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import structure_of
from emkernels.components.uniform import Uniform
from emkernels.latent.mixture import MixtureParameters

_ARRAYS = ("weights_", "means_", "covariances_", "precisions_cholesky_")
_INIT_ARRAYS = ("weights_init", "means_init", "precisions_init")


def build_version_1(cls, header, arrays):
    """A mixture of such a file."""
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
        np.ascontiguousarray(arrays[name], np.float64) for name in _ARRAYS)
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
