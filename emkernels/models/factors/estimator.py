"""Factor analysis."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.factors import updates
from emkernels.components.factors.posterior import Posterior
from emkernels.data.checks import Interval
from emkernels.em import EMWarning
from emkernels.models.base import LatentModel
from emkernels.models.factors.fitting import Fit, scaled

METHODS = ("regression", "bartlett")


class FactorAnalysis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, LatentModel):
    """Factor analysis by maximum likelihood, and probabilistic principal components."""

    _saved = ("_varying",)
    _parameter_constraints = {
        **LatentModel._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "noise": [StrOptions({"diagonal", "isotropic"})],
        "rotation": [StrOptions({"varimax", "quartimax", "promax", "oblimin"}), None],
        "kaiser": ["boolean", None],
        "scores": [StrOptions(set(METHODS))],
        "method": [StrOptions({"newton", "em"})],
        "min_uniqueness": [Interval(Real, 0.0, 1.0, closed="neither")],
    }

    def __init__(self, n_components=1, *, noise="diagonal", rotation=None, kaiser=None,
                 scores="regression", n_init=6, method="newton", tol=1e-6, max_iter=1000,
                 convergence="distance", acceleration=None, min_uniqueness=1e-8, n_threads=None,
                 random_state=0, verbose=0, verbose_interval=10, callback=None):
        self.n_components = n_components
        self.noise = noise
        self.rotation = rotation
        self.kaiser = kaiser
        self.scores = scores
        self.n_init = n_init
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.convergence = convergence
        self.acceleration = acceleration
        self.min_uniqueness = min_uniqueness
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    # --- fitting ---------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit."""
        rows = self._rows_to_fit(X, sample_weight)
        with one_thread(rows.n_features):
            data = scaled(rows, self.noise == "isotropic")
            fit = Fit(self, data, lambda *a, **k: self._run(
                *a, **{"objective_scale": rows.n_positive, **k}))
            model, result = fit.result()
        self._set(rows, data, model, result)
        self._remember(result, rows)
        self._tell(result, rows)
        return self

    def _set(self, rows, data, model, result):
        p, D = result.parameters, rows.n_features
        components = np.zeros((self.n_components, D))
        noise = np.zeros(D)
        standard = updates.canonical(p.components, p.noise)
        components[:, data.varying] = standard * data.scale
        noise[data.varying] = p.noise * data.scale**2
        mean = np.empty(D)
        fixed = np.setdiff1d(np.arange(D), data.varying)
        mean[data.varying] = data.mean + p.mean * data.scale
        if len(fixed):
            mean[fixed] = rows.summary().low[fixed]
        q = self.n_components
        self._varying = data.varying
        self.mean_, self.components_ = mean, components
        self.factor_correlation_, self.rotation_matrix_ = np.eye(q), np.eye(q)
        self.noise_variance_ = float(noise[0]) if self.noise == "isotropic" else noise
        shared = (standard**2).sum(axis=0)
        self.communalities_ = np.zeros(D)
        self.communalities_[data.varying] = shared / (shared + p.noise)
        at = p.noise <= model.floor * (1 + 1e-6)
        self.heywood_ = data.varying[at] if self.noise != "isotropic" else np.zeros(0, int)
        if len(self.heywood_):
            names = [rows.column_names[j] for j in self.heywood_]
            warn(f"columns {some(names)} at the bound", EMWarning)

    # --- of a fit --------------------------------------------------------------------

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def _n_parameters(self):
        D, q = len(self._varying), self.n_components
        own = 1 if self.noise == "isotropic" else D
        return D + D * q - q * (q - 1) // 2 + own

    @property
    def _noise(self):
        return np.broadcast_to(self.noise_variance_, self.mean_.shape)

    def _posterior(self):
        v = self._varying
        return Posterior(self.mean_[v], self.components_[:, v], self._noise[v],
                         self.factor_correlation_)

    def _inner(self, rows):
        return rows.take(columns=self._varying)

    def _log_density(self, rows):
        return self._posterior().log_density(self._inner(rows))

    def transform(self, X, method=None):
        rows = self._read(X)
        method = self.scores if method is None else method
        out = self._posterior().means(self._inner(rows), method == "bartlett")
        return out.astype(rows.dtype)

    def get_covariance(self):
        out = self.components_.T @ self.factor_correlation_ @ self.components_
        out[np.diag_indices(len(out))] += self._noise
        return out
