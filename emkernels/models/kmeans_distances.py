"""Rows and the centres of K-means: nearest ones, distances, costs."""

import numpy as np

from emkernels import _inputs, kernels
from emkernels.data import Rows
from emkernels.kernels import passes


class KMeansDistances:
    """What K-means says of rows, to be inherited from."""

    def _read(self, X):
        """Rows of the columns of the fit."""
        return Rows.read(X, self, complete="K-means", fitted=True)

    def _centers_for(self, X):
        """The centres, float64, which may have been set by hand, for such rows."""
        centers = np.ascontiguousarray(self.cluster_centers_, np.float64)
        if centers.ndim != 2 or centers.shape[1] != X.shape[1] or not len(centers):
            raise ValueError(f"cluster_centers_ must have a row for each cluster and {X.shape[1]} "
                             f"columns, as X has, got shape {centers.shape}")
        if not np.abs(centers).max() <= np.finfo(X.dtype).max:
            raise ValueError(f"cluster_centers_ must be finite numbers of {X.dtype}, as X is")
        return centers

    def predict(self, X):
        """The nearest centre of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Complete rows.

        Returns
        -------
        ndarray of shape (n_samples,), int32
            Of equally near ones the first.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        X = self._read(X).X
        labels = np.zeros(len(X), np.int32)
        passes.kmeans_pass(
            X, self._centers_for(X), labels, None, self.n_threads, with_sums=False)
        return labels

    def _distances(self, X):
        # by difference: |x|^2 - 2 x c + |c|^2 would lose digits far from the origin
        centers = self._centers_for(X).astype(X.dtype)
        if X.strides[1] == X.itemsize:
            return passes.center_distances(X, centers, self.n_threads)
        out = np.empty((len(X), len(centers)), X.dtype)
        for first in range(0, len(X), 4096):
            rows = slice(first, first + 4096)
            out[rows] = passes.center_distances(
                # of one column NumPy calls any strides contiguous
                np.array(X[rows], order="C", copy=True), centers, self.n_threads)
        return out

    def score(self, X, y=None, sample_weight=None):
        """Minus the (weighted) sum of the squared distances to the nearest centres.

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
        float
            Minus `inertia_`, for the rows of the fit.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X).weighed(sample_weight)
        return -kernels.kmeans_statistics(
            rows.X, self._centers_for(rows.X), rows.weight_given, return_labels=False,
            n_threads=self.n_threads, check_finite=False).inertia
