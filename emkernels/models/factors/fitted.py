"""What a fitted factor analysis can do."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels.components.factors.posterior import Posterior
from emkernels.data import Rows, checks
from emkernels.models.base import LatentModel
from emkernels.models.containers import framed
from emkernels.models.encoding import places
from emkernels.models.factors import errors
from emkernels.models.loaded import check_values

SCORES = ("regression", "bartlett")


class FittedFactors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, LatentModel):
    """The part of :class:`emkernels.FactorAnalysis` that does not fit."""

    _saved = ("_varying",)

    # --- parameters --------------------------------------------------------------------

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    @property
    def _isotropic(self):
        return np.ndim(self.noise_variance_) == 0

    @property
    def _noise(self):
        """Noise variances, one for each column."""
        return np.broadcast_to(np.asarray(self.noise_variance_, float), self.mean_.shape)

    def _n_parameters(self):
        D, q = len(self._varying), min(self._n_features_out, len(self._varying))
        return D + D * q - q * (q - 1) // 2 + (1 if self._isotropic else D)

    def _posterior(self):
        v = self._varying
        return Posterior(self.mean_[v], self.components_[:, v], self._noise[v],
                         self.factor_correlation_)

    def _inner(self, rows):
        """The columns that vary."""
        return rows.take(columns=self._varying)

    def _check_loaded(self):
        q, D = self.components_.shape
        v = self._varying
        if self.n_features_in_ != D or not places(v) or (len(v) and v[-1] >= D):
            raise ValueError("n_features_in_ or _varying are not those of components_")
        check_values(self, shapes={"components_": (q, D), "mean_": (D,)})
        for name, shape in (("mean_", (D,)), ("noise_variance_", () if self._isotropic else (D,)),
                            ("factor_correlation_", (q, q)), ("rotation_matrix_", (q, q)),
                            ("communalities_", (D,))):
            values = np.asarray(getattr(self, name))
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} has a wrong shape or is not finite")
        if not np.isfinite(self.components_).all() or not (self._noise[self._varying] > 0).all():
            raise ValueError("components_ or noise_variance_ are not those of a fit")

    # --- rows --------------------------------------------------------------------------

    def _log_density(self, rows):
        return self._posterior().log_density(self._inner(rows))

    def transform(self, X, method=None):
        """Scores: the factors of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing: a row goes by what it has.
        method : {'regression', 'bartlett'}, optional
            'regression': posterior means ``E[z | x] = Phi L' Sigma^-1 (x - mean)``, as
            scikit-learn has them; they vary less than the factors. 'bartlett': the generalised
            least squares of ``x - mean`` on the loadings, ``(L' psi^-1 L)^-1 L' psi^-1 (x -
            mean)``: unbiased given the factors (of least length where a row has fewer values
            than there are factors). None: the parameter `scores`.

        Returns
        -------
        ndarray of shape (n_samples, n_components), or the container of `set_output`
            In float32 where X is.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        G. H. Thomson, British Journal of Psychology 30, 1939; M. S. Bartlett, ibid. 28, 1937.
        """
        rows = self._read(X)
        method = self.scores if method is None else method
        if method not in SCORES:
            raise ValueError(f"method must be 'regression' or 'bartlett', got {method!r}")
        scores = self._posterior().means(self._inner(rows), method == "bartlett")
        return checks.answered(scores, rows)

    def posterior_covariance(self, X=None):
        """Covariance of the factors given a row, ``(Phi^-1 + L' psi^-1 L)^-1``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), optional
            Rows with NaN where missing: those columns do not count. Without X: of a row that
            lacks nothing.

        Returns
        -------
        ndarray of shape (n_components, n_components), or (n_samples, ...) with X
            Of factors of variance one.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        check_is_fitted(self)
        if X is None:
            return self._posterior().covariances(np.ones((1, len(self._varying)), bool))[0][0]
        return self._posterior().posterior_covariances(self._inner(self._read(X)))

    def inverse_transform(self, X):
        """Rows that the factors stand for, ``mean + z' components``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Scores.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the columns.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Another number of factors than of the fit; values that are no numbers.
        """
        check_is_fitted(self)
        scores = Rows.read(X, complete="inverse_transform").X
        if scores.shape[1] != self._n_features_out:
            raise ValueError(f"X must have shape (n_samples, {self._n_features_out}), "
                             f"got {scores.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            out = scores.astype(np.float64) @ self.components_ + self.mean_
        return checks.answered(out, scores)

    def impute(self, X):
        """X with every missing value replaced by its mean given the row's observed values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or the container of `set_output`
            A copy, float32 for float32 input; observed values are unchanged. A row without any
            value gets the mean.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        rows = self._read(X)
        v = self._varying
        out = rows.X.copy(order="C")
        if rows.patterns is None:
            return framed(self, out, X)
        out[:, v] = self._posterior().impute(self._inner(rows))
        fixed = np.setdiff1d(np.arange(len(self.mean_)), v)
        out[:, fixed] = np.where(np.isnan(out[:, fixed]), self.mean_[fixed], out[:, fixed])
        return framed(self, checks.answered(out, rows), X)

    def sample(self, n_samples=1, *, random_state=None):
        """Draw rows from the model.

        They are ``mean + z' components + e`` with factors z of the correlation
        `factor_correlation_` and noise e.

        Parameters
        ----------
        n_samples : int
            How many rows are wanted.
        random_state : int, RandomState, Generator or None, default=None
            None: the parameter `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or the container of `set_output`
            Of the dtype of `components_`. The rows alone: a mixture gives labels, too, and here is
            one component. Columns that did not vary in the fit have their one value
            (with isotropic noise they have noise, too).

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            A number of rows that is not whole, or below 1.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import FactorAnalysis
        >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1, 2, 3] + np.eye(200, 3)
        >>> model = FactorAnalysis(min_uniqueness=0.01).fit(X)
        >>> drawn = model.sample(10_000)
        >>> bool(np.allclose(np.cov(drawn, rowvar=False), model.get_covariance(), rtol=0.1))
        True
        """
        check_is_fitted(self)
        n = _inputs.whole(n_samples, "n_samples")
        rng = _inputs.as_random_state(
            self.random_state if random_state is None else random_state)
        z = rng.standard_normal(size=(n, self._n_features_out)) @ self.rotation_matrix_
        e = rng.standard_normal(size=(n, len(self.mean_))) * np.sqrt(self._noise)
        return framed(self, self.mean_ + z @ self.components_ + e)

    # --- matrices ------------------------------------------------------------------------

    @property
    def standardized_components_(self):
        """Loadings of the columns in standard deviations of the model.

        An ndarray of shape (n_components, n_features): where factors are not correlated, their
        correlations with the columns. Zero for columns that did not vary in the fit.
        """
        check_is_fitted(self)
        variance = np.diagonal(self.get_covariance())
        return self.components_ / np.sqrt(np.where(variance > 0, variance, 1.0))

    def get_covariance(self):
        """Covariance of the model, ``L Phi L' + diag(psi)``.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            In the squared units of the columns.
        """
        check_is_fitted(self)
        out = self.components_.T @ self.factor_correlation_ @ self.components_
        out = (out + out.T) / 2
        out[np.diag_indices(len(out))] += self._noise
        return out

    def get_precision(self):
        """Inverse of the covariance of the model.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Zero for columns that did not vary in the fit.
        """
        check_is_fitted(self)
        v = self._varying
        covariance = self.get_covariance()[np.ix_(v, v)]
        unit = np.sqrt(np.diagonal(covariance))
        inverse = np.linalg.inv(np.linalg.cholesky(covariance / unit / unit[:, None]))
        out = np.zeros((len(self.mean_),) * 2)
        out[np.ix_(v, v)] = inverse.T @ inverse / unit / unit[:, None]
        return out

    def standard_errors(self, X, sample_weight=None):
        """Standard errors of means, loadings and noise variances.

        Square roots of the diagonal of the inverse of the observed information of all parameters
        together, under the condition that makes the loadings unique, ``L' psi^-1 L`` (of
        isotropic noise ``L' L``) being diagonal: the inverse of the information bordered by the
        derivatives of the condition. With missing values it is the information of what is
        observed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of the fit.
        sample_weight : array-like of shape (n_samples,), optional
            Numbers of rows: the errors fall with the square root of their sum.

        Returns
        -------
        StandardErrors
            ``.mean`` (n_features,), ``.components`` (n_components, n_features) and
            ``.noise_variance`` (n_features,), a number where isotropic. Noise variances at their
            bound (`heywood_`) have NaN, also the one of all columns, and the others are those given
            that these are known;
            columns that do not vary have NaN.

        Raises
        ------
        NotImplementedError
            For rotated loadings: those of a rotation are not known here. Fit with
            ``rotation=None``.
        ValueError
            The information is singular: the rows do not determine the parameters.

        References
        ----------
        D. N. Lawley, A. E. Maxwell, Factor Analysis as a Statistical Method, 1971, chapter 5; S. D.
        Silvey, Annals of Mathematical Statistics 30, 1959 (the bordered information).
        """
        check_is_fitted(self)
        if not np.array_equal(self.rotation_matrix_, np.eye(self._n_features_out)):
            raise NotImplementedError(
                "standard errors of rotated loadings are not implemented: fit with rotation=None "
                "for those of the canonical ones (means and noise variances have the same)")
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X).weighed(sample_weight)
        found = errors.standard_errors(self, self._inner(rows))
        found.names = checks.titles_of_fit(self)
        return found
