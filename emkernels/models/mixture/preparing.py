"""What the parameters of a Gaussian mixture ask for: the model, and what is given of the start."""

from dataclasses import replace

import numpy as np

from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.degenerate import total_covariance_of
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.moments import column_scaling
from emkernels.components.gaussian.reference import label_bytes
from emkernels.components.gaussian.structures import structure_of
from emkernels.components.uniform import uniform_of
from emkernels.data import Rows
from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.starts.mixture import Given

AUTO = 1e-6     # reg_covar="auto", in variances of the columns


def prepare(model, rows, warm, stream=False):
    """Everything checked, before any work: the model and what is given of the start. `stream`: the
    rows are the first batch of many, and say nothing of what a start or the last fit does."""
    k, n_features = model.n_components, rows.n_features
    bare = structure_of(model.covariance_type)
    density = arguments.check_noise(model.noise)
    weights = arguments.check_weights(model.weights_init, k, density is not None)
    means = arguments.check_means(model.means_init, k, n_features)
    precisions = arguments.check_start_precisions(model.precisions_init, bare, k, n_features)
    given = Given(weights, means, None if precisions is None
                  else bare.start_factors(precisions, weights))
    if rows.known is not None and not -1 <= rows.known.min() <= rows.known.max() < k:
        raise ValueError(f"the labels in the rows must lie in -1 .. {k - 1}")
    if stream and warm:
        given = Given(noise=model._noise)
    elif density is not None:
        given = replace(given, noise=uniform_of(rows, density or None))
    begin = _begin(model, given, bare, warm) if stream else None
    reg_covar, prior = model.reg_covar, model.covariance_prior
    if begin is not None:
        reg_covar, prior = _of_start(begin, reg_covar, prior)
    elif isinstance(reg_covar, str):
        reg_covar = AUTO * bare.variance_units(column_scaling(rows, bare).scale)
    prior = arguments.check_covariance_prior(prior, bare, rows, k)
    concentration = arguments.check_concentration(
        model.weight_concentration, k + (density is not None))
    fixed = arguments.check_fixed(model.fixed, given, warm)
    # where values are missing a variance never arrives at zero
    rounding = 0.0 if not rows.has_missing else np.finfo(rows.dtype).eps
    structure = bare.with_(reg_covar=reg_covar, prior=prior, rounding=rounding)
    in_blocks = not isinstance(rows, Rows)
    components = GaussianComponents(
        structure, fixed - {"weights"}, in_blocks,
        in_blocks and rows.may_keep(label_bytes(k)))
    mixture = Mixture(components, concentration=concentration,
                      fixed_weights="weights" in fixed)
    if warm and (model.means_.shape != (k, n_features) or model._type != model.covariance_type
                 or len(model.weights_) != k + (density is not None)):
        raise ValueError(
            f"{'partial_fit' if stream else 'warm_start'} cannot go on: n_components, "
            "covariance_type, noise or the number of columns differ from the last fit")
    return mixture, given


def _begin(model, given, bare, warm):
    """Parameters that a stream begins with, where they are known before its rows."""
    if warm:
        return model._parameters()
    return MixtureParameters(given.weights, given.gaussians(bare), given.noise) if (
        given.all) else None


def _of_start(begin, reg_covar, prior):
    """What is by the data, by a mixture: that ridge, and that prior."""
    k, n_features = begin.means.shape
    if isinstance(reg_covar, str) or isinstance(prior, str):
        covariance, structure = total_covariance_of(begin), begin.structure
        if isinstance(reg_covar, str):
            scale = np.sqrt(structure.pooled(np.diagonal(covariance)))
            reg_covar = AUTO * structure.variance_units(scale)
        if isinstance(prior, str):
            prior = n_features + 2.0, covariance / k ** (2 / n_features)
    return reg_covar, prior
