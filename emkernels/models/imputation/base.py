"""What the imputers share: the fit."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import MissingIndicator
from sklearn.utils._param_validation import MissingValues, Options

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.gaussian.degenerate import along, at_floor, examine
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.parameters import Scaling
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows, checks
from emkernels.data.checks import Interval, one_of
from emkernels.data.survey import Tables
from emkernels.em import DegenerateWarning, EMResult, EMWarning, Progress, run_em, warn_about
from emkernels.kernels import passes
from emkernels.latent.mixture import Mixture
from emkernels.latent.standardised import Standardised
from emkernels.latent.stream import Stream
from emkernels.models.chunked import ChunkedFit
from emkernels.models.encoding import bound, count, number
from emkernels.models.imputation import arguments
from emkernels.models.imputation.completion import Completion
from emkernels.models.imputation.gaps import Gaps, lacking, source_without_empty
from emkernels.models.imputation.multiple import MultipleImputation
from emkernels.models.loaded import check_mixture, check_scaling, check_stream, check_structure


class BaseGaussianImputer(ChunkedFit, MultipleImputation, Completion):
    """An imputer by a Gaussian mixture; a subclass says which, and how EM begins."""

    _parameter_constraints: dict = {
        "missing_values": [MissingValues(numeric_only=True)],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "min_value": [None, Interval(Real, None, None, closed="both"), "array-like"],
        "max_value": [None, Interval(Real, None, None, closed="both"), "array-like"],
        "prior": [one_of("ridge"), tuple, list, None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "acceleration": [one_of("squarem"), None],
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

    # --- files -------------------------------------------------------------------------

    _saved = ("_fitted", "_columns", "_fitted_type", "indicator_", "_scaling", "log_likelihood_",
              "n_iter_", "converged_", "lower_bounds_")
    _kept = ("_fitted_weight", "_stream")

    def _check_loaded(self):
        n, columns, fitted = self.n_features_in_, self._columns, self._fitted
        if not isinstance(columns, arguments.Columns) or not set(columns.varying) <= set(
                columns.kept) <= set(range(n)):
            raise ValueError("its columns are none of those that it has")
        if not isinstance(fitted, arguments.Fitted) or fitted.acceleration not in (
                None, "squarem") or len(fitted.limits) != 2 or not all(
                isinstance(each, np.ndarray) and each.shape == (n,) and each.dtype == np.float64
                for each in fitted.limits) or not (fitted.limits[0] < fitted.limits[1]).all():
            raise ValueError("what it says of the fit is not what a fit says")
        indicator, p = self.indicator_, len(columns.varying)
        if indicator is not None and (
                not isinstance(indicator, MissingIndicator) or indicator.n_features_in_ != n):
            raise ValueError("its indicator is of other columns")
        for name, fits in (("log_likelihood_", bound), ("_fitted_weight", number),
                           ("n_patterns_", count)):
            value = vars(self).get(name)
            if value is not None and not fits(value):
                raise ValueError(f"{name} is not that of a fit")
        structure = structure_of(self._fitted_type)
        self._check_shapes(structure, len(columns.kept))
        if (self._scaling is None) != (p == 0):
            raise ValueError("it has units of columns that do not vary")
        if p:
            check_scaling(self._scaling, p)
            if fitted.prior is not None:
                check_structure(structure.with_(prior=fitted.prior), p)
            check_mixture(self._raw(), p)
        if "_stream" in vars(self):
            if not isinstance(self._stream, Stream) or "lower_bounds_" not in vars(self) or (
                    not isinstance(self._stream.model, Standardised)):
                raise ValueError("its stream is none")
            check_stream(self._stream, self._fitted_type, len(self._raw().weights), p)

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Estimate the parameters from incomplete rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout; copied only where columns are left out of the
            model, or `missing_values` is a number.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        self
            Fitted.

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
        ndarray of shape (n_samples, n_features_out), or the container of `set_output`
            Observed cells bit for bit, missing ones by their conditional means.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        return self._complete(self._fit(X, sample_weight))

    def _door(self):
        return Tables(missing_values=self.missing_values)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        """Fit; the rows."""
        rows = self._read_to_fit(X)
        checks.check_labelled(self, rows, sample_weight)
        return self._fit_source(rows.weighed(sample_weight).with_(n_threads=self.n_threads))

    def _fit_source(self, rows):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            checks.check_labelled(self, rows)
        limits = arguments.check_limits(self.min_value, self.max_value, rows.n_features)
        summary, names = rows.summary(), rows.column_names
        arguments.check_scales(summary, rows.dtype, names)
        if summary.empty.all() and not self.keep_empty_features:
            raise ValueError(
                f"X has no observed value in any of its {len(names)} columns: nothing can be "
                "estimated")
        kept = np.flatnonzero(~summary.empty | self.keep_empty_features)
        columns = arguments.Columns(kept, np.flatnonzero(~summary.empty & ~summary.constant))
        indicator = None
        if self.add_indicator:
            missing = rows.reduce(lacking).missing > 0
            indicator = MissingIndicator(error_on_new=False).fit(
                np.where(missing, np.nan, 0.0)[None].astype(rows.dtype))
        constants = np.where(summary.empty, 0.0, summary.means)
        constants[summary.constant] = summary.low[summary.constant]
        # --- EM on the columns that vary
        model, result, notes, log_likelihood = None, EMResult(None, converged=True), [], 0.0
        inner = rows.take(columns=columns.varying) if len(columns.varying) else rows
        gaps = inner.reduce(Gaps, self.prior is None)
        if len(columns.varying):
            model = self._model(inner, summary, columns)
            fitted = source_without_empty(inner, gaps)
            with one_thread(len(columns.varying)):
                result, notes = self._run(
                    model, fitted, gaps, [names[j] for j in columns.varying])
            log_likelihood = self._log_likelihood(model, fitted, result, notes)
        notes = self._one_value(rows, columns) + notes
        # --- nothing can fail from here on
        checks.remember_columns(self, rows)
        structure = structure_of(self._shape()[0]) if model is None else (
            model.model.components.structure)
        self._fitted = arguments.Fitted(
            self.missing_values, limits, structure.prior, self.max_iter, self.acceleration)
        self._columns, self._fitted_type, self.indicator_ = columns, structure.name, indicator
        self.n_patterns_, self.n_iter_ = gaps.n_patterns, result.n_iter
        self.converged_, self.lower_bounds_ = result.converged, result.history
        self._scaling = None if model is None else model.scaling
        self.log_likelihood_, self._fitted_weight = log_likelihood, rows.total
        self._set_parameters(result.parameters, constants[kept])
        if result.interrupted:
            raise KeyboardInterrupt
        for note, category in notes:
            warn(note, category)
        if result.history:
            # what rounding takes from a likelihood that grows without limit is no news
            warn_about(result, np.inf if _has_no_maximum(notes) else
                       1e-8 if rows.dtype == np.float64 else 1e-4)
        return rows

    def _model(self, inner, summary, columns):
        """The model of the varying columns, in units of their deviations."""
        type_, n_components, _ = self._shape()
        bare, varying = structure_of(type_), columns.varying
        scale = bare.common_scale(summary.deviations[varying])
        prior = arguments.check_prior(
            self.prior, bare, n_components, scale, columns, len(summary.counts))
        return self._standardised(
            bare, Scaling(summary.means[varying], scale), prior, inner.dtype)

    def _standardised(self, bare, scaling, prior, dtype):
        structure = bare.with_(prior=prior, floor=self._floor(dtype))
        return Standardised(Mixture(GaussianComponents(structure)), scaling)

    def _run(self, model, rows, gaps, names):
        """The fit, and what there is to warn about."""
        n_components, n_init = self._shape()[1:]
        progress = None
        if self.verbose:
            progress = Progress(self.verbose, self.verbose_interval, n_init, self.max_iter)
        # one component of rows that lack nothing (or all): the first M-step has their moments
        exact = n_components == 1 and gaps.whole
        with passes.KeptRooms():
            result = run_em(
                model, rows, self._starter(model, rows), n_init=1 if exact else n_init,
                max_iter=self.max_iter, tol=self.tol,
                convergence="exact" if exact else "distance", acceleration=self.acceleration,
                callback=self.callback, progress=progress, objective_scale=rows.n_positive)
        singular, notes = [], self._weak_components(rows, result, names)
        if self.prior is None:
            pairs = gaps.never_together
            if len(pairs):
                words = [f"{names[i]} and {names[j]}" for i, j in pairs]
                notes.append((
                    f"no row has both of the columns {some(words)}: how they depend on "
                    "each other given the rest is not identified; prior='ridge' makes it so",
                    EMWarning))
            singular = self._singular(model, result.parameters, names)
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

    def _log_likelihood(self, model, rows, result, notes):
        """That of the parameters; of one start that converged that of its last pass, which was
        within tol of the maximum."""
        if ((not result.converged and not _has_no_maximum(notes)) or result.statistics is None
                or self._shape()[2] > 1 or result.n_iter == 1):
            return rows.reduce(model.accumulate, result.parameters).log_likelihood
        return result.statistics.log_likelihood

    def _one_value(self, rows, columns):
        """A note on columns whose one value stands for every missing one."""
        summary, names = rows.summary(), rows.column_names
        found = summary.constant & (
            (summary.counts < rows.n_positive) | (len(columns.varying) == 0))
        if not found.any():
            return []
        found = [names[j] for j in np.flatnonzero(found)]
        which = f"column {found[0]} has" if len(found) == 1 else f"the columns {some(found)} have"
        alone = "" if len(columns.varying) else "; no column varies, so that nothing is estimated"
        return [(f"{which} one value only, which is put in place of every missing one{alone}",
                 EMWarning)]

    def _weak_components(self, rows, result, names):
        """Notes on components that have no rows, or are the same as others."""
        if not result.history:
            return []
        found = examine(
            result.parameters, 0.0, np.zeros(rows.n_features), rows.n_positive)
        # those at the floor of the variances are told with it
        return [(text, DegenerateWarning)
                for text in replace(found, spikes={}).texts(names)]

    def _singular(self, model, parameters, names):
        """A note on a likelihood without a maximum: a component whose variance is at the floor."""
        structure, covariances = model.model.components.structure, parameters.covariances
        floor, p = structure.floor, len(names)
        if structure.diagonal:
            low = np.argwhere(covariances <= floor * (1 + 1e-3))
            found = [] if not len(low) else [
                f"the variance of component {low[0][0]} goes to zero"
                + (f" in column {names[low[0][1]]}" if structure.n_axes else "")]
        else:
            found = []
            for k, covariance in enumerate(structure.each(covariances)):
                combinations = at_floor(covariance, floor)
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
                 f"{floor:.0e} of that of a column; prior='ridge' keeps it away from zero",
                 EMWarning)]

    # --- what a subclass says --------------------------------------------------------------

    def _shape(self):
        """covariance_type, n_components and n_init."""
        return "full", 1, 1


def raw_components(parameters, scaling):
    """The components in the units of the columns, their covariances too."""
    known = parameters.components.with_covariances()
    return scaling.to_raw(known)


def _has_no_maximum(notes):
    return any("no maximum:" in note for note, _ in notes)
