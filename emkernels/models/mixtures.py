"""What estimators of mixtures share, whatever the components are."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.source import Source, Sums
from emkernels.models.containers import FrameOutput, framed
from emkernels.models.likelihood import Likelihood, weighted_sum


class MixtureMethods(FrameOutput, Likelihood):
    """Methods of a fitted mixture, to be inherited from.

    The class gives ``_each(rows, *want)``, outputs of its E-step for each row, ``_read(X)``,
    ``_n_parameters()`` and ``_draw(component, n, rng)``.
    """

    _elsewhere = {
        "labels_": "fit_predict(X) gives the labels of the rows of a fit, predict(X) of any rows",
    }

    def _log_density(self, rows):
        return self._each(rows, "log_prob_norm")

    def predict(self, X):
        """Most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            -1 for noise, where there is any.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._each(self._read(X), "labels").astype(np.int64)

    def predict_proba(self, X):
        """Posterior probability of each component for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to one. With noise a column more, the last.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._each(self._read(X), "resp")

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
            value gets the mean of the mixture (of Student t, of the locations); columns of one
            value that a model leaves out get that value. The mean of noise is the centre of its
            box.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        rows = self._read(X)
        if rows.patterns is None:
            return framed(self, rows.X.copy(order="C"), X)
        return framed(self, checks.answered(self._imputed(rows), rows), X)

    def _imputed(self, rows):
        return self._each(rows, "imputed")

    def icl(self, X, *, sample_weight=None):
        """Integrated completed likelihood: BIC plus twice the entropy of the posterior.

        ``bic + 2 sum_i w_i -sum_k resp_ik log resp_ik``: components that overlap cost; the
        lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        float
            Of the rows.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        C. Biernacki, G. Celeux, G. Govaert, IEEE Trans. PAMI 22, 2000.
        """
        return self._criteria(X, sample_weight, entropy=True)["icl"]

    def criteria(self, X, *, sample_weight=None):
        """The log-likelihood of the rows and all criteria, by one pass over them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        dict of float
            With log_likelihood, bic, aic and icl.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        return self._criteria(X, sample_weight, entropy=True)

    def _criteria(self, X, sample_weight, *, entropy=False):
        """log_likelihood, bic, aic and, on request, icl: one pass over the rows, or over a source
        of blocks of them."""
        rows = X
        if not isinstance(X, Source):
            _inputs.check_same_rows(X, sample_weight, "sample_weight")
            rows = self._read(X).weighed(sample_weight)
        n = rows.total if rows.weighted else len(rows)
        sums = rows.reduce(self._evidence, entropy)
        log_likelihood, uncertain = sums.log_likelihood, sums.uncertain
        out = self._criteria_of(log_likelihood, n)
        if entropy:
            out["icl"] = out["bic"] + 2 * float(uncertain)
        return out

    def _evidence(self, rows, entropy):
        """The log-likelihood of rows, and how uncertain their components are."""
        log_likelihood = uncertain = 0.0
        for part in rows.blocks():
            w = part.weight_given
            w = np.ones(len(part)) if w is None else w
            if entropy:
                resp, densities = self._each(part, "resp", "log_prob_norm")
                resp = resp.astype(np.float64)
                uncertain -= weighted_sum(
                    (resp * np.log(np.where(resp > 0, resp, 1))).sum(axis=1), w)
            else:
                densities = self._each(part, "log_prob_norm")
            log_likelihood += weighted_sum(densities.astype(np.float64), w)
        return Sums(log_likelihood=log_likelihood, uncertain=uncertain)

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int
            How many rows are wanted.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), or the container of `set_output`
            Grouped by component; drawn with `random_state`. Values of Student t with degrees of
            freedom below 0.1 overflow to infinity.
        y : ndarray of shape (n_samples,)
            Their components; noise, which is -1, comes last.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            A number of rows that is not whole, or below 1.
        """
        check_is_fitted(self)
        if _inputs.whole(n_samples, "n_samples", least=None) < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least "
                "one sample.")
        rng = _inputs.as_random_state(self.random_state)
        weights = np.asarray(self.weights_, dtype=np.float64)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        labels = np.arange(len(counts))
        labels[len(self.means_):] = -1
        parts = [self._draw(k, int(n), rng) for k, n in zip(labels, counts)]
        return framed(self, np.vstack(parts)), np.repeat(labels, counts)

