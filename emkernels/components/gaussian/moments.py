"""Moments of all rows, and statistics as the kernels return them."""

import numpy as np

from emkernels.components.gaussian.parameters import Scaling
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.data.available import available, observed_means, pairwise_covariances
from emkernels.data.rows import Rows
from emkernels.data.source import Sums
from emkernels.kernels import passes, weighted_moments

# Deviations from zero from where on columns are far from it.
FAR = 100.0


def statistics_of(rows, covariance_type, centers, counts, first, second, log_likelihood=0.0,
                  total=None):
    """What a pass over the rows has returned, in the user's unit of weight. `total`: the weight
    that the objective is for one unit of, that of all rows where None."""
    out = SufficientStatistics.trusted(
        covariance_type, centers, counts, first, second, log_likelihood)
    if rows.unit != 1:
        out.scale(rows.unit)
    out.total, out.n_rows = rows.total if total is None else total, rows.n_rows
    out.n_threads = rows.n_threads
    return out


def seen(centers, rows):
    """Centres as the kernels see them, in the precision of the rows; float64. ValueError where they
    are beyond it, as those of other rows may be."""
    if np.abs(centers).max(initial=0) > np.finfo(rows.dtype).max:
        raise ValueError(f"the means do not fit into {rows.dtype}, the precision of X: pass "
                         "float64")
    return centers.astype(rows.dtype).astype(np.float64)


def near_zero(rows, center, scale):
    """The rows about an origin, and the origin (n_features,), where float32 rounds means of columns
    so far from zero by more than does no harm; else the rows, and zeros. (Differences of float32
    numbers that are near each other are exact.)"""
    far = np.abs(center) > FAR * scale
    if rows.dtype != np.float32 or not far.any():
        return rows, np.zeros(rows.n_features)
    origin = np.where(far, center, 0.0).astype(np.float32)
    moved = _about(rows, origin) if isinstance(rows, Rows) else rows.mapped(_about, origin)
    return moved, origin.astype(np.float64)


def _about(rows, origin):
    return rows.take(X=rows.X - origin)


def column_means(rows):
    """Weighted column means in float64, about the first row so that a shift costs no digits;
    of the observed values where some are missing."""
    if not isinstance(rows, Rows):
        return rows.summary().means
    if rows.patterns is not None:
        return observed_means(rows)[0]
    X = rows.X
    moments = weighted_moments(
        X, np.zeros(len(X), np.int32), X[:1], "spherical", rows.sample_weight,
        n_threads=rows.n_threads, check_finite=False)
    return X[0].astype(np.float64) + moments.first[0] / moments.counts[0]


def total_covariance(rows):
    """Weighted covariance of all rows, about their mean as the kernels see it; where values are
    missing, that of the pairs of observed ones."""
    mean = column_means(rows)
    if rows.has_missing:
        return pair_covariance(rows, mean)
    centre = seen(mean, rows)
    sums = rows.reduce(scatter_of, centre)
    return sums.scatter / sums.total - np.outer(mean - centre, mean - centre)


def pair_covariance(rows, mean):
    """The covariance about a mean, each entry of the rows that have both columns."""
    if isinstance(rows, Rows):
        return pairwise_covariances(rows, np.zeros(len(rows), np.int32), mean[None])[0]
    pairs = rows.reduce(_pairs, mean)
    return available(pairs.weight, pairs.products)[0]


def scatter_of(rows, centre):
    """The scatter of complete rows about a centre, as the kernels see it, and their weight."""
    weight = rows.sample_weight
    total = len(rows) if weight is None else weight.sum()
    scatter = passes.total_scatter(rows.X, centre, weight, rows.n_threads)
    return Sums(scatter=scatter * rows.unit, total=total * rows.unit)


def _pairs(rows, mean):
    """Weight and products of the pairs of columns that are both observed."""
    weight, products = passes.available_moments(
        rows.X, np.zeros(len(rows), np.int32), seen(mean, rows)[None], rows.sample_weight,
        rows.n_threads)
    return Sums(weight=weight * rows.unit, products=products * rows.unit)


def column_scaling(rows, structure):
    """Means and standard deviations of the columns, as the structure can tell these apart; 1 for
    columns that do not vary."""
    if rows.has_missing or not isinstance(rows, Rows):
        summary = rows.summary()
        center, variance = summary.means, summary.deviations**2
    else:
        center = column_means(rows)
        moments = weighted_moments(
            rows.X, np.zeros(len(rows), np.int32), seen(center, rows)[None], "diag",
            rows.sample_weight, n_threads=rows.n_threads, check_finite=False)
        offset = moments.first[0] / moments.counts[0]
        variance = np.maximum(moments.second[0] / moments.counts[0] - offset**2, 0)
        # what is left of a constant column is rounding
        variance[variance <= (4 * np.finfo(rows.dtype).eps * center) ** 2] = 0
    variance = structure.pooled(variance)
    return Scaling(center, np.sqrt(np.where(variance > 0, variance, 1.0)))
