"""What a fitted mixture of factor analysers can do."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels.components.factors.mixed import Analysers, FactorComponents
from emkernels.models.base import LatentModel


class FittedFactorMixture(LatentModel):
    """The part of :class:`emkernels.MixtureOfFactorAnalyzers` that does not fit."""

    _saved = ("_varying", "_center", "_scale")
    _elsewhere = {
        "precisions_": "get_covariance(k) gives a covariance, and score_samples needs no inverse",
        "labels_": "fit_predict(X) gives the labels of the rows of a fit, predict(X) of any rows",
    }

    def _set_parameters(self, parameters, rows, varying, shared):
        K, q, _ = parameters.components.components.shape
        D = rows.n_features
        fixed = np.setdiff1d(np.arange(D), varying)
        means, components, noise = np.empty((K, D)), np.zeros((K, q, D)), np.zeros((K, D))
        means[:, varying] = parameters.means
        if len(fixed):
            means[:, fixed] = rows.summary().means[fixed]
        components[:, :, varying] = parameters.components.components
        noise[:, varying] = parameters.deviations**2
        self._varying = varying
        self.weights_, self.means_, self.components_ = parameters.weights, means, components
        self.noise_variance_ = noise[0] if shared else noise
        self._center = parameters.weights @ parameters.means
        self._scale = np.sqrt(parameters.deviations**2
                              + (parameters.components.components**2).sum(axis=1)).mean(axis=0)

    @property
    def _noise(self):
        """Noise variances, (n_components, n_features)."""
        return np.broadcast_to(np.asarray(self.noise_variance_, float), self.means_.shape)

    def _parts(self):
        """The components as E-steps have them, and their parameters."""
        v = self._varying
        family = FactorComponents(self._center, self._scale, np.zeros(len(v)))
        return family, Analysers(
            np.ascontiguousarray(self.means_[:, v], float),
            np.ascontiguousarray(self.components_[:, :, v], float),
            np.ascontiguousarray(np.sqrt(self._noise[:, v])))

    def _n_parameters(self):
        K, q, D = (*self.components_.shape[:2], len(self._varying))
        q = min(q, D)
        noise = D if np.ndim(self.noise_variance_) == 1 else K * D
        return K - 1 + K * D + K * (D * q - q * (q - 1) // 2) + noise

    def _check_loaded(self):
        K, q, D = self.components_.shape
        v = np.asarray(self._varying)
        if self.n_features_in_ != D or v.ndim != 1 or (np.diff(v) <= 0).any() or not len(v) or (
                v[0] < 0):
            raise ValueError("n_features_in_ or _varying are not those of components_")
        noise = (D,) if np.ndim(self.noise_variance_) == 1 else (K, D)
        for name, shape in (("weights_", (K,)), ("means_", (K, D)), ("components_", (K, q, D)),
                            ("noise_variance_", noise), ("_center", v.shape), ("_scale", v.shape)):
            values = np.asarray(getattr(self, name))
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} has a wrong shape or is not finite")
        if not (self._noise[:, v] > 0).all() or not (self.weights_ >= 0).all():
            raise ValueError("noise_variance_ or weights_ are not those of a fit")

    # --- rows --------------------------------------------------------------------------

    def _each(self, rows, *want):
        """Outputs of the E-step for each row."""
        family, parameters = self._parts()
        inner = rows.take(columns=self._varying)
        out = family.each(inner, np.ascontiguousarray(self.weights_, float), parameters, want)
        return out[want[0]] if len(want) == 1 else [out[name] for name in want]

    def _log_density(self, rows):
        return self._each(rows, "log_prob_norm")

    def predict(self, X):
        """Most probable component of each row, (n_samples,)."""
        return self._each(self._read(X), "labels").astype(np.int64)

    def predict_proba(self, X):
        """Posterior probability of each component for each row, (n_samples, n_components)."""
        return self._each(self._read(X), "resp")

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
            value gets the mean of the mixture, columns of one value that value.
        """
        rows = self._read(X)
        out = rows.X.copy(order="C")
        if rows.patterns is None:
            return out
        out[:, self._varying] = self._each(rows, "imputed")
        return np.where(np.isnan(out), self.means_[0].astype(out.dtype), out)

    def icl(self, X, *, sample_weight=None):
        """Integrated completed likelihood: BIC plus twice the entropy of the posterior.

        ``bic + 2 sum_i w_i -sum_k resp_ik log resp_ik``: components that overlap cost; the lower
        the better.

        References
        ----------
        C. Biernacki, G. Celeux, G. Govaert, IEEE Trans. PAMI 22, 2000.
        """
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X).weighed(sample_weight)
        resp = self._each(rows, "resp").astype(np.float64)
        entropy = -(resp * np.log(np.where(resp > 0, resp, 1))).sum(axis=1)
        weight = rows.weight_given
        total = entropy.sum() if weight is None else weight @ entropy
        return self.bic(X, sample_weight=sample_weight) + 2 * float(total)

    # --- the model ---------------------------------------------------------------------

    def get_covariance(self, component):
        """Covariance of a component, (n_features, n_features): ``components_[k].T @ components_[k]
        + diag(noise_variance_[k])``."""
        check_is_fitted(self)
        k = _inputs.whole(component, "component", least=None)
        if not 0 <= k < len(self.weights_):
            raise ValueError(f"component must lie in 0 .. {len(self.weights_) - 1}, got {k}")
        out = self.components_[k].T @ self.components_[k]
        out[np.diag_indices(len(out))] += self._noise[k]
        return out

    @property
    def covariances_(self):
        """All covariances, (n_components, n_features, n_features), made when asked for."""
        check_is_fitted(self)
        return np.array([self.get_covariance(k) for k in range(len(self.weights_))])

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Grouped by component; drawn with `random_state`.
        y : ndarray of shape (n_samples,)
            Their components.
        """
        check_is_fitted(self)
        if _inputs.whole(n_samples, "n_samples", least=None) < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        rng = _inputs.as_random_state(self.random_state)
        weights = np.asarray(self.weights_, dtype=np.float64)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        parts = []
        for mean, components, noise, count in zip(
                self.means_, self.components_, self._noise, counts, strict=True):
            z = rng.standard_normal(size=(count, len(components)))
            e = rng.standard_normal(size=(count, len(mean)))
            parts.append(mean + z @ components + e * np.sqrt(noise))
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)
