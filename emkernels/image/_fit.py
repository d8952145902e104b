"""Mixtures of pixels: where they begin, and how many components they have."""

import warnings

import numpy as np
from sklearn.utils import check_random_state

from emkernels.em import DegenerateFitError, EMWarning
from emkernels.image._seeds import start_from
from emkernels.models._sampled_start import draw_rows
from emkernels.models.gaussian_mixture import GaussianMixture
from emkernels.models.selection import SelectionResult

KINDS = ("kmeans", "k-means++", "random_from_data")     # of starts, one after the other
SHORT, SHORT_TOL = 20, 1e-5     # iterations until starts are compared, and when one ends early


def fit_mixture(pixels, n_components, parameters, labels=None, means=None):
    """The mixture of the rows.

    Parameters
    ----------
    pixels : CountedPixels or AllPixels
    n_components : int
    parameters : dict
        Of :class:`GaussianMixture`; with an n_init above 1 so many short runs on some of the
        rows say where it begins.
    labels : int32 ndarray of shape (n_pixels,) or None
        Components of pixels that are known, -1 for the others.
    means : ndarray of shape (n_components, n_features) or None
        To begin with.
    """
    parameters = dict(parameters)
    n_init = parameters.pop("n_init")
    if means is not None:
        parameters.update(start_from(
            means, pixels, parameters["covariance_type"], parameters["reg_covar"]))
    elif labels is None and n_init > 1 and n_components > 1:
        parameters.update(_cheap_start(pixels, n_components, n_init, parameters))
        n_init = 1
    if labels is not None and pixels.raster.inside is not None:
        labels = labels[pixels.raster.inside]
    rows, weight = pixels.rows, pixels.weight
    if len(rows) == 1:      # a mixture wants two
        rows, weight = np.repeat(rows, 2, axis=0), np.full(2, pixels.raster.n_inside / 2)
        labels = None if labels is None else np.repeat(labels, 2)
    model = GaussianMixture(n_components, n_init=n_init, **parameters)
    return model.fit(rows, sample_weight=weight, labels=labels)


def _cheap_start(pixels, n_components, n_init, parameters):
    """Start values: the best of some starts after a few iterations on a sample.

    A component on one value is as good as any here: a flat segment is one, and reg_covar keeps
    its density within what an image can show.

    C. Biernacki, G. Celeux, G. Govaert, Choosing starting values for the EM algorithm for
    getting the highest likelihood in multivariate Gaussian mixture models, Computational
    Statistics & Data Analysis 41, 2003.
    """
    random_state = check_random_state(parameters["random_state"])
    rows, weight = draw_rows(pixels.rows, pixels.weight, random_state)
    rows = np.ascontiguousarray(pixels.rows[rows])
    short = {name: parameters[name] for name in ("covariance_type", "reg_covar", "n_threads")}
    best, n_failed, failure = None, 0, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(n_init):
            model = GaussianMixture(n_components, init_params=KINDS[i % len(KINDS)], tol=SHORT_TOL,
                                    max_iter=SHORT, random_state=random_state, **short)
            try:
                model.fit(rows, sample_weight=weight)
            except DegenerateFitError as error:
                n_failed, failure = n_failed + 1, error
                continue
            if best is None or model.lower_bound_ > best.lower_bound_:
                best = model
    if best is None:
        raise failure
    if n_failed:
        warnings.warn(f"{n_failed} start(s) collapsed and were dropped", EMWarning, stacklevel=3)
    weights = best.weights_.astype(np.float64)
    return {"weights_init": weights / weights.sum(), "means_init": best.means_,
            "precisions_init": best.precisions_}


def choose_mixture(pixels, sizes, criterion, parameters):
    """The SelectionResult of mixtures with some numbers of components, as
    :func:`emkernels.select_mixture` makes it; no component is held against a mixture because it
    lies on one value."""
    best, table, failure = None, [], None
    for size in sizes:
        row = {"n_components": size, "covariance_type": parameters["covariance_type"]}
        table.append(row)
        try:
            model = fit_mixture(pixels, size, parameters)
        except DegenerateFitError as error:
            row.update(n_parameters=0, log_likelihood=-np.inf, bic=np.inf, aic=np.inf,
                       icl=np.inf, converged=False, n_iter=0, error=str(error))
            failure = error
            continue
        row.update(
            n_parameters=model._n_parameters(),
            **model._criteria(pixels.rows, pixels.weight, entropy=True),
            converged=model.converged_, n_iter=model.n_iter_, error=None)
        if best is None or row[criterion] < best[0]:
            best = (row[criterion], model)
    if best is None:
        raise failure
    return SelectionResult(best[1], criterion, table)
