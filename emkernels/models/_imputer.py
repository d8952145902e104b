"""What the imputers share: checks, the fit, the transform, densities, imputations."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import MissingIndicator
from sklearn.utils._param_validation import MissingValues, Options, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from emkernels import _inputs, kernels
from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels.em import DegenerateWarning, EMResult, EMWarning, Progress, run_em, warn_about
from emkernels.kernels.passes import incomplete_rows
from emkernels.models import _arguments as arguments
from emkernels.models import _imputing as imputing
from emkernels.models._arguments import Interval
from emkernels.models._degenerate import examine
from emkernels.models._multiple import MultipleImputation
from emkernels.models._standardised import (
    Scaling,
    StandardisedProblem,
    along,
    at_floor,
    summarise_columns,
)
from emkernels.models._state import Stateful
from emkernels.models._words import column_names, some


class BaseGaussianImputer(Stateful, MultipleImputation, TransformerMixin, BaseEstimator):
    """An imputer by a Gaussian mixture; a subclass says which, and how EM begins."""

    _parameter_constraints: dict = {
        "missing_values": [MissingValues(numeric_only=True)],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "min_value": [None, Interval(Real, None, None, closed="both"), "array-like"],
        "max_value": [None, Interval(Real, None, None, closed="both"), "array-like"],
        "prior": [StrOptions({"ridge"}), tuple, list, None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "acceleration": [StrOptions({"squarem"}), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "callback": [callable, None],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        value = self.missing_values     # a number, NaN or the NA of pandas
        tags.input_tags.allow_nan = not isinstance(value, Real) or bool(np.isnan(value))
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    _elsewhere = {
        "statistics_": "location_ (GaussianImputer) or means_ hold what is estimated",
        "labels_": "GaussianMixture(...).fit_predict(X) labels rows, incomplete ones too",
    }

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Estimate the parameters from incomplete rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout; copied only where columns are left out of the
            model, or `missing_values` is a number.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data; the argument, row or column is named, and the estimator
            stays as it was.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of
            the last one, with ``converged_`` False; else it stays as it was.
        """
        self._fit(X, sample_weight)
        return self

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit, then complete the same rows; parameters as in :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), or the container of `set_output`
        """
        return self._complete(self._fit(X, sample_weight))

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        rows = imputing.check_incomplete(self, X, self.missing_values, reset=True)
        names = column_names(X, rows.shape[1])
        arguments.check_labelled(self, X, sample_weight)
        weight = arguments.check_sample_weight(sample_weight, rows)
        limits = imputing.check_limits(self.min_value, self.max_value, rows.shape[1])
        # names an infinite cell
        patterns = arguments.missing_patterns(rows, _inputs.names_of(X))
        summary = summarise_columns(rows, weight)
        imputing.check_scales(summary, rows.dtype, names)
        if summary.empty.all() and not self.keep_empty_features:
            raise ValueError(
                f"X has no observed value in any of its {len(names)} columns: nothing can be "
                "estimated")
        kept = np.flatnonzero(~summary.empty | self.keep_empty_features)
        columns = imputing.Columns(kept, np.flatnonzero(~summary.empty & ~summary.constant))
        indicator = None
        if self.add_indicator:
            indicator = MissingIndicator(error_on_new=False).fit(rows)
        constants = np.where(summary.empty, 0.0, summary.means)
        constants[summary.constant] = summary.low[summary.constant]
        # --- EM on the columns that vary
        problem, result, notes = None, EMResult(None, converged=True), []
        n_patterns = patterns.n_patterns
        if len(columns.varying):
            if len(columns.varying) < rows.shape[1]:
                patterns = kernels.missing_patterns(columns.take(rows))
                n_patterns = patterns.n_patterns
            problem = self._problem(columns.take(rows), weight, patterns, summary, columns)
            with one_thread(len(columns.varying)):
                result, notes = self._run(problem, patterns, [names[j] for j in columns.varying])
        notes = self._one_value(rows, weight, summary, columns, names) + notes
        log_likelihood = 0.0
        if problem is not None:
            singular = any("no maximum:" in note for note, _ in notes)
            if ((not result.converged and not singular) or self._shape()[2] > 1
                    or result.n_iter == 1):
                problem.accumulate(result.parameters)
            # the last E-step of a fit that converged was within tol of the maximum
            log_likelihood = problem.log_likelihood
        # --- nothing can fail from here on
        arguments.remember_columns(self, X)
        self._fitted = imputing.Fitted(
            self.missing_values, limits, None if problem is None else problem.covariance_prior,
            self.max_iter, self.acceleration)
        self._columns, self._fitted_type, self.indicator_ = columns, self._shape()[0], indicator
        self.n_patterns_, self.n_iter_ = n_patterns, result.n_iter
        self.converged_, self.lower_bounds_ = result.converged, result.history
        self._scaling = None if problem is None else problem.scaling
        self.log_likelihood_ = log_likelihood
        self._set_parameters(result.parameters, constants[kept])
        if result.interrupted:
            raise KeyboardInterrupt
        for note, category in notes:
            warn(note, category)
        if result.history:
            # what rounding takes from a likelihood that grows without limit is no news
            singular = any("no maximum:" in note for note, _ in notes)
            warn_about(result, np.inf if singular else 1e-8 if rows.dtype == np.float64 else 1e-4)
        return rows

    def _problem(self, rows, weight, patterns, summary, columns):
        """The EM problem of the varying columns of `rows`."""
        type_, n_components, _ = self._shape()
        scale = summary.deviations[columns.varying]
        if type_ == "spherical":
            scale = np.full(len(scale), np.sqrt(np.mean(scale**2)))
        prior = imputing.check_prior(
            self.prior, type_, n_components, scale, columns, len(summary.counts))
        return self._standardised(
            rows, type_, weight, patterns, Scaling(summary.means[columns.varying], scale), prior,
            self.n_threads)

    def _standardised(self, rows, covariance_type, weight, patterns, scaling, prior, n_threads):
        nothing = patterns.n_missing == rows.shape[1]
        if nothing.any():       # rows with nothing observed add nothing to an M-step
            weight = np.ones(len(rows)) if weight is None else weight.copy()
            for p in np.flatnonzero(nothing):
                weight[patterns.order[patterns.offsets[p]:patterns.offsets[p + 1]]] = 0
        return StandardisedProblem(
            rows, covariance_type, scaling, self._floor(rows.dtype),
            patterns=patterns if patterns.n_missing.any() else None, sample_weight=weight,
            covariance_prior=prior, n_threads=n_threads)

    def _run(self, problem, patterns, names):
        """The fit, and what there is to warn about."""
        starts, n_init = self._starter(problem), self._shape()[2]

        def start(i):
            problem.n_floored = 0
            return starts(i)

        progress = None
        if self.verbose:
            progress = Progress(self.verbose, self.verbose_interval, n_init, self.max_iter)
        # one component of rows that lack nothing (or all): the first M-step has their moments
        problem.exact = self._shape()[1] == 1 and bool(
            np.isin(patterns.n_missing, (0, problem.X.shape[1])).all())
        result = run_em(problem, start, n_init=1 if problem.exact else n_init,
                        max_iter=self.max_iter, tol=self.tol, convergence="distance",
                        acceleration=self.acceleration, callback=self.callback, progress=progress)
        singular, notes = [], self._weak_components(problem, result, names)
        if self.prior is None:
            pairs = imputing.never_together(patterns, problem.sample_weight)
            if len(pairs):
                words = [f"{names[i]} and {names[j]}" for i, j in pairs]
                notes.append((
                    f"no row has both of the columns {some(words)}: how they depend on "
                    "each other given the rest is not identified; prior='ridge' makes it so",
                    EMWarning))
            singular = self._singular(problem, result.parameters, names)
        if singular:
            # no maximum, so nothing to converge to
            notes += singular
            result.converged = False
        elif not result.converged and not result.stopped and self.max_iter > 0:
            left = ("its steps do not shrink yet" if not np.isfinite(result.moved) else
                    f"{result.moved:.1e} standard deviations, or units of the log-likelihood, "
                    f"seem to be left, and tol is {self.tol:.1e}")
            notes.append((
                f"EM did not converge in {result.n_iter} iterations: {left}. Increase max_iter; "
                "where few rows have the same columns, the likelihood may have no maximum, and "
                "prior='ridge' gives it one", ConvergenceWarning))
        return result, notes

    def _one_value(self, rows, weight, summary, columns, names):
        """A note on columns whose one value stands for every missing one."""
        n_rows = len(rows) if weight is None else np.count_nonzero(weight)
        found = summary.constant & ((summary.counts < n_rows) | (len(columns.varying) == 0))
        if not found.any():
            return []
        found = [names[j] for j in np.flatnonzero(found)]
        which = f"column {found[0]} has" if len(found) == 1 else f"the columns {some(found)} have"
        alone = "" if len(columns.varying) else "; no column varies, so that nothing is estimated"
        return [(f"{which} one value only, which is put in place of every missing one{alone}",
                 EMWarning)]

    def _weak_components(self, problem, result, names):
        """Notes on components that have no rows, or are the same as others."""
        if not result.history:
            return []
        found = examine(
            result.parameters, problem.covariance_type, 0.0, np.zeros(problem.X.shape[1]),
            problem.n_rows)
        # those at the floor of the variances are told with it
        return [(text, DegenerateWarning)
                for text in replace(found, spikes={}).texts(names)]

    def _singular(self, problem, parameters, names):
        """A note on a likelihood without a maximum: a component whose variance is at the floor."""
        type_, p = problem.covariance_type, problem.X.shape[1]
        covariances = parameters.get_covariances(type_)
        if type_ in ("diag", "spherical"):
            low = np.argwhere(covariances <= problem.floor * (1 + 1e-3))
            found = [] if not len(low) else [
                f"the variance of component {low[0][0]} goes to zero"
                + (f" in column {names[low[0][1]]}" if type_ == "diag" else "")]
        else:
            found = []
            for k, covariance in enumerate(covariances if type_ == "full" else [covariances]):
                combinations = at_floor(covariance, problem.floor)
                if len(combinations):
                    where = f" in component {k}" if len(parameters.weights) > 1 else ""
                    columns = along(combinations, names)
                    found.append(
                        f"in {len(combinations)} of {p} directions{where} the variance goes to "
                        "zero, along " + (
                            f"the column {columns[0]}, of which there is one value only"
                            if len(columns) == 1 else
                            f"the columns {some(columns)}; they determine each other, or too few "
                            "rows have all of them"))
        if not found:
            return []
        return [(f"the likelihood has no maximum: {found[0]}. That variance is held at "
                 f"{problem.floor:.0e} of that of a column; prior='ridge' keeps it away from zero",
                 EMWarning)]

    # --- parameters ------------------------------------------------------------------

    def _shape(self):
        """covariance_type, n_components and n_init."""
        return "full", 1, 1

    def _embed(self, values, n_axes):
        """Values of the varying columns among zeros for the other columns of the output."""
        inside, n = self._columns.inside, len(self._columns.kept)
        out = np.zeros((*values.shape[:values.ndim - n_axes], *[n] * n_axes))
        if n_axes == 2:
            out[..., inside[:, None], inside] = values
        else:
            out[..., inside] = values
        return out

    # --- rows --------------------------------------------------------------------------

    def _check_rows(self, X):
        check_is_fitted(self)
        rows = imputing.check_incomplete(self, X, self._fitted.missing_values, reset=False)
        if len(self._columns.varying) < rows.shape[1]:
            # the kernels see the other columns only: an infinity is looked for in all
            arguments.patterns_where_missing(rows, _inputs.names_of(X))
        return rows

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
        """
        return self._complete(self._check_rows(X))

    def _complete(self, rows):
        inner = self._columns.take(rows)
        if not self._columns.varying.size:
            return self._finish(rows, inner)
        patterns = self._patterns(inner)
        if not patterns.n_missing.any():
            return self._finish(rows, inner)
        p = self._raw()
        moments = kernels.conditional_moments(
            inner, p.means, p.precisions_cholesky, self._fitted_type, p.weights,
            patterns=patterns, n_threads=self.n_threads)
        return self._finish(rows, moments.imputed)

    def _finish(self, rows, inner):
        """The output: `inner` completed, the constants, the limits, the indicator."""
        kept, inside = self._columns.kept, self._columns.inside
        self._warn_skipped(rows.shape[1])
        limits = self._fitted.limits
        if len(inside) == rows.shape[1]:
            out = inner if inner is not rows else rows.copy()
        else:
            out = np.ascontiguousarray(rows[:, kept])
            out[:, inside] = inner
            fixed = np.setdiff1d(np.arange(len(kept)), inside)
            values = self._locations()[fixed].astype(out.dtype)
            out[:, fixed] = np.where(np.isnan(out[:, fixed]), values, out[:, fixed])
        if np.isfinite(limits[0]).any() or np.isfinite(limits[1]).any():
            low, high = (limit[kept].astype(out.dtype) for limit in limits)
            np.clip(out, low, high, out=out, where=np.isnan(rows[:, kept]))
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

        Returns
        -------
        ndarray of shape (n_samples,)
            In the units of X, over the columns that vary; 0 for a row with nothing observed.
        """
        inner = self._columns_of(X)
        if inner.shape[1] == 0:
            return np.zeros(len(inner))
        patterns, p = self._patterns(inner), self._raw()
        return incomplete_rows(
            inner, p.weights, p.means, p.precisions_cholesky, self._fitted_type, patterns,
            ["log_prob_norm"], n_threads=self.n_threads)["log_prob_norm"]

    def _patterns(self, inner):
        """The patterns of the varying columns; an infinity is named."""
        names = getattr(self, "feature_names_in_", None)
        return arguments.missing_patterns(
            inner, None if names is None else names[self._columns.varying])

    def _columns_of(self, X):
        return self._columns.take(self._check_rows(X))

    def score(self, X, y=None, sample_weight=None):
        """Mean of :meth:`score_samples` (weighted where weights are given)."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        values = self.score_samples(X).astype(np.float64)
        weight = arguments.check_sample_weight(sample_weight, values[:, None])
        return float(values.mean() if weight is None else np.average(values, weights=weight))
