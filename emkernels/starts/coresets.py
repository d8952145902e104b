"""Seeds of K-means that see a few rows for each cluster, whatever the number of rows."""

import numpy as np

from emkernels._callers import warn
from emkernels.components.gaussian.moments import seen
from emkernels.data.rows import Rows
from emkernels.em import EMWarning
from emkernels.kernels import passes
from emkernels.starts.kmeans import n_sampled, plusplus
from emkernels.starts.lloyd import lloyd
from emkernels.starts.oversampling import oversampled

# Iterations of K-means on the few rows: each costs what one on all rows does, times their share.
MOST_ITERATIONS = 20


def of_coreset(rows, n_clusters, random_state):
    """Centres of K-means on rows with weights that stand for all of them.

    Rows are drawn, with replacement, by half of their weight and half of their weight times the
    squared distance to the mean of all, and weigh what they weigh by the chance that they had (O.
    Bachem, M. Lucic, A. Krause, Scalable k-means clustering via lightweight coresets, KDD 2018):
    sums over them are, in the mean, those over all rows. Two passes over all rows, whatever the
    number of clusters; the rest costs as much as it would if there were 50 rows a cluster. Where
    fewer rows than clusters are drawn, for they have nearly all of the weight, a warning says that
    the centres are those of `oversampled` of all rows.
    """
    n = n_sampled(n_clusters)
    if not isinstance(rows, Rows):
        return plusplus(rows, n_clusters, random_state)
    if rows.n_positive <= n:
        return oversampled(rows, n_clusters, random_state)
    few = coreset(rows, n, random_state)
    if few.n_positive < n_clusters:
        warn(f"init='coreset' drew {few.n_positive} different rows for {n_clusters} clusters: few "
             "rows have nearly all of the weight, and the start is that of init='k-means||'. Pass "
             "that, or fewer clusters, or weights that differ less", EMWarning)
        return oversampled(rows, n_clusters, random_state)
    start = oversampled(few, n_clusters, random_state)
    return lloyd(few, start, max_iter=MOST_ITERATIONS).centers


def coreset(rows, n_rows, random_state):
    """At most so many rows, with weights, that were drawn like that; all where none differ."""
    X, weight, n_threads = rows.X, rows.weight_given, rows.n_threads
    origin = X[:1].astype(np.float64)
    counts, sums, _, _ = passes.kmeans_pass(X, origin, None, weight, n_threads)
    mean = seen(origin + sums / counts[0], rows)
    squares, _ = passes.gap_squares(
        X, np.zeros(len(X), np.int32), mean, np.zeros(rows.n_features), n_threads)
    # times the number of rows that are drawn
    typical = np.average(squares, weights=weight)
    chance = squares / typical if typical > 0 else np.ones(len(X))
    chance += 1
    if weight is not None:
        chance *= weight
    running = np.cumsum(chance)
    drawn = np.searchsorted(running, random_state.uniform(size=n_rows) * running[-1], side="right")
    chosen, times = np.unique(np.minimum(drawn, _last(running)), return_counts=True)
    share = times * (running[-1] / n_rows) / chance[chosen]
    few = Rows.read(X[chosen]).with_(n_threads=n_threads)
    return few.weighed(share if weight is None else share * weight[chosen])


def _last(running):
    """The last row of any chance."""
    return int(np.searchsorted(running, running[-1]))
