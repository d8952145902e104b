"""K-means and EM side by side on the same rows."""

import math
import time
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.validation import _get_feature_names

from emkernels import _inputs, kernels, plotting
from emkernels._callers import listening, warn
from emkernels._results import Result, Table
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows, checks
from emkernels.em import DegenerateWarning
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.fitted import check_fit, examination_of, fitted_type, reorder

CHUNK = 65536


@dataclass(repr=False, eq=False)
class ClusteringComparison(Result):
    """Result of :func:`emkernels.compare_clusterings`; ``print`` it for a table.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    kmeans : KMeans
    mixture : GaussianMixture
        Its components in the order of the clusters of `kmeans` that they overlap most.
    kmeans_labels, mixture_labels : ndarray of shape (n_samples,), int
        In the numbering of `kmeans`; the largest responsibility decides for the mixture.
    adjusted_rand : float
        Adjusted Rand index of the two labellings: 1 for the same, about 0 for unrelated ones.
        Of rows, whatever they weigh.
    soft : ndarray of shape (n_samples,), bool
        Whether the largest responsibility is below `soft_below`.
    soft_below : float
    soft_share : float
        Share of such rows, by weight.
    table : list of dict
        For each cluster: `cluster`; `kmeans_rows`, `mixture_rows` and `common_rows`, how many it
        has in either labelling and in both; `kmeans_share` and `mixture_share` of all weight;
        `elongation`, the square root of the largest over the smallest eigenvalue of the
        component's covariance, 1 for a sphere; `spread`, its ``det ** (1 / (2 n_features))``,
        the radius of the sphere of the same volume; `soft_share` of the mixture's cluster.
    kmeans_bic, mixture_bic : float
        Bayesian information criterion, the lower the better, of the mixture that K-means
        implies and of the mixture. That of K-means has spheres of one variance ``inertia /
        (n_features n)`` about the centres, weighted by the shares of the clusters; -inf where
        every row lies on a centre.
    kmeans_seconds, mixture_seconds : float
        Wall time of one fit each, which is not how fast they are: `emkernels bench` says that.
    feature_names : list of str
    sample_weight : ndarray of shape (n_samples,) or None

    See Also
    --------
    compare_clusterings : What makes it.
    emkernels.plotting.plot_clusterings : Both clusterings side by side.

    References
    ----------
    D. Pelleg, A. Moore, X-means: extending K-means with efficient estimation of the number of
    clusters, ICML 2000 (the mixture that K-means implies; here its own likelihood, not that of
    the assigned rows).
    L. Hubert, P. Arabie, Comparing partitions, Journal of Classification 2, 1985.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from emkernels import compare_clusterings
    >>> result = compare_clusterings(load_iris().data, 3, random_state=0)
    >>> [(row["kmeans_rows"], row["mixture_rows"]) for row in result.table]
    [(61, 45), (50, 50), (39, 55)]
    >>> round(result.adjusted_rand, 2), result.mixture_bic < result.kmeans_bic
    (0.68, True)
    """

    X: np.ndarray
    kmeans: KMeans
    mixture: GaussianMixture
    kmeans_labels: np.ndarray
    mixture_labels: np.ndarray
    adjusted_rand: float
    soft: np.ndarray
    soft_below: float
    soft_share: float
    table: list
    kmeans_bic: float
    mixture_bic: float
    kmeans_seconds: float
    mixture_seconds: float
    feature_names: list
    sample_weight: np.ndarray | None = None

    def __str__(self):
        n, d = self.X.shape
        converged = "" if self.mixture.converged_ else ", not converged"
        lines = [
            f"K-means and EM ({fitted_type(self.mixture)} covariances): {n} rows, {d} columns, "
            f"{len(self.table)} cluster{'s' * (len(self.table) != 1)}",
            "",
            f"{'':<7} {'iterations':>11} {'BIC':>16}",
            f"{'K-means':<7} {self.kmeans.n_iter_:11d} {self.kmeans_bic:16.3f}",
            f"{'EM':<7} {self.mixture.n_iter_:11d} {self.mixture_bic:16.3f}{converged}",
            "",
            f"Adjusted Rand index of the two: {self.adjusted_rand:.3f}",
            f"Rows of no clear component (largest responsibility below {self.soft_below:g}): "
            f"{np.count_nonzero(self.soft)} ({100 * self.soft_share:.1f} %)",
            "",
            f"{'':7} {'rows':^29} {'share':^15} {'component':^20}".rstrip(),
            f"{'cluster':>7} {'K-means':>9} {'EM':>9} {'common':>9} {'K-means':>7} {'EM':>7} "
            f"{'elongation':>10} {'spread':>9} {'soft':>7}",
        ]
        for row in self.table:
            lines.append(
                f"{row['cluster']:7d} {row['kmeans_rows']:9d} {row['mixture_rows']:9d} "
                f"{row['common_rows']:9d} {row['kmeans_share']:7.3f} {row['mixture_share']:7.3f} "
                f"{row['elongation']:10.4g} {row['spread']:9.4g} {100 * row['soft_share']:5.1f} %")
        return "\n".join(lines)

    def _tables(self):
        return [Table([(name, [row[name] for row in self.table]) for name in self.table[0]])]

    def _headline(self):
        return (f"{str(self).partition(chr(10))[0]}. Adjusted Rand index {self.adjusted_rand:.3f}; "
                f"BIC {self.kmeans_bic:.3f} of K-means, {self.mixture_bic:.3f} of EM")

    def to_frame(self):
        """The table of the clusters, as :meth:`to_pandas` gives it.

        Returns
        -------
        pandas.DataFrame
            One row a cluster, indexed by `cluster`; the columns are those of `table`.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        return self.to_pandas()

    def plot(self, *, axes=None):
        """K-means beside EM: see :func:`emkernels.plotting.plot_clusterings`.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            None: those of a new figure.

        Returns
        -------
        ndarray of Axes
            The two that were drawn on.
        """
        return plotting.plot_clusterings(self, axes=axes)


def compare_clusterings(X, n_clusters, *, covariance_type="full", sample_weight=None,
                        soft_below=0.9, random_state=None, n_init=1, tol=1e-6, max_iter=1000,
                        n_threads=None, **parameters):
    """Fit K-means and a Gaussian mixture to the same rows and set them side by side.

    K-means puts the border of two clusters halfway between their centres, whatever the shapes
    and sizes; EM estimates those, and says how sure each row's cluster is.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Complete rows: K-means knows no missing values.
    n_clusters : int
        Of K-means, and components of the mixture.
    covariance_type : str
        One of :class:`GaussianMixture`.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    soft_below : float
        Rows whose largest responsibility is below it count as soft; above 0, at most 1.
    random_state : int, RandomState, Generator or None
        Both fits begin with the same draws, so that EM goes on from what K-means found. Where
        that is a poor local maximum of the likelihood, ``init_params="k-means++"`` and several
        `n_init` find a better one.
    n_init : int
        Starts of either.
    tol : float
        Of EM, see :class:`GaussianMixture`.
    max_iter : int
        Of EM. The clusters of K-means can be a plateau on which EM gains little for many
        iterations before it leaves; the looser `tol` of :class:`GaussianMixture` would stop there.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.
    **parameters
        Further parameters of :class:`GaussianMixture`.

    Returns
    -------
    ClusteringComparison
        Both fits, and a table of the clusters.

    Raises
    ------
    ValueError, TypeError
        Bad parameters or data (the argument, row or column is named), missing values, `noise`,
        or a mixture that collapsed in every start.

    See Also
    --------
    KMeans : One of the two.
    GaussianMixture : The other one.
    ClusteringComparison : What is returned.
    emkernels.plotting.plot_clusterings : Both clusterings side by side.

    Examples
    --------
    Two long clusters, one above the other:

    >>> import numpy as np
    >>> from emkernels import compare_clusterings
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2)) * [8, 0.5] + np.repeat([[0, 0], [0, 4]], 200, axis=0)
    >>> result = compare_clusterings(X, 2, random_state=0)
    >>> [row["mixture_rows"] for row in result.table]
    [200, 200]
    >>> abs(result.adjusted_rand) < 0.1
    True
    >>> result.mixture_bic < result.kmeans_bic
    True
    """
    if isinstance(soft_below, bool) or not (isinstance(soft_below, Real) and 0 < soft_below <= 1):
        raise ValueError(f"soft_below must be above 0 and at most 1, got {soft_below!r}")
    if parameters.get("noise") not in (None, False):
        raise ValueError("compare_clusterings takes no noise: K-means has every row in a cluster. "
                         "Fit GaussianMixture(noise=...) and KMeans by themselves")
    names = _get_feature_names(X)
    kmeans = KMeans(n_clusters, n_init=n_init, n_threads=n_threads)
    rows = Rows.read(X, kmeans, complete="K-means")
    checks.check_magnitude(rows.X, rows.largest, names=rows.places)
    checks.check_labelled(GaussianMixture(**parameters), rows, sample_weight)
    names = [f"x{j}" for j in range(rows.n_features)] if names is None else [str(n) for n in names]
    rows = rows.weighed(sample_weight)
    sample_weight = rows.weight_given
    seed = random_state
    if not isinstance(seed, (int, np.integer)):
        seed = _inputs.as_random_state(seed).randint(2**31 - 1)
    mixture = GaussianMixture(
        n_clusters, covariance_type=covariance_type, n_init=n_init, n_threads=n_threads,
        random_state=seed, tol=tol, max_iter=max_iter, **parameters)
    for model in (kmeans, mixture):
        model._validate_params()
    if len(rows) < n_clusters:
        raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={n_clusters}")
    check_fit(mixture, rows, sample_weight)
    kmeans_seconds = _timed_fit(kmeans.set_params(random_state=seed), rows, sample_weight)
    with listening() as heard:
        mixture_seconds = _timed_fit(mixture, rows, sample_weight)
    overlap = _overlap(kmeans.labels_, mixture.predict(rows), n_clusters, sample_weight)
    reorder(mixture, linear_sum_assignment(overlap, maximize=True)[1])
    for text, category in heard:
        if category is not DegenerateWarning:
            warn(text, category)
    # by the numbers that the components have now
    for text in examination_of(mixture).texts(names):
        warn(text, DegenerateWarning)
    mixture_labels = mixture.predict(rows)
    soft = np.concatenate([mixture.predict_proba(part).max(axis=1) < soft_below
                           for part in rows.blocks(CHUNK)])
    X = rows.X
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    return ClusteringComparison(
        X, kmeans, mixture, kmeans.labels_, mixture_labels,
        float(adjusted_rand_score(kmeans.labels_, mixture_labels)),
        soft, float(soft_below), float(weight[soft].sum() / weight.sum()),
        _table(mixture, kmeans.labels_, mixture_labels, soft, weight),
        _kmeans_bic(kmeans, X, weight), float(mixture.bic(rows, sample_weight=sample_weight)),
        kmeans_seconds, mixture_seconds, names, sample_weight)


def _timed_fit(model, X, sample_weight):
    began = time.perf_counter()
    model.fit(X, sample_weight=sample_weight)
    return time.perf_counter() - began


def _overlap(labels, others, n, weight=None):
    """Weight of the rows for every pair of labels, (n, n)."""
    pairs = labels.astype(np.int64) * n + others
    return np.bincount(pairs, weight, n * n).reshape(n, n)


def _table(mixture, kmeans_labels, mixture_labels, soft, weight):
    k, d = mixture.means_.shape
    structure = structure_of(fitted_type(mixture))
    rows = _overlap(kmeans_labels, mixture_labels, k).astype(np.int64)
    shares = _overlap(kmeans_labels, mixture_labels, k, weight) / weight.sum()
    soft_shares = np.bincount(mixture_labels, weight * soft, k) / weight.sum()
    table = []
    for j in range(k):
        covariance = structure.matrix(structure.inner(mixture.covariances_), j, d)
        values = np.linalg.eigvalsh(covariance.astype(np.float64))
        # down to the precision of the covariances
        values = np.maximum(values, np.finfo(covariance.dtype).eps * values[-1])
        share = float(shares[:, j].sum())
        table.append({
            "cluster": j, "kmeans_rows": int(rows[j].sum()), "mixture_rows": int(rows[:, j].sum()),
            "common_rows": int(rows[j, j]), "kmeans_share": float(shares[j].sum()),
            "mixture_share": share, "elongation": math.sqrt(values[-1] / values[0]),
            "spread": float(np.exp(np.log(values).mean() / 2)),
            "soft_share": float(soft_shares[j] / share) if share > 0 else 0.0,
        })
    return table


def _kmeans_bic(kmeans, X, weight):
    """BIC of the mixture of equal spheres about the centres of K-means."""
    k, d = kmeans.cluster_centers_.shape
    total = float(weight.sum())
    variance = kmeans.inertia_ / (d * total)
    # rows on their centres leave the rounding of these
    if variance <= (4 * np.finfo(X.dtype).eps * np.abs(kmeans.cluster_centers_).max()) ** 2:
        return -math.inf
    shares = np.bincount(kmeans.labels_, weight, k) / total
    held = shares > 0
    log_likelihood = 0.0
    for first in range(0, len(X), CHUNK):
        rows = slice(first, first + CHUNK)
        densities = kernels.e_step(
            X[rows], shares[held], kmeans.cluster_centers_[held].astype(np.float64),
            np.full(np.count_nonzero(held), variance ** -0.5), "spherical",
            want=("log_prob_norm",), n_threads=kmeans.n_threads, check_finite=False)[0]
        log_likelihood += float(weight[rows] @ densities.astype(np.float64))
    # weights that sum to one, centres, one variance
    return -2 * log_likelihood + (k - 1 + k * d + 1) * math.log(total)
