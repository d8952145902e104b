"""K-means of a stream of batches."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.data import Rows
from emkernels.em.stepwise import Pace
from emkernels.kernels import passes
from emkernels.models.encoding import number, numbers, register
from emkernels.models.steps import remember_batch, weighed_batch

USUAL = 40      # rows of a cluster, that a batch should have: smaller ones count together


@dataclass(frozen=True)
class ClusterStream:
    """Where a stream is.

    Attributes
    ----------
    centers : ndarray of shape (n_clusters, n_features), float64
    counts : ndarray of shape (n_clusters,)
        Weights of the clusters, for one unit of weight.
    pace : Pace
    inertia : float
        Of the last batch, about the centres before it.
    """

    centers: np.ndarray
    counts: np.ndarray
    pace: Pace
    inertia: float = np.nan

    def after(self, rows, exponent, offset):
        """The stream behind a batch of some weight."""
        at = np.ascontiguousarray(seen(self.centers, rows))
        counts, sums, inertia, _ = passes.kmeans_pass(
            rows.X, at, None, rows.sample_weight, rows.n_threads, about_centers=True)
        weight = rows.unit * counts.sum()
        share = 1.0
        if self.counts.any():
            after = self.pace.after(weight, rows.n_positive)
            usual = USUAL * len(self.centers) * after.weight / after.n_rows
            share = self.pace.share(weight, exponent, offset, usual)
        part = share * rows.unit / weight
        total = (1 - share) * self.counts + part * counts
        # (batches see the centres as their precision has them)
        moved = part * (counts[:, None] * (at - self.centers) + sums)
        centers = self.centers + moved / np.where(total > 0, total, 1.0)[:, None]
        return ClusterStream(centers, total, self.pace.after(weight, rows.n_positive),
                             float(rows.unit * inertia))


register(ClusterStream, centers=numbers, counts=numbers, pace=Pace, inertia=number)


class StepwiseKMeans:
    """What K-means of a stream has, to be inherited from."""

    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Move the centres by one batch of a stream.

        Every row goes to its nearest centre; counts and sums for one unit of weight go to
        ``(1 - g) s + g s_batch``, and centres to the means that these say. Of batch t,
        ``g = (t + step_offset) ** -step_exponent``, times the weight of the batch by the mean
        weight of the batches so far, and at most one half, or the share of all weight that the
        batch has; batches of fewer than forty rows a cluster count as if they came together. So
        what is far back is forgotten, and a stream that drifts is followed.
        ``step_exponent=1, step_offset=0``:
        every centre is the mean of all rows that have ever gone to it, as in
        :class:`sklearn.cluster.MiniBatchKMeans`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Batches may be of any size; the first has as many rows as there are clusters, where
            `init` gives no centres and there was no fit.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A batch whose weights are all zero changes nothing.

        Returns
        -------
        self
            With the attributes of `fit` but `labels_`: in `inertia_` that of the batch about the
            centres before it, `n_iter_` batches, `converged_` False.

        Raises
        ------
        ValueError, TypeError
            As `fit`; the first batch is too small; other columns, or another `n_clusters`, than in
            the batches before. The estimator stays as it was.

        Warns
        -----
        ConvergenceWarning
            Fewer clusters with rows than `n_clusters`, in the first batch.

        Notes
        -----
        The start is the last fit, which counts with its weight as one batch; else the centres that
        `init` is; else what `fit` makes of the first batch. A centre that no row goes to stays
        where it is. Pickles and files keep the state of the stream, a clone has none.

        References
        ----------
        L. Bottou, Y. Bengio, Convergence properties of the k-means algorithms, NIPS 1995; D.
        Sculley, Web-scale k-means clustering, WWW 2010.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import KMeans
        >>> model = KMeans(2, random_state=0)
        >>> for batch in ([[0.0], [2.0], [9.0]], [[1.0], [8.0], [10.0]]):
        ...     model = model.partial_fit(batch)
        >>> model.n_iter_, np.sort(model.cluster_centers_.ravel())
        (2, array([1., 9.]))
        """
        self._validate_params()
        begun = "cluster_centers_" in vars(self)
        rows = Rows.read(X, self, complete="K-means", fitted=begun)
        if begun and len(self.cluster_centers_) != self.n_clusters:
            raise ValueError("partial_fit cannot go on: n_clusters is not what it was before")
        batch = weighed_batch(self, rows, sample_weight)
        if batch is None:
            return self
        stream = vars(self).get("_stream")
        if stream is None and not begun:
            stream = self._after_first(batch)
        else:
            stream = (stream or self._stream_of_fit()).after(
                batch, self.step_exponent, self.step_offset)
        # --- nothing can fail from here on
        dtype = np.result_type(rows.dtype, self.cluster_centers_.dtype) if begun else rows.dtype
        remember_batch(self, rows, stream)
        vars(self).pop("labels_", None)
        self.cluster_centers_ = stream.centers.astype(dtype)
        self._n_features_out = self.n_clusters
        self.inertia_ = stream.inertia
        return self

    def _stream_of_fit(self):
        """The stream that goes on from a fit, or from centres that were put in."""
        centers, counts = self.cluster_centers_.astype(np.float64), vars(self).get("_counts")
        if counts is None or not counts.any():
            return ClusterStream(centers, np.full(len(centers), 1 / len(centers)), Pace())
        total = float(counts.sum())
        return ClusterStream(centers, counts / total, Pace.of_fit(total))

    def _after_first(self, rows):
        """The stream behind its first batch."""
        k, n = self.n_clusters, rows.n_positive
        if not (isinstance(self.init, str) or callable(self.init)):
            start, _ = self._starts(rows, None)
            nothing = ClusterStream(start().astype(np.float64), np.zeros(k), Pace())
            return nothing.after(rows, self.step_exponent, self.step_offset)
        if n < k:
            raise ValueError(
                f"the first batch has {n} row{'s' * (n != 1)} of positive weight, and a start of "
                f"{k} clusters needs {k}: pass more rows, or centres as init")
        best = self._best(rows)
        total = float(best.counts.sum())
        return ClusterStream(
            best.centers, best.counts / total, Pace().after(total, n), best.inertia)
