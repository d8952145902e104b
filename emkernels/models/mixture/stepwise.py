"""The Gaussian mixture of a stream of batches."""

import numpy as np

from emkernels._callers import warn
from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.degenerate import Examination, Spikes, examine
from emkernels.data import Rows, checks
from emkernels.em import DegenerateFitError, DegenerateWarning
from emkernels.em.stepwise import Pace
from emkernels.latent.mixture import MixtureParameters
from emkernels.latent.stream import Stream, implied_statistics
from emkernels.models.mixture.preparing import prepare
from emkernels.models.steps import bounds_behind, remember_batch, weighed_batch

# Numbers for each parameter, in a first batch to which EM is run: of less it makes spikes.
ENOUGH = 5


class StepwiseMixture:
    """What a Gaussian mixture of a stream has, to be inherited from."""

    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Move the parameters by one batch of a stream: stepwise EM.

        Statistics for one unit of weight go to ``(1 - g) s + g s_batch``, moved to the means of
        now before (:meth:`emkernels.SufficientStatistics.recentred`), and an M-step follows. Of
        batch t, ``g = (t + step_offset) ** -step_exponent``, times the weight of the batch by the
        mean weight of the batches so far, and at most one half, or the share of all weight that
        the batch has; batches of fewer than forty numbers for each parameter count as if they came
        together. So what is far back is forgotten, and a stream that drifts is followed: the
        faster, the smaller both numbers are. ``step_exponent=1, step_offset=0``: every row counts
        the same.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            NaN is a missing value. One row will do where there is a start, see Notes. Batches may
            be of any size.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A batch whose weights are all zero, or which has no value at all, changes nothing.

        Returns
        -------
        self
            With the attributes of `fit`: `n_iter_` batches, `converged_` False, in `lower_bound_`
            the objective for one unit of weight at the parameters that each batch has found,
            averaged as the statistics are, and in `lower_bounds_` that after each of the last
            thousand batches.

        Raises
        ------
        ValueError
            As `fit`; the first batch has fewer rows than components, or a column without a value,
            and there is no start; other columns than in the batches before; `noise` is True;
            `n_components`, `covariance_type` or `noise` are others than before. The estimator
            stays as it was, and so it does where a component collapsed.

        Warns
        -----
        DegenerateWarning
            Components became degenerate with this batch.

        Notes
        -----
        The start is the last fit (also one from a file, or one of `fit_chunks`), which counts with
        its weight as one batch; else ``weights_init``, ``means_init`` and ``precisions_init``,
        where all three are there; else what `fit` makes of the first batch, or where that has fewer
        than five numbers for each parameter, what `init_params` makes of it. Then the parameters
        of the E-step are held for three batches, and until there are twice as many numbers as
        parameters, and all rows so far count the same. Priors count as in a fit to all rows so
        far; 'empirical', ``reg_covar='auto'`` and the box of `noise` are by the start.

        Of parameters set between two batches it reads `step_exponent`, `step_offset` and those
        that methods read.
        Pickles and files keep the state of the stream, a clone has none.

        References
        ----------
        O. Cappé, E. Moulines, On-line expectation-maximization algorithm for latent data models,
        JRSS B 71, 2009.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import GaussianMixture
        >>> rng = np.random.default_rng(0)
        >>> model = GaussianMixture(2, random_state=0)
        >>> for _ in range(50):
        ...     model = model.partial_fit(rng.normal([-4, 4], size=(100, 2)).reshape(-1, 1))
        >>> model.n_iter_, np.sort(model.means_.ravel()).round()
        (50, array([-4.,  4.]))
        """
        self._validate_params()
        begun = "means_" in vars(self)
        rows = Rows.read(X, self, fitted=begun)
        batch = weighed_batch(self, rows, sample_weight)
        if batch is None:
            return self
        before = vars(self).get("_stream")
        if before is None:
            before = self._stream_of_fit(batch) if begun else self._first_stream(batch)
        else:
            parameters = before.parameters
            if (len(parameters.means), parameters.structure.name) != (
                    self.n_components, self.covariance_type):
                raise ValueError("partial_fit cannot go on: n_components or covariance_type differ "
                                 "from the batches before")
            _check_noise(arguments.check_noise(self.noise), parameters.noise)
        stream = before.after(batch, self.step_exponent, self.step_offset)
        if stream is before:
            return self
        found = self._examined(stream)
        earlier = vars(self).get("_examination") if begun else Examination()
        # --- nothing can fail from here on
        self.lower_bound_, self.lower_bounds_ = stream.bound, bounds_behind(self, stream)
        dtype = np.result_type(rows.dtype, self.means_.dtype) if begun else rows.dtype
        self._set_parameters(stream.shown, dtype, fixed=self._fixed)
        if not begun:
            self._remember_labels(None)
        self._remember_examination(found)
        remember_batch(self, rows, stream)
        self._fitted_weight, self._fitted_rows = stream.pace.weight, stream.pace.n_rows
        if found.spikes.keys() - getattr(earlier, "spikes", {}).keys():
            for text in found.texts(rows.column_names):
                warn(text, DegenerateWarning)
        return self

    def _stream_of_fit(self, rows):
        """The stream that goes on from a fit, or from parameters that were put in."""
        mixture, given = prepare(self, rows, True, stream=True)
        parameters = self._parameters()
        _check_noise(arguments.check_noise(self.noise), parameters.noise)
        pace = Pace.of_fit(vars(self).get("_fitted_weight"), vars(self).get("_fitted_rows"))
        bound = vars(self).get("lower_bound_", -np.inf)
        return self._begun(mixture, parameters, pace, bound if np.isfinite(bound) else None)

    def _begun(self, mixture, parameters, pace, log_likelihood=None):
        noise = None if parameters.noise is None else float(parameters.weights[-1])
        parameters.components.structure = mixture.components.structure
        return Stream(
            mixture, parameters, _n_parameters(
                mixture.components.structure, *parameters.means.shape), implied_statistics(
                parameters.components, mixture.components, parameters.own_weights, noise), pace,
            log_likelihood=log_likelihood)

    def _first_stream(self, rows):
        """The stream that the first batch begins."""
        k, n = self.n_components, rows.n_positive
        given = all(each is not None for each in (
            self.weights_init, self.means_init, self.precisions_init))
        if self.noise is True:
            raise ValueError(
                "noise=True is spread over the box about all rows, which a stream does not show: "
                "pass its density, one over a volume (noise=0.01), or fit first")
        if not given and n < max(2, k):
            raise ValueError(
                f"the first batch has {n} row{'s' * (n != 1)} of positive weight, and a start of "
                f"{k} component{'s' * (k != 1)} needs {max(2, k)}: pass more rows, or all of "
                "weights_init, means_init and precisions_init")
        if not given:
            try:
                checks.check_columns_observed(rows)
            except ValueError as error:
                raise ValueError(f"the first batch: {error}") from None
        mixture, start = prepare(self, rows, False, stream=True)
        if given:
            parameters = MixtureParameters(start.weights, start.gaussians(
                mixture.components.structure), start.noise)
            return self._begun(mixture, parameters, Pace())
        structure = mixture.components.structure
        n_parameters = _n_parameters(structure, k, rows.n_features)
        enough = n * rows.n_features >= ENOUGH * n_parameters
        try:
            result = self._run(rows, mixture, start, False, Spikes(rows, structure),
                               None if enough else 0)
        except DegenerateFitError:
            result = self._run(rows, mixture, start, False, None, 0)
        if result.interrupted:
            raise KeyboardInterrupt
        return Stream(mixture, result.parameters, n_parameters)

    def _examined(self, stream):
        """What is wrong with the components; nothing while they are held."""
        if stream.held:
            return Examination()
        components = stream.model.components
        reg_covar = components.structure.reg_covar
        fixed = components.fixed | ({"weights"} if stream.model.fixed_weights else set())
        least = np.broadcast_to(10.0 * reg_covar, stream.shown.means.shape[1])
        return examine(stream.shown, reg_covar, least, stream.pace.n_rows, fixed=fixed)


def _n_parameters(structure, n_components, n_features):
    return structure.n_parameters(n_components, n_features) + n_components * (n_features + 1)


def _check_noise(density, noise):
    """ValueError where `noise`, of which this is the density, is not that of before."""
    if (density is None) != (noise is None) or (
            density and not np.isclose(np.log(density), noise.log_density, rtol=0, atol=1e-9)):
        raise ValueError("partial_fit cannot go on: noise differs from the fit or the batches "
                         "before")
