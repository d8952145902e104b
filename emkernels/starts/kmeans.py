"""Where K-means begins."""

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.data.rows import Rows
from emkernels.data.sampling import sample_block
from emkernels.data.source import SAMPLE_ROWS
from emkernels.kernels import kmeans_plusplus, passes
from emkernels.starts.lloyd import distances_to_centers, lloyd

# Rows of a sample for each cluster, where these are many.
ROWS_OF_A_CLUSTER = 50
# Starts that are compared on it.
N_STARTS = 3


def drawing(rows, n_clusters):
    """``draw(random_state)``: different rows drawn at random, by weight; ValueError where too few
    have a positive weight."""
    if rows.n_positive < n_clusters:
        raise ValueError(
            f"init='random' draws {n_clusters} rows, but only {rows.n_positive} have a positive "
            "weight"
        )
    if not isinstance(rows, Rows):
        return lambda random_state: rows.sample(n_clusters, random_state).X
    X, chance = rows.X, np.full(len(rows), 1 / len(rows))
    if rows.weighted:
        chance = rows.weight_given / rows.weight_given.sum()
    return lambda random_state: X[
        random_state.choice(len(X), size=n_clusters, replace=False, p=chance)]


def plusplus(rows, n_clusters, random_state):
    """Centres far from each other, of rows, or of :func:`telling_rows` of blocks of rows."""
    if isinstance(rows, Rows):
        return kmeans_plusplus(
            rows.X, n_clusters, sample_weight=rows.weight_given, random_state=random_state,
            n_threads=rows.n_threads, check_finite=False)[0]
    if rows.n_positive < n_clusters:
        raise ValueError(f"n_samples={rows.n_positive} of positive weight should be >= "
                         f"n_clusters={n_clusters}: pass centres as init, or more rows")
    if "telling rows" not in rows.kept:
        rows.kept["telling rows"] = telling_rows(rows, n_clusters, random_state)
    few = rows.kept["telling rows"]
    found = [lloyd(few, plusplus(few, n_clusters, random_state)) for _ in range(N_STARTS)]
    return min(found, key=lambda each: each.inertia).centers


def seen_by_callable(rows, n_clusters, random_state):
    """What a callable sees of the rows, read-only: all, or some of blocks of rows."""
    if not isinstance(rows, Rows):
        rows = rows.sample(n_sampled(n_clusters), random_state)
    seen = rows.X.view()
    seen.flags.writeable = False
    return seen


def n_sampled(n_clusters):
    """How many rows starts of blocks of rows look at."""
    return max(SAMPLE_ROWS, ROWS_OF_A_CLUSTER * n_clusters)


def telling_rows(source, n_clusters, random_state):
    """Rows with weights, on which K-means costs about what it does on all of them.

    The chance of a row is its weight by the sum of three: one, its squared distance to the nearest
    of seeds that were found in a sample drawn by weight alone, and the inverse of the weight of the
    rows near that seed, each divided by its mean (O. Bachem, M. Lucic, A. Krause, Practical coreset
    constructions for machine learning, 2017). So rows of small groups and far rows are there too.
    Two passes; one where the sample is all rows.
    """
    n = n_sampled(n_clusters)
    first = source.sample(n, random_state)
    if source.n_positive <= n:
        return first
    seeds = seen(plusplus(first, n_clusters, random_state).astype(np.float64), source)
    labels = np.empty(len(first), np.int32)
    counts, _, inertia, _ = passes.kmeans_pass(
        first.X, seeds, labels, first.sample_weight, first.n_threads)
    if not inertia > 0:
        return first
    total = counts.sum()
    rare = total / len(counts) / np.where(counts > 0, counts, total)
    shares = seeds, total / inertia, rare
    seed = int(random_state.randint(2**32, dtype=np.uint64))
    X, weight = source.reduce(_telling, n, seed, *shares).taken()
    rows = Rows.read(X).with_(n_threads=source.n_threads)
    weight = np.ones(len(X)) if weight is None else weight
    return rows.with_(sample_weight=weight / _factors(rows, *shares))


def _telling(rows, n_rows, seed, *shares):
    return sample_block(rows, n_rows, seed, factor=_factors(rows, *shares))


def _factors(rows, seeds, of_distance, rare):
    labels = np.zeros(len(rows), np.int32)
    passes.kmeans_pass(rows.X, seeds, labels, None, rows.n_threads)
    distances = np.maximum(distances_to_centers(rows, labels, seeds)[0], 0)
    return 1 + distances * of_distance + rare[labels]
