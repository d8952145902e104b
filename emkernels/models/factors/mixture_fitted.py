"""What a fitted mixture of factor analysers can do."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels.components.factors.mixed import Analysers, FactorComponents
from emkernels.components.factors.posterior import Posterior
from emkernels.components.gaussian.moments import near_zero
from emkernels.data import checks
from emkernels.models.base import LatentModel
from emkernels.models.encoding import places
from emkernels.models.loaded import check_values, check_weights
from emkernels.models.mixtures import MixtureMethods


class FittedFactorMixture(MixtureMethods, ClassNamePrefixFeaturesOutMixin, TransformerMixin,
                          LatentModel):
    """The part of :class:`emkernels.MixtureOfFactorAnalyzers` that does not fit."""

    _saved = ("_varying", "_center", "_scale")
    _elsewhere = {
        **MixtureMethods._elsewhere,
        "precisions_": "get_covariance(k) gives a covariance, and score_samples needs no inverse",
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
    def _n_features_out(self):
        return self.components_.shape[1]

    @property
    def _noise(self):
        """Noise variances, (n_components, n_features)."""
        return np.broadcast_to(np.asarray(self.noise_variance_, float), self.means_.shape)

    def _parts(self):
        """The components as E-steps have them, and their parameters."""
        v = self._varying
        family = FactorComponents(self._center, self._scale, np.zeros(len(v)))
        return family, Analysers(
            _inputs.float64(self.means_[:, v]),
            _inputs.float64(self.components_[:, :, v]),
            np.ascontiguousarray(np.sqrt(self._noise[:, v])))

    def _n_parameters(self):
        K, q, D = (*self.components_.shape[:2], len(self._varying))
        q = min(q, D)
        noise = D if np.ndim(self.noise_variance_) == 1 else K * D
        return K - 1 + K * D + K * (D * q - q * (q - 1) // 2) + noise

    def _check_loaded(self):
        K, q, D = self.components_.shape
        v = self._varying
        if self.n_features_in_ != D or not places(v) or not len(v) or v[-1] >= D:
            raise ValueError("n_features_in_ or _varying are not those of components_")
        noise = (D,) if np.ndim(self.noise_variance_) == 1 else (K, D)
        check_values(self, shapes={
            "weights_": (K,), "means_": (K, D), "components_": (K, q, D), "noise_variance_": noise,
            "_center": v.shape, "_scale": v.shape}, positive=("_scale",))
        check_weights(self.weights_)
        if not (self._noise[:, v] > 0).all():
            raise ValueError("noise_variance_ is not that of a fit")

    # --- rows --------------------------------------------------------------------------

    def _each(self, rows, *want):
        """Outputs of the E-step for each row."""
        family, parameters = self._parts()
        rows = rows.take(columns=self._varying)
        inner, origin = near_zero(rows, self._center, self._scale)
        parameters.means = parameters.means - origin
        out = family.each(inner, _inputs.float64(self.weights_), parameters, want)
        if "imputed" in want:
            out["imputed"] = np.where(np.isnan(rows.X), out["imputed"] + origin, rows.X).astype(
                rows.dtype, copy=False)
        return out[want[0]] if len(want) == 1 else [out[name] for name in want]

    def transform(self, X):
        """Factors of each row in its most probable component.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing: a row goes by what it has.

        Returns
        -------
        ndarray of shape (n_samples, n_factors), or the container of `set_output`
            Posterior means ``E[z | x, k]``, float32 where X is; k, which :meth:`predict` gives, is
            the component. Each has factors of its own: coordinates of rows of different components
            cannot be compared.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        Z. Ghahramani, G. E. Hinton, The EM algorithm for mixtures of factor analyzers, University
        of Toronto, CRG-TR-96-1, 1996, equation 2.
        """
        rows = self._read(X)
        labels, v = self._each(rows, "labels"), self._varying
        out = np.empty((len(rows), self._n_features_out))
        for k in np.unique(labels):
            own = np.flatnonzero(labels == k)
            posterior = Posterior(self.means_[k, v], self.components_[k][:, v], self._noise[k, v])
            out[own] = posterior.means(rows.take(own, v))
        return checks.answered(out, rows)

    def fit_transform(self, X, y=None, *, sample_weight=None):
        """Fit, then :meth:`transform` of the same rows; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), or the container of `set_output`
            As :meth:`transform` gives them.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    @np.errstate(over="ignore", invalid="ignore")
    def _imputed(self, rows):
        out = rows.X.copy(order="C")
        out[:, self._varying] = self._each(rows, "imputed")
        return np.where(np.isnan(out), self.means_[0].astype(out.dtype), out)

    # --- the model ---------------------------------------------------------------------

    def get_covariance(self, component):
        """Covariance of a component, by its loadings and noise variances.

        With k its number ``components_[k].T @ components_[k] + diag(noise_variance_[k])``.

        Parameters
        ----------
        component : int
            Its number k.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            In the squared units of the columns.
        """
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

    def _draw(self, component, n, rng):
        z = rng.standard_normal(size=(n, self.components_.shape[1]))
        e = rng.standard_normal(size=(n, self.means_.shape[1]))
        return (self.means_[component] + z @ self.components_[component]
                + e * np.sqrt(self._noise[component]))
