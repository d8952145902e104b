"""What is inferred from fitted latent classes: standard errors, covariates, distal outcomes."""

import numpy as np

from emkernels import _inputs
from emkernels._callers import warn
from emkernels.data import checks
from emkernels.data.items import MISSING
from emkernels.em import EMWarning
from emkernels.models.classes import errors
from emkernels.models.classes.assigned import ASSIGNMENTS, METHODS, Assigned
from emkernels.models.classes.covariates import fit_covariates
from emkernels.models.classes.distal import fit_distal
from emkernels.models.classes.influence import KnownFrom


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
        array([0.025, 0.025])
        """
        items, resp = self._weighed_posteriors(X, sample_weight)
        found = errors.standard_errors(
            items, resp, self.weights_, self._classes,
            concentration=self._concentration, reg_covar=self._reg_covar)
        titles = checks.titles_of_fit(self)
        found.items = [(titles[j], levels.tolist())
                       for j, levels in zip(items.items, self.categories_)]
        found.numbers = [titles[j] for j in items.continuous]
        return found

    def covariates(self, X, Z, *, method="ml", assignment="modal", reference=0,
                   first_step=True, sample_weight=None):
        """How the classes depend on covariates: the three-step method.

        A multinomial logit of the class on the columns of Z. The classes stay those of the fit
        (first step); rows are assigned to them, and how often to a wrong one is known (second
        step); the logit takes that into account (third step). Standard errors are robust ones
        (sandwich), and count the uncertainty of all three steps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            The rows of the fit, answers with gaps too.
        Z : array-like of shape (n_samples, n_covariates) or (n_samples,), data frame
            Numbers; a level of a category is a column of 0 and 1. Rows with a missing value are
            left out, which is said.
        method : {'ml', 'bch'}
            'ml': the likelihood of the assigned class, an answer with known errors. 'bch': a logit
            of all classes for each row, with the weights of Bolck, Croon and Hagenaars, some of
            which are negative.
        assignment : {'modal', 'proportional'}
            To the most probable class, or to each by its probability: of 'ml' then a sum of
            log-likelihoods of the assigned classes, weighted by these.
        reference : int
            The class that the others are compared with.
        first_step : bool
            Whether the standard errors count that the classes are estimated. Without, as of
            Vermunt's, those of intercepts are too small where classes overlap.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ClassCovariates
            Coefficients, errors and tests.

        Raises
        ------
        ValueError, TypeError
            Bad rows, covariates (the cell is named) or parameters; a covariate that is constant or
            depends on others; one class; a likelihood without a maximum.

        Warns
        -----
        EMWarning
            Rows are left out.

        References
        ----------
        A. Bolck, M. Croon, J. Hagenaars, Political Analysis 12, 2004; J. K. Vermunt, Latent class
        modeling with covariates: two improved three-step approaches, Political Analysis 18, 2010;
        Z. Bakk, D. L. Oberski, J. K. Vermunt, Relating latent class assignments to external
        variables: standard errors for correct inference, Political Analysis 22, 2014.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import LatentClassAnalysis
        >>> rng = np.random.default_rng(0)
        >>> age = rng.normal(size=1000)
        >>> high = rng.random(1000) < 1 / (1 + np.exp(0.5 - age))
        >>> X = (rng.random((1000, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
        >>> model = LatentClassAnalysis(2, random_state=0).fit(X)
        >>> model.covariates(X, age).coef.round(1)
        array([[-0.4,  0.9]])
        """
        items, assigned = self._assigned(X, method, assignment, first_step, sample_weight)
        n_classes = len(self.weights_)
        reference = _inputs.whole(reference, "reference", 0)
        if reference >= n_classes:
            raise ValueError(f"reference must be one of the classes 0 .. {n_classes - 1}, got "
                             f"{reference}")
        _inputs.check_same_rows(X, Z, "Z")
        values, names = _inputs.as_table(Z, "Z")
        values = np.asarray(values, np.float64)
        values = values[:, None] if values.ndim == 1 else checks.check_table(values, "Z")
        _check_length(values, "Z", len(assigned.weight))
        if names is None and values.shape[1] == 1 and isinstance(getattr(Z, "name", None), str):
            names = [Z.name]        # of a series
        names = [str(name) for name in names or [f"Z{j}" for j in range(values.shape[1])]]
        if np.isinf(values).any():
            where = _inputs.place(np.argwhere(np.isinf(values))[0], names)
            raise ValueError(f"Z contains infinity, first at {where}")
        kept, n_left_out = _complete(~np.isnan(values).any(axis=1), assigned.weight, "Z")
        first = self._known_from(items, assigned, kept, assignment, first_step)
        return fit_covariates(
            assigned.take(kept), first, values[kept], ["intercept", *names], method=method,
            assignment=assignment, reference=reference, n_left_out=n_left_out)

    def distal(self, X, outcome, *, method="bch", assignment="modal", categorical=None,
               first_step=True, sample_weight=None):
        """An outcome by class: the three-step method.

        Means (and variances) of numbers, or probabilities of levels, in each class. The classes
        stay those of the fit, and that rows are assigned to wrong ones is taken into account, as
        in :meth:`covariates`. Standard errors are robust ones (sandwich).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            The rows of the fit.
        outcome : array-like of shape (n_samples,)
            Rows where it is missing are left out, which is said.
        method : {'bch', 'ml'}
            'bch': weighted means, without an assumption of the distribution; variances may be
            negative and probabilities outside of 0 .. 1 where classes are hardly told apart, which
            is said. 'ml': the likelihood of the assigned class and the outcome, a normal one with a
            variance for each class (where it is not normal, it is misled); the sizes of the
            classes are estimated with it.
        assignment : {'modal', 'proportional'}
            To the most probable class, or to each by its probability.
        categorical : bool, optional
            Whether values are levels. None: where they are texts, bool, or categories.
        first_step : bool
            Whether the standard errors count that the classes are estimated; without, they are too
            small where classes overlap.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        DistalOutcome
            Means or probabilities by class, errors and tests.

        Raises
        ------
        ValueError, TypeError
            Bad rows, outcomes or parameters; classes without rows, or without variance of 'ml'.

        Warns
        -----
        EMWarning
            Rows are left out; a negative variance, probabilities outside of 0 .. 1.

        References
        ----------
        Z. Bakk, F. B. Tekle, J. K. Vermunt, Estimating the association between latent class
        membership and external variables using bias-adjusted three-step approaches, Sociological
        Methodology 43, 2013; Z. Bakk, J. K. Vermunt, Structural Equation Modeling 23, 2016.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import LatentClassAnalysis
        >>> rng = np.random.default_rng(0)
        >>> high = rng.random(1000) < 0.4
        >>> X = (rng.random((1000, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
        >>> income = np.where(high, 3.0, 1.0) + rng.normal(size=1000)
        >>> model = LatentClassAnalysis(2, random_state=0).fit(X)
        >>> model.distal(X, income).means.round(1)
        array([1. , 3.1])
        """
        items, assigned = self._assigned(X, method, assignment, first_step, sample_weight)
        if categorical not in (None, True, False):
            raise ValueError(f"categorical must be None, True or False, got {categorical!r}")
        _inputs.check_same_rows(X, outcome, "outcome")
        column = _inputs.as_column(outcome, "outcome")
        _check_length(column.values, "outcome", len(assigned.weight))
        if categorical is None:
            categorical = column.order is not None or (column.values.dtype.kind not in "iuf" and (
                column.values.dtype.kind != "O" or any(
                    isinstance(value, (str, bytes, bool, np.bool_))
                    for value in column.values[~column.missing])))
        levels = None
        kept, n_left_out = _complete(~column.missing, assigned.weight, "outcome")
        if categorical:
            levels, y = _inputs.levels_of(column, kept)
            if len(levels) > MISSING:
                raise ValueError(f"outcome has {len(levels)} levels, and at most {MISSING} are "
                                 "taken: is it one of numbers (categorical=False)?")
        else:
            y = _inputs.numbers_of(column)
        first = self._known_from(items, assigned, kept, assignment, first_step)
        return fit_distal(
            assigned.take(kept), first, y[kept], levels, method=method, assignment=assignment,
            n_left_out=n_left_out)

    def _assigned(self, X, method, assignment, first_step, sample_weight):
        """The rows as they are assigned to the classes."""
        for name, value, known in (("method", method, METHODS),
                                   ("assignment", assignment, ASSIGNMENTS)):
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if not isinstance(first_step, (bool, np.bool_)):
            raise ValueError(f"first_step must be True or False, got {first_step!r}")
        items, resp = self._weighed_posteriors(X, sample_weight)
        if len(self.weights_) < 2:
            raise ValueError("the model has one class, and nothing can depend on that")
        weight = checks.check_sample_weight(sample_weight, np.empty((items.n_rows, 0)))
        return (items, resp), Assigned.of(
            resp[items.inverse], np.ones(items.n_rows) if weight is None else weight, assignment)

    def _known_from(self, rows, assigned, kept, assignment, first_step):
        """What the third step knows the classes from, None where it takes them for known."""
        if not first_step:
            return None
        try:
            return KnownFrom(
                *rows, self.weights_, self._classes, assigned, kept, assignment == "proportional",
                concentration=self._concentration, reg_covar=self._reg_covar)
        except ValueError as error:
            raise ValueError(f"{error}; first_step=False takes the classes for known") from None

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


def _check_length(values, name, n_rows):
    if len(values) != n_rows:
        raise ValueError(f"{name} has {len(values)} rows, and X has {n_rows}")


def _complete(observed, weight, name):
    """Which rows count, and how many do not although they weigh something, of which the user is
    told."""
    n_left_out = int((~observed & (weight > 0)).sum())
    kept = observed & (weight > 0)
    if not kept.any():
        raise ValueError(f"no row has {'an outcome' if name == 'outcome' else 'all of ' + name}")
    if n_left_out:
        warn(f"{n_left_out} of {int((weight > 0).sum())} rows are left out, of which {name} is "
             "missing", EMWarning)
    return kept, n_left_out
