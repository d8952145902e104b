"""What a fitted mixture of Student t distributions can do."""

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels.components.gaussian.structures import structure_of
from emkernels.kernels import passes
from emkernels.models.base import LatentModel


class FittedStudents(LatentModel):
    """The part of :class:`emkernels.StudentTMixture` that does not fit."""

    _saved = ("_fitted_type", "_fitted_n_dfs")
    _elsewhere = {
        "labels_": "fit_predict(X) gives the labels of the rows of a fit, predict(X) of any rows",
        "df_": "the degrees of freedom of all components are dfs_",
        "location_": "the locations are means_",
        "covariance_": "scale matrices are scatters_, covariances covariances_",
    }

    def _set_parameters(self, parameters, n_dfs):
        """What was fitted, and how many degrees of freedom were estimated."""
        structure, means = parameters.structure, parameters.means
        scatters = np.array([parameters.covariance(k) for k in range(len(means))])
        dfs = np.array(parameters.dfs)
        self._fitted_type = structure.name
        self._fitted_n_dfs = n_dfs
        self.weights_, self.means_ = np.array(parameters.weights), np.array(means)
        self.scatters_, self.dfs_ = scatters, dfs
        self.precisions_cholesky_ = np.array(parameters.precisions_cholesky)
        self.covariances_ = np.full(scatters.shape, np.inf)
        finite = dfs > 2
        self.covariances_[finite] = scatters[finite] / (1 - 2 / dfs[finite])[:, None, None]

    @property
    def _structure(self):
        return structure_of(self._fitted_type)

    def _n_parameters(self):
        k, n_features = self.means_.shape
        return (k - 1 + k * n_features + self._structure.n_parameters(k, n_features)
                + self._fitted_n_dfs)

    def _each(self, rows, *want):
        """Outputs of the E-step for each row."""
        weights, means, factors, dfs = (np.ascontiguousarray(p, dtype=np.float64) for p in (
            self.weights_, self.means_, self.precisions_cholesky_, self.dfs_))
        out = passes.student_rows(
            rows.X, weights, means, factors, dfs, self._structure.kernel, rows.patterns, want,
            n_threads=self.n_threads)
        return out[want[0]] if len(want) == 1 else [out[name] for name in want]

    def _log_density(self, rows):
        return self._each(rows, "log_prob_norm")

    def predict(self, X):
        """Most probable component of each row, (n_samples,)."""
        return self._each(self._read(X), "labels").astype(np.int64)

    def predict_proba(self, X):
        """Posterior probability of each component for each row, (n_samples, n_components)."""
        return self._each(self._read(X), "resp")

    def outlier_weight(self, X):
        """What each row pulls with: near ``1 + d / df`` at a mean, near 1 where rows are as far out
        as they should be, near 0 for outliers.

        ``sum_k resp_k u_k`` with ``u_k = (df_k + o) / (df_k + q_k)``, q_k being the squared
        distance of the o observed values from the mean of component k: the mean, given the row,
        of the hidden scale of its precision. With one component it is u.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the dtype of X.
        """
        return self._each(self._read(X), "pull")

    def impute(self, X):
        """X with every missing value replaced by its mean given the row's observed values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A copy, float32 for float32 input; observed values are unchanged. A row without any
            value gets the mean of the locations.
        """
        rows = self._read(X)
        if rows.patterns is None:
            return rows.X.copy(order="C")
        return self._each(rows, "imputed")

    def icl(self, X, *, sample_weight=None):
        """Integrated completed likelihood: BIC plus twice the entropy of the posterior."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X).weighed(sample_weight)
        resp = self._each(rows, "resp").astype(np.float64)
        weight = 1.0 if rows.sample_weight is None else rows.weight_given[:, None]
        entropy = -float((weight * resp * np.log(np.where(resp > 0, resp, 1))).sum())
        total, n = self._log_likelihood(rows, None)
        return -2 * total + self._n_parameters() * math.log(n) + 2 * entropy

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Grouped by component; drawn with `random_state`. With few degrees of freedom (below
            0.1) values overflow to infinity.
        y : ndarray of shape (n_samples,)
            Their components.
        """
        check_is_fitted(self)
        if _inputs.whole(n_samples, "n_samples", least=None) < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        rng = _inputs.as_random_state(self.random_state)
        counts = rng.multinomial(n_samples, self.weights_ / self.weights_.sum())
        parts = []
        for mean, scatter, df, n in zip(self.means_, self.scatters_, self.dfs_, counts,
                                        strict=True):
            normal = rng.standard_normal(size=(n, len(mean))) @ np.linalg.cholesky(scatter).T
            tau = rng.chisquare(min(df, 1e20), size=n) / min(df, 1e20)
            with np.errstate(divide="ignore", over="ignore"):
                parts.append(mean + normal / np.sqrt(tau)[:, None])
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)

    def _check_loaded(self):
        k, n_features = self.means_.shape
        if (self.n_features_in_ != n_features
                or self.weights_.shape != (k,) or self.dfs_.shape != (k,)
                or self.scatters_.shape != (k, n_features, n_features)
                or self.precisions_cholesky_.shape != self._structure.shape(k, n_features)):
            raise ValueError("its arrays have shapes that do not fit together")
        finite = (self.weights_, self.means_, self.scatters_, self.precisions_cholesky_)
        if not all(np.isfinite(each).all() for each in finite) or not (self.dfs_ > 0).all():
            raise ValueError("its parameters are not those of a fit")
