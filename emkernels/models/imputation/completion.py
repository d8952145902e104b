"""What a fitted imputer does with rows: completion, densities."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from emkernels import _inputs
from emkernels._callers import warn
from emkernels.data import Rows, checks
from emkernels.kernels import passes
from emkernels.models._state import Stateful
from emkernels.models.likelihood import weighted_sum


class Completion(Stateful, TransformerMixin, BaseEstimator):
    """The part of an imputer that completes rows."""

    def _read_to_fit(self, X):
        return Rows.read(X, self, missing_values=self.missing_values, expect_missing=True)

    def _read(self, X):
        """Rows of the columns of the fit."""
        check_is_fitted(self)
        return Rows.read(X, self, missing_values=self._fitted.missing_values, fitted=True,
                         expect_missing=True)

    def transform(self, X):
        """Put the conditional mean in place of each missing cell.

        ``E[x_missing | x_observed] = mu_m + Sigma_mo Sigma_oo^-1 (x_o - mu_o)``, for a mixture
        its mean over the components with their posterior probabilities; a row with nothing
        observed gets the mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Any rows, those of the fit or others.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), or the container of `set_output`
            Observed cells are those of X, bit for bit; float32 where X is.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._complete(self._read(X))

    def _complete(self, rows):
        inner = self._inner(rows)
        if not self._columns.varying.size or inner.patterns is None:
            return self._finish(rows.X, inner.X)
        p = self._raw()
        out = passes.incomplete_rows(
            inner.X, p.weights, p.means, p.precisions_cholesky, self._fitted_type, inner.patterns,
            ("imputed",), n_threads=self.n_threads)
        return self._finish(rows.X, out["imputed"])

    def _inner(self, rows):
        """The columns that vary."""
        return rows.take(columns=self._columns.varying)

    def _finish(self, rows, inner):
        """The output: `inner` completed, the constants, the limits, the indicator."""
        kept, inside = self._columns.kept, self._columns.inside
        self._warn_skipped(rows.shape[1])
        limits = self._fitted.limits
        if len(inside) == rows.shape[1]:
            out = rows.copy() if np.may_share_memory(inner, rows) else inner
        else:
            out = np.ascontiguousarray(rows[:, kept])
            out[:, inside] = inner
            fixed = np.setdiff1d(np.arange(len(kept)), inside)
            values = self._locations()[fixed].astype(out.dtype)
            out[:, fixed] = np.where(np.isnan(out[:, fixed]), values, out[:, fixed])
        if np.isfinite(limits[0]).any() or np.isfinite(limits[1]).any():
            low, high = (limit[kept].astype(out.dtype) for limit in limits)
            np.clip(out, low, high, out=out, where=np.isnan(rows[:, kept]))
        out = checks.answered(out, rows)
        if self.indicator_ is not None:
            out = np.hstack([out, self.indicator_.transform(rows)])
        return out

    def _warn_skipped(self, n_features):
        skipped = np.setdiff1d(np.arange(n_features), self._columns.kept)
        if len(skipped):
            names = getattr(self, "feature_names_in_", None)
            skipped = skipped if names is None else names[skipped]
            warn(
                f"Skipping features without any observed values: {skipped}. At least one "
                "non-missing value is needed for imputation.", UserWarning)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of the output.

        Parameters
        ----------
        input_features : array-like of str, optional
            The names of the fit where it saw names, else ``x0, x1, ...``.

        Returns
        -------
        ndarray of str
            Of the columns of the output.
        """
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        out = names[self._columns.kept]
        if self.indicator_ is not None:
            out = np.concatenate([out, self.indicator_.get_feature_names_out(names)])
        return out

    def score_samples(self, X):
        """Log density of what is observed in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            In the units of X, over the columns that vary; 0 for a row with nothing observed.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._densities(self._read(X))

    def _densities(self, rows):
        inner = self._inner(rows)
        if inner.n_features == 0:
            return np.zeros(len(inner))
        p = self._raw()
        return passes.incomplete_rows(
            inner.X, p.weights, p.means, p.precisions_cholesky, self._fitted_type,
            inner.all_patterns, ["log_prob_norm"], n_threads=self.n_threads)["log_prob_norm"]

    def score(self, X, y=None, sample_weight=None):
        """Mean of :meth:`score_samples` (weighted where weights are given).

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
        float
            In natural logarithms.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X)
        values = self._densities(rows).astype(np.float64)
        weight = checks.check_sample_weight(sample_weight, values[:, None])
        weight = rows.weight_given if weight is None else weight
        if weight is None:
            return float(values.mean())
        return weighted_sum(values, weight) / float(weight.sum())
