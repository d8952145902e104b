"""Imputation by one Gaussian of a stream of batches."""

import numpy as np

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.gaussian.structures import structure_of
from emkernels.em import run_em
from emkernels.em.stepwise import Pace
from emkernels.latent.stream import Stream, implied_statistics
from emkernels.models.imputation import arguments
from emkernels.models.steps import bounds_behind, remember_batch, weighed_batch

ENOUGH = 5          # numbers for each parameter, in a first batch to which EM is run
FIRST_TOL = 1e-3


class StepwiseImputer:
    """What an imputer of a stream has, to be inherited from."""

    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Move the parameters by one batch of a stream: stepwise EM.

        Statistics for one unit of weight go to ``(1 - g) s + g s_batch``, moved to the mean of now
        before, and an M-step follows. Of batch t, ``g = (t + step_offset) ** -step_exponent``,
        times the weight of the batch by the mean weight of the batches so far, and at most one
        half, or the share of all weight that the batch has; batches of fewer than forty numbers
        for each parameter count as if they came together. So what is far back is forgotten, and a
        stream that drifts is followed. ``step_exponent=1, step_offset=0``: every row counts the
        same.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Batches may be of any size; in the first every column has two different values, where
            there was no fit.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A batch whose weights are all zero, or which has no value at all, changes nothing.

        Returns
        -------
        self
            With the attributes of `fit`: `n_iter_` batches, `converged_` False, `lower_bounds_`
            the objective for one unit of weight, at the parameters that each batch has found and
            averaged as the statistics are, after each of the last thousand batches;
            `log_likelihood_` its log-likelihood times the weight of all batches, `n_patterns_` of
            the last one.

        Raises
        ------
        ValueError, TypeError
            As `fit`. A column of the first batch has one value or none: neither its unit nor how it
            varies with others can be told. A column that had one value (or none) in the fit has
            others. `add_indicator` asks which columns have gaps, which a stream does not show. The
            estimator stays as it was.

        Warns
        -----
        EMWarning
            A variance has come to its floor with this batch, see `fit`.

        Notes
        -----
        The start is the last fit, which counts with its weight as one batch; else what EM makes of
        the first batch, or where that has fewer than five numbers for each parameter, its means
        and variances; then the E-step is held for three batches, and until there are twice as many
        numbers as parameters. The prior is in the units of the columns of the start, and counts as
        in a fit to all rows so far. Pickles and files keep the state of the stream, a
        clone has none.

        References
        ----------
        O. Cappé, E. Moulines, On-line expectation-maximization algorithm for latent data models,
        JRSS B 71, 2009.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import GaussianImputer
        >>> rng, imputer = np.random.default_rng(0), GaussianImputer()
        >>> for _ in range(100):
        ...     X = rng.normal(size=(200, 1)) * [1.0, 2.0] + rng.normal(size=(200, 2)) * 0.1
        ...     X[::5, 1] = np.nan
        ...     imputer = imputer.partial_fit(X)
        >>> imputer.transform([[1.0, np.nan]]).round(1)
        array([[1., 2.]])
        """
        self._validate_params()
        begun = "location_" in vars(self)
        rows = self._read(X) if begun else self._read_to_fit(X)
        limits = arguments.check_limits(self.min_value, self.max_value, rows.n_features)
        batch = weighed_batch(self, rows, sample_weight)
        if batch is None:
            return self
        if begun:
            columns, constants = self._columns, self.location_.copy()
            self._check_columns(batch)
        else:
            every = np.arange(rows.n_features)
            columns, constants = arguments.Columns(every, every), np.zeros(rows.n_features)
        inner = batch.take(columns=columns.varying)
        before = vars(self).get("_stream")
        if before is None:
            before = self._stream_of_fit(inner) if begun else self._first_stream(inner, columns)
        with one_thread(len(columns.varying)):
            stream = before.after(inner, self.step_exponent, self.step_offset)
        if stream is before:
            return self
        model, names = stream.model, [batch.column_names[j] for j in columns.varying]
        notes = [] if stream.held or model.model.components.structure.prior is not None else (
            self._singular(model, stream.shown, names))
        if notes and not before.held and self._singular(model, before.shown, names):
            notes = []      # no news
        # --- nothing can fail from here on
        if not begun:
            self._fitted = arguments.Fitted(
                self.missing_values, limits, model.model.components.structure.prior, self.max_iter,
                self.acceleration)
            self._columns, self._fitted_type, self.indicator_ = columns, "full", None
            self._scaling = model.scaling
        self.lower_bounds_ = bounds_behind(self, stream)
        self._set_parameters(stream.shown, constants)
        remember_batch(self, rows, stream)
        self.n_patterns_ = inner.all_patterns.n_patterns
        self.log_likelihood_ = stream.pace.weight * (
            -np.inf if stream.log_likelihood is None else stream.log_likelihood)
        self._fitted_weight = stream.pace.weight
        for note, category in notes:
            warn(note, category)
        return self

    def _stream_of_fit(self, inner):
        """The stream that goes on from a fit."""
        if self._scaling is None:
            raise ValueError("partial_fit cannot go on from a fit in which no column varied")
        model = self._standardised(
            structure_of("full"), self._scaling, self._fitted.prior, inner.dtype)
        parameters = model.to_standard(self._raw())
        weight = vars(self).get("_fitted_weight")
        pace, value = Pace.of_fit(weight), self.log_likelihood_ / weight if weight else None
        components = model.model.components
        parameters.components.structure = components.structure
        p = inner.n_features
        return Stream(model, parameters, p * (p + 3) / 2, implied_statistics(
            parameters.components, components, parameters.weights), pace, log_likelihood=value)

    def _first_stream(self, rows, columns):
        """The stream that the first batch begins."""
        if self.add_indicator:
            raise ValueError(
                "add_indicator=True asks which columns have missing values, which a stream does "
                "not show before its end: use MissingIndicator(features='all') beside it")
        summary, names = rows.summary(), rows.column_names
        alone = [names[j] for j in np.flatnonzero(summary.empty | summary.constant)]
        if alone:
            raise ValueError(
                f"the first batch has not two different values of column{'s' * (len(alone) > 1)} "
                f"{some(alone)}: pass more rows, or leave out what does not vary")
        arguments.check_scales(summary, rows.dtype, names)
        model = self._model(rows, summary, columns)
        start, p = self._starter(model, rows), rows.n_features
        n_parameters, parameters = p * (p + 3) / 2, start(0)
        if rows.n_positive * p >= ENOUGH * n_parameters:
            result = run_em(
                model, rows, start, max_iter=self.max_iter, tol=FIRST_TOL, convergence="distance",
                acceleration=self.acceleration, objective_scale=rows.n_positive)
            if result.interrupted:
                raise KeyboardInterrupt
            parameters = result.parameters
        return Stream(model, parameters, n_parameters)

    def _check_columns(self, rows):
        """ValueError where a column that the fit knows one value of, or none, has others."""
        varying, kept = self._columns.varying, self._columns.kept
        for j in np.setdiff1d(np.arange(rows.n_features), varying):
            values = rows.X[:, j]
            at = np.flatnonzero(kept == j)
            known = self.location_[at[0]] if len(at) else np.nan
            other = ~np.isnan(values) & (values != values.dtype.type(known))
            if other.any():
                raise ValueError(
                    f"column {rows.column_names[j]} had one value or none in the fit, and has "
                    f"{values[other][0]:.6g}: fit to rows in which it varies")
