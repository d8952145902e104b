"""Densities and criteria of fitted models."""

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs


def weighted_sum(values, weight):
    """``sum_i weight_i values_i`` of the rows of positive weight: nothing times an infinite log
    density is nothing. (Not a product of vectors, whose bits depend on its threads.)"""
    inside = weight > 0
    return float((weight[inside] * values[inside]).sum())


class Likelihood:
    """Methods of a fitted model with densities, to be inherited from.

    The class gives ``_read(X)``, ``_log_density(rows)`` and ``_n_parameters()``.
    """

    @property
    def n_parameters_(self):
        """Free parameters of the fit, which the criteria count; what is `fixed` left out."""
        check_is_fitted(self)
        return self._n_parameters()

    def score_samples(self, X):
        """Log density of each row, of its observed values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithms.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._log_density(self._read(X))

    def score(self, X, y=None, *, sample_weight=None):
        """Mean log density of the rows (weighted where weights are given).

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
        total, weight = self._log_likelihood(X, sample_weight)
        return total / weight

    def bic(self, X, *, sample_weight=None):
        """Bayesian information criterion ``-2 log L + p log n``; the lower the better.

        p counts the parameters that are estimated; with weights, n is their sum.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        float
            Of the log-likelihood L of the n rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._criteria(X, sample_weight)["bic"]

    def aic(self, X, *, sample_weight=None):
        """Akaike information criterion ``-2 log L + 2 p``; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        float
            Of the log-likelihood L of the rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._criteria(X, sample_weight)["aic"]

    def _log_likelihood(self, X, sample_weight):
        """The log-likelihood of the rows and their weight."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._read(X).weighed(sample_weight)
        values = self._log_density(rows).astype(np.float64)
        weight = rows.weight_given
        if weight is None:
            return float(values.sum()), float(len(rows))
        return weighted_sum(values, weight), float(weight.sum())

    def _criteria(self, X, sample_weight):
        """log_likelihood, bic and aic."""
        return self._criteria_of(*self._log_likelihood(X, sample_weight))

    def _criteria_of(self, log_likelihood, n):
        p = self._n_parameters()
        return {"log_likelihood": log_likelihood, "bic": -2 * log_likelihood + p * math.log(n),
                "aic": -2 * log_likelihood + 2 * p}
