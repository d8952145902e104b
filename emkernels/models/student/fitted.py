"""What a fitted mixture of Student t distributions can do."""

import numpy as np

from emkernels import _inputs
from emkernels.components.gaussian.structures import structure_of
from emkernels.kernels import passes
from emkernels.models.base import LatentModel
from emkernels.models.encoding import count
from emkernels.models.loaded import check_pair, check_values, check_weights
from emkernels.models.mixtures import MixtureMethods


class FittedStudents(MixtureMethods, LatentModel):
    """The part of :class:`emkernels.StudentTMixture` that does not fit."""

    _saved = ("_fitted_type", "_fitted_n_dfs")
    _elsewhere = {
        **MixtureMethods._elsewhere,
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
        weights, means, factors, dfs = (_inputs.float64(p) for p in (
            self.weights_, self.means_, self.precisions_cholesky_, self.dfs_))
        out = passes.student_rows(
            rows.X, weights, means, factors, dfs, self._structure.kernel, rows.patterns, want,
            n_threads=self.n_threads)
        return out[want[0]] if len(want) == 1 else [out[name] for name in want]

    def outlier_weight(self, X):
        """What each row pulls with, its weight in means and scatters.

        Near ``1 + d / df`` at a mean, near 1 where rows are as far out as they should be, near 0
        for outliers. ``sum_k resp_k u_k`` with ``u_k = (df_k + o) / (df_k + q_k)``, q_k being the
        squared distance of the o observed values from the mean of component k: the mean, given the
        row, of the hidden scale of its precision. With one component it is u.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the dtype of X.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._each(self._read(X), "pull")

    def _draw(self, component, n, rng):
        mean, df = self.means_[component], min(self.dfs_[component], 1e20)
        root = np.linalg.cholesky(self.scatters_[component])
        normal = rng.standard_normal(size=(n, len(mean))) @ root.T
        tau = rng.chisquare(df, size=n) / df
        with np.errstate(divide="ignore", over="ignore"):
            return mean + normal / np.sqrt(tau)[:, None]

    def _check_loaded(self):
        k, n_features = self.means_.shape
        check_values(self, shapes={
            "weights_": (k,), "means_": (k, n_features), "dfs_": (k,),
            "scatters_": (k, n_features, n_features),
            "precisions_cholesky_": self._structure.shape(k, n_features)},
            positive=("dfs_",), infinite=("dfs_",))
        if self.n_features_in_ != n_features or not count(self._fitted_n_dfs) or (
                np.shape(self.covariances_) != self.scatters_.shape):
            raise ValueError("its arrays have shapes that do not fit together")
        check_weights(self.weights_)
        for i in range(k):
            check_pair(self.scatters_[i],
                       self._structure.matrix(self.precisions_cholesky_, i, n_features), i)
