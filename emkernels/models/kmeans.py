"""K-means."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Options

from emkernels.data import Rows, checks
from emkernels.data.checks import Interval, one_of
from emkernels.data.survey import Tables
from emkernels.models._state import Stateful
from emkernels.models.chunked import ChunkedFit
from emkernels.models.encoding import number, numbers
from emkernels.models.kmeans_distances import KMeansDistances
from emkernels.models.kmeans_exchange import KMeansExchange
from emkernels.models.kmeans_starts import SEEDS, KMeansStarts
from emkernels.models.kmeans_stepwise import ClusterStream, StepwiseKMeans
from emkernels.models.loaded import check_values
from emkernels.models.steps import STEPS


class KMeans(ChunkedFit, StepwiseKMeans, KMeansStarts, KMeansDistances, KMeansExchange, Stateful,
             ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """K-means, a drop-in for :class:`sklearn.cluster.KMeans` on dense rows.

    Looks for the centres that minimise ``sum_i w_i min_k |x_i - center_k|^2`` by Lloyd's
    algorithm: every row to its nearest centre, every centre to the mean of its rows. The same
    `random_state` gives the clustering of scikit-learn, up to rounding and ties. Distances that
    bounds show not to matter are not computed, which changes no label.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {'k-means++', 'k-means||', 'coreset', 'random'}, callable or array-like
        'k-means++', the default: rows far from each other, by greedy draws; 'k-means||' (*more*):
        K-means of rows that are drawn in four rounds, for many clusters; 'coreset' (*more*):
        K-means of 50 rows a cluster that stand for all, for many rows; 'random': rows drawn at
        random; an array: the centres, (n_clusters, n_features); a callable ``init(X, n_clusters,
        random_state)`` returns them, and sees X as it is and read-only. See Notes for blocks.
    n_init : 'auto' or int, default='auto'
        Number of starts, of which the one of the lowest inertia is kept. 'auto': 10 for
        'random' and a callable, else 1.
    max_iter : int, default=300
        Of one start.
    tol : float, default=1e-4
        A start ends when no label changes, or when the squared shift of all centres in an
        iteration is at most `tol` times the mean variance of the columns.
    verbose : int, default=0
        1 or more: a line for each iteration, at the cost of one more pass over the rows.
    random_state : int, RandomState, Generator or None, default=None
        What is drawn comes of it: the same number, the same result.
    copy_x : bool, default=True
        Accepted and not used: X is read in place and never written.
    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Accepted and not used: both name the same clustering. Distances are bounded as by Elkan
        (where there are more than a few clusters, for groups of centres) from the
        iteration on in which few rows change their cluster; the bounds take no more memory
        than X, or 20 bytes a row.
    n_threads : int, default=None
        *More.* None: the CPUs this process may use; -1: all. The fit has the same bits for
        every number.
    step_exponent : float in (0.5, 1], default=0.6
        The larger, the less late batches of :meth:`partial_fit` count.
    step_offset : float, default=10
        *More.* How much a batch of :meth:`partial_fit` counts, which reads them each time.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features), dtype of X
    labels_ : ndarray of shape (n_samples,), int32
        The nearest centre of each row; of :meth:`fit` alone.
    inertia_ : float
        Weighted sum of the squared distances to the nearest centre.
    n_iter_ : int
        Iterations of the best start.
    converged_ : bool
        *More.* Whether they ended before `max_iter`.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    GaussianMixture : Clusters of any shape, and how sure each row's is.
    compare_clusterings : K-means and EM on the same rows.
    emkernels.kernels.kmeans_statistics : One pass of Lloyd's algorithm alone.
    sklearn.cluster.KMeans : What this is a drop-in for.

    Notes
    -----
    What seeds cost, for n rows of d columns and K clusters: 'k-means++' compares each row with
    K (3 + log K) others, one cluster after the other, and keeps a byte for each number of wide
    float64 rows meanwhile (:func:`emkernels.kernels.kmeans_plusplus`); 'k-means||' with about 4 K,
    all of a round at once, reads the rows ten times, and is the faster the more clusters and
    columns there are; 'coreset' looks at each row twice, whatever K, and then runs 'k-means||' and
    20 iterations on 20,000 rows, or 50 K where these are more: of use where n is far more than that
    (else it is 'k-means||'), and it may miss a cluster of very few rows. In the end all give about
    the same inertia.

    From the same centres :meth:`fit_chunks` ends where :meth:`fit` does, after as many
    iterations; of several empty clusters the first gets the farthest row, ties going to the lower
    one. It keeps bounds where those of all rows take no more memory than one block; else each
    iteration computes all distances. Starts of blocks look at 20,000 rows, or 50 for each cluster
    where these are more: 'k-means++', and 'k-means||' and 'coreset', which are the same there, at
    rows that stand for all of them, those of small groups and far ones included, where it runs
    three times to the end of K-means, and the best goes on with all rows; a callable at rows
    drawn by weight; 'random' draws from all rows, by weight.

    References
    ----------
    S. P. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 1982.
    D. Arthur, S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.
    B. Bahmani et al., Scalable k-means++, PVLDB 5, 2012 (k-means||).
    O. Bachem, M. Lucic, A. Krause, Scalable k-means clustering via lightweight coresets, KDD 2018.
    C. Elkan, Using the triangle inequality to accelerate k-means, ICML 2003.
    Y. Ding et al., Yinyang k-means, ICML 2015 (groups of centres).
    O. Bachem, M. Lucic, A. Krause, Practical coreset constructions for machine learning, 2017
    (rows that stand for all).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> km = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> km.cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> km.predict([[0, 0], [12, 3]])
    array([1, 0], dtype=int32)
    >>> km.transform([[1, 5]]).round(2)
    array([[9.49, 3.  ]])
    """

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [one_of(*SEEDS, "random"), callable, "array-like"],
        "n_init": [one_of("auto"), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state", np.random.Generator],
        "copy_x": ["boolean"],
        "algorithm": [one_of("lloyd", "elkan")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        **STEPS,
    }

    def __init__(self, n_clusters=8, *, init="k-means++", n_init="auto", max_iter=300, tol=1e-4,
                 verbose=0, random_state=None, copy_x=True, algorithm="lloyd", n_threads=None,
                 step_exponent=0.6, step_offset=10):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.n_threads = n_threads
        self.step_exponent = step_exponent
        self.step_offset = step_offset

    _elsewhere = {
        "labels_": "fit sets it; after other fits predict gives the labels of any rows",
        "means_": "the centres are cluster_centers_",
        "weights_": "K-means has none; GaussianMixture has",
    }

    # --- files -----------------------------------------------------------------------

    _saved = ("_n_features_out", "cluster_centers_", "inertia_", "n_iter_")
    _kept = ("_counts", "_stream")

    def _check_loaded(self):
        centers, known = self.cluster_centers_, vars(self)
        if not isinstance(centers, np.ndarray) or centers.ndim != 2 or not len(centers):
            raise ValueError("cluster_centers_ is no table of centres")
        shape = centers.shape
        check_values(self, shapes={"cluster_centers_": shape})
        if self.n_features_in_ != shape[1] or known.get("_n_features_out") != len(centers):
            raise ValueError("n_features_in_ or _n_features_out are not those of cluster_centers_")
        labels, counts = known.get("labels_", np.zeros(0, np.int32)), known.get("_counts")
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int32 or labels.ndim != 1 or (
                (labels < 0) | (labels >= len(centers))).any():
            raise ValueError("labels_ are not those of its clusters")
        if counts is not None and not (numbers(counts) and counts.shape == shape[:1]
                                       and (counts >= 0).all()):
            raise ValueError("_counts are not the weights of its clusters")
        if not number(self.inertia_):
            raise ValueError("inertia_ is not finite")
        stream = known.get("_stream")
        if "_stream" in known and not (
                isinstance(stream, ClusterStream) and stream.centers.shape == shape
                and stream.counts.shape == shape[:1] and (stream.counts >= 0).all()
                and stream.pace.weight > 0 and stream.pace.n_rows > 0):
            raise ValueError("its stream is none")

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Find the centres.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice. A row of weight 0 never becomes the
            centre of an empty cluster.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ValueError, TypeError
            Bad parameters or data (the argument, row or column is named), missing values,
            sparse rows; the estimator then stays as it was.
        KeyboardInterrupt
            Ctrl-C, within a second; the estimator stays as it was.

        Warns
        -----
        ConvergenceWarning
            Fewer clusters with rows than `n_clusters`.
        EMWarning
            ``init="coreset"`` drew fewer rows than clusters, for few have nearly all of the weight:
            the start is that of 'k-means||'.
        """
        self._fit(X, sample_weight)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        """Fit; the rows."""
        rows = Rows.read(X, self, complete="K-means")
        self._check_rows(rows, sample_weight)
        rows = rows.weighed(sample_weight, rows.largest).with_(n_threads=self.n_threads)
        return self._fit_source(rows)

    def _door(self):
        return Tables(complete="K-means")

    def _check_rows(self, rows, sample_weight=None):
        checks.check_magnitude_of(rows)
        checks.check_labelled(self, rows, sample_weight)
        if len(rows) < self.n_clusters:
            raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={self.n_clusters}.")

    def _fit_source(self, rows):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            self._check_rows(rows)
        best = self._best(rows)
        checks.remember_columns(self, rows)
        self.cluster_centers_ = best.centers.astype(rows.dtype)
        self._n_features_out = self.n_clusters
        vars(self).pop("labels_", None)
        if best.labels is not None:
            self.labels_ = best.labels
        self.inertia_ = best.inertia
        self.n_iter_ = best.n_iter
        self.converged_ = best.converged
        self._counts = best.counts
        vars(self).pop("_stream", None)
        return rows

    def fit_predict(self, X, y=None, sample_weight=None):
        """Fit, then the cluster of every row; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Complete rows.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_samples,), int32
            `labels_`.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        self._fit(X, sample_weight)
        return self.labels_

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit, then :meth:`transform`; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Complete rows.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), or the container of `set_output`
            In the units of X.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        return self._distances(self._fit(X, sample_weight).X)

    def transform(self, X):
        """Distances of each row to each centre.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Complete rows.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), or the container of `set_output`
            Of the dtype of X, in its units.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._distances(self._read(X).X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
