"""What is inferred from fitted latent classes: standard errors, covariates, distal outcomes."""

import numpy as np

from emkernels.models.classes import errors


class ClassInference:
    """Methods of :class:`emkernels.LatentClassAnalysis`, to be inherited from."""

    def standard_errors(self, X, *, sample_weight=None):
        """Standard errors of the parameters, from the observed information.

        Roots of the diagonal of the inverse of the negative second derivatives of the
        log-likelihood along the directions in which weights, and the probabilities of an item in
        a class, keep their sum of one; in closed form, at the fitted parameters. Missing values
        are missing at random. With `response_concentration` the log density of the prior is added
        to the log-likelihood, and they are the deviations of a normal approximation of the
        posterior.

        A probability (or weight) below 1e-5, and one below 0.01 that EM is still taking to 0, is
        at the boundary: its error is NaN, and the others' are those with it held where it is, as
        is a probability of 1. So are variances at `reg_covar`, and all that belongs to a class of
        weight 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            The rows of the fit; a model keeps none.
        sample_weight : array-like of shape (n_samples,), optional
            Those of the fit. A weight of 2 is the same as the row twice.

        Returns
        -------
        ClassErrors
            ``weights`` (n_classes,), ``response_probs`` (list of (n_classes, n_levels)), ``means``
            and ``variances`` (n_classes, n_continuous).

        Raises
        ------
        ValueError
            Bad rows; information that is not positive definite: the rows do not determine the
            parameters, or these are at no maximum.

        Warns
        -----
        EMWarning
            The parameters are not at a maximum of the likelihood of these rows.

        References
        ----------
        T. A. Louis, Finding the observed information matrix when using the EM algorithm, Journal
        of the Royal Statistical Society B 44, 1982; K. Bandeen-Roche, D. L. Miglioretti, S. L.
        Zeger, P. J. Rathouz, Journal of the American Statistical Association 92, 1997.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import LatentClassAnalysis
        >>> rng = np.random.default_rng(0)
        >>> high = rng.random(400) < 0.4
        >>> X = (rng.random((400, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
        >>> model = LatentClassAnalysis(2, random_state=0).fit(X)
        >>> model.standard_errors(X).weights.round(3)
        array([0.028, 0.028])
        """
        items, resp = self._weighed_posteriors(X, sample_weight)
        return errors.standard_errors(
            items, resp, self.weights_, self._classes,
            concentration=self.response_concentration or 1.0, reg_covar=self.reg_covar)

    def _weighed_posteriors(self, X, sample_weight):
        """The distinct rows, as they are weighed, and their posteriors."""
        items = self._read_weighed(X, sample_weight)
        out = self._components.rows(items, self.weights_, self._classes, "resp", "log_prob_norm")
        bad = (out["log_prob_norm"] == -np.inf) & (items.sample_weight > 0)
        if bad.any():
            row = int(np.flatnonzero(bad[items.inverse])[0])
            raise ValueError(f"row {row} of X has probability 0 under the fitted classes: nothing "
                             "can be said of its class")
        return items, np.where((items.sample_weight > 0)[:, None], out["resp"], 0)
