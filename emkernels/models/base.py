"""What estimators of latent-variable models share."""

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Options

from emkernels._callers import warn
from emkernels.data import Rows, checks
from emkernels.data.checks import Interval, one_of
from emkernels.em import Progress, run_em, warn_about
from emkernels.kernels import passes
from emkernels.models._state import Stateful
from emkernels.models.likelihood import Likelihood


class LatentModel(Likelihood, Stateful, DensityMixin, BaseEstimator, metaclass=ABCMeta):
    """A model with hidden variables, fitted by EM or its like.

    A subclass fits: it reads rows by :meth:`_rows_to_fit`, runs EM by :meth:`_run`, and, when
    nothing can fail any more, sets its attributes, :meth:`_remember` and :meth:`_tell`. It gives
    :meth:`_log_density` and :meth:`_n_parameters`.
    """

    _older_formats: dict = {1: None}
    _parameter_constraints: dict = {
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "convergence": [one_of("lower_bound", "parameters", "distance")],
        "acceleration": [one_of("squarem"), None],
        "random_state": ["random_state", np.random.Generator],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "callback": [callable, None],
    }

    # --- for a fit -----------------------------------------------------------------------

    def _rows_to_fit(self, X, sample_weight=None, *, min_samples=2):
        """Checked rows of positive weight, with something observed in every column."""
        rows = Rows.read(X, self, min_samples=min_samples)
        checks.check_magnitude(rows.X, rows.largest, names=rows.places)
        checks.check_labelled(self, rows, sample_weight)
        rows = rows.weighed(sample_weight, rows.largest).with_(n_threads=self.n_threads)
        if rows.n_positive < len(rows):
            rows = rows.take(rows.sample_weight > 0)
            checks.check_enough(rows, self, min_samples)
        checks.check_columns_observed(rows)
        return rows

    def _source_to_fit(self, source, *, min_samples=2):
        """The same of blocks of rows."""
        checks.check_magnitude_of(source)
        checks.check_labelled(self, source)
        source = source.present()
        checks.check_enough(source, self, min_samples)
        checks.check_columns_observed(source)
        return source

    def _run(self, model, rows, start, *, n_init=None, **more):
        """EM from `n_init` starts, by the parameters of the estimator where `more` does not say
        otherwise."""
        n_init = self.n_init if n_init is None else n_init
        options = {"max_iter": self.max_iter, "tol": self.tol, "convergence": self.convergence,
                   "acceleration": self.acceleration, "callback": self.callback, **more}
        progress = None
        if self.verbose:
            progress = Progress(self.verbose, self.verbose_interval, n_init, options["max_iter"])
        with passes.KeptRooms():
            return run_em(model, rows, start, n_init=n_init, progress=progress, **options)

    def _remember(self, result, rows):
        """What every fit leaves; nothing can fail from here on."""
        checks.remember_columns(self, rows)
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        self.lower_bound_, self.lower_bounds_ = result.lower_bound, result.history

    def _tell(self, result, rows, *, reason=""):
        """What there is to say of a fit, `reason` of an objective that fell; KeyboardInterrupt
        where Ctrl-C has ended it."""
        if result.interrupted:
            raise KeyboardInterrupt
        warn_about(result, 1e-10 if rows.dtype == np.float64 else 1e-5, reason=reason)
        if not result.converged and not result.stopped and self.max_iter > 0:
            warn(f"{type(self).__name__} did not converge in {result.n_iter} "
                 f"iteration{'s' * (result.n_iter != 1)}: "
                 "increase max_iter or tol, or look for degenerate data", ConvergenceWarning)

    # --- of a fit ------------------------------------------------------------------------

    @abstractmethod
    def _log_density(self, rows):
        """Log density of each of the rows, (n_samples,)."""

    @abstractmethod
    def _n_parameters(self):
        """How many parameters are free."""

    def _read(self, X):
        """Rows of the columns of the fit."""
        return Rows.read(X, self, fitted=True).with_(n_threads=self.n_threads)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # --- files ---------------------------------------------------------------------------

    def _try_out(self):
        super()._try_out()
        for name in ("n_iter_", "converged_", "lower_bounds_"):
            getattr(self, name)     # AttributeError where it is not there
        with np.errstate(all="ignore"):
            values = self._log_density(Rows(np.zeros((1, self.n_features_in_))))
            values = np.append(values, [float(self._n_parameters()), float(self.lower_bound_)])
        if np.isnan(values).any():
            raise ValueError("its parameters give no densities")
