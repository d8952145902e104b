"""Mixtures of pixels: where they begin, and how many components they have."""

import numpy as np

from emkernels.image._seeds import start_from
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.fitted import fit_with_spikes
from emkernels.models.mixture.selection import CAREFUL, select_mixture

# channels have one unit: they are not standardised
STARTS = {name: CAREFUL[name] for name in ("init_params", "short_iter")}


def fit_mixture(pixels, n_components, parameters, labels=None, means=None):
    """The mixture of the rows. A component on one value is as good as any here: a flat segment is
    one, and reg_covar keeps its density within what an image can show.

    Parameters
    ----------
    pixels : CountedPixels or AllPixels
    n_components : int
    parameters : dict
        Of :class:`GaussianMixture`.
    labels : int32 ndarray of shape (n_pixels,) or None
        Components of pixels that are known, -1 for the others.
    means : ndarray of shape (n_components, n_features) or None
        To begin with.
    """
    parameters = {**STARTS, **parameters}
    if means is not None:
        parameters.update(start_from(
            means, pixels, parameters["covariance_type"], parameters["reg_covar"]))
    if labels is not None and pixels.raster.inside is not None:
        labels = labels[pixels.raster.inside]
    rows, weight = _rows(pixels)
    if labels is not None and len(rows) > len(pixels.rows):
        labels = np.repeat(labels, 2)
    return fit_with_spikes(GaussianMixture(n_components, **parameters), rows,
                           sample_weight=weight, labels=labels)


def _rows(pixels):
    """Rows and weights; of one colour the row comes twice, as a mixture wants two."""
    if len(pixels.rows) > 1:
        return pixels.checked, pixels.weight
    return np.repeat(pixels.rows, 2, axis=0), np.full(2, pixels.raster.n_inside / 2)


def choose_mixture(pixels, sizes, criterion, parameters):
    """The SelectionResult of mixtures with some numbers of components; see above."""
    parameters = {**STARTS, "init_scaling": None, **parameters}
    rows, weight = _rows(pixels)
    return select_mixture(
        rows, sizes, parameters.pop("covariance_type"), criterion, sample_weight=weight,
        allow_degenerate=True, **parameters)
