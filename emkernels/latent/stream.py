"""Stepwise EM of models of rows that come in batches, none of which is kept."""

import numpy as np

from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.em import DegenerateFitError
from emkernels.em.stepwise import Pace

# Batches, and numbers for each free parameter, until parameters follow statistics that began with a
# batch: those of few rows would be spikes.
HELD, NUMBERS = 3, 2
# Numbers for each parameter, that a batch should have: smaller ones count together.
USUAL = 40


class Stream:
    """Where stepwise EM of a stream of batches is; it is never changed, a batch gives another.

    Parameters
    ----------
    model : Model
        Its statistics can be scaled, recentred and merged, as
        :class:`emkernels.SufficientStatistics`.
    parameters : object
        Those of the next E-step.
    n_parameters : float
        Free ones.
    statistics : SufficientStatistics, optional
        For one unit of weight; None where the first batch makes them.
    pace : Pace, optional
    log_likelihood : float, optional
        For one unit of weight, where it is known.

    Attributes
    ----------
    shown : object
        Parameters that the statistics say.
    bound : float
        The objective for one unit of weight, by batches as the statistics.
    held : bool
        Whether the next E-step still has the parameters of the start.
    """

    def __init__(self, model, parameters, n_parameters, statistics=None, pace=None, *,
                 log_likelihood=None):
        self.model, self.parameters, self.shown = model, parameters, parameters
        self.statistics, self.pace = statistics, Pace() if pace is None else pace
        self.log_likelihood, self.n_parameters = log_likelihood, n_parameters
        self.held, self.bound = statistics is None, -np.inf

    def after(self, rows, exponent, offset):
        """The stream behind a batch; itself where nothing in it counts.

        Raises
        ------
        DegenerateFitError
            A component collapsed; this stream is as it was.
        """
        batch = self.model.accumulate(rows, self.parameters)
        weight = batch.weight + (batch.noise or 0.0)
        if not weight > 0:
            return self
        if np.isnan(batch.log_likelihood) or batch.log_likelihood == np.inf:
            raise DegenerateFitError("the log-likelihood is not a finite number")
        if not np.isfinite(batch.second).all():
            raise DegenerateFitError(f"the rows are so far from the means that squares overflow "
                                     f"{rows.dtype}: rescale the columns, or pass float64")
        out = Stream.__new__(Stream)
        out.model, out.n_parameters = self.model, self.n_parameters
        out.pace = self.pace.after(weight, int(rows.n_positive))
        needed = NUMBERS * self.n_parameters / rows.n_features
        if self.held:
            share = self.pace.share_of_weight(weight)
        else:
            usual = USUAL * self.n_parameters / rows.n_features * out.pace.weight / out.pace.n_rows
            share = self.pace.share(weight, exponent, offset, usual)
        batch.scale(1 / weight)
        # a row that is infinitely far says nothing of how well others are described
        value = batch.log_likelihood if batch.log_likelihood > -np.inf else self.log_likelihood
        before = value if self.log_likelihood is None else self.log_likelihood
        out.log_likelihood = None if value is None else (1 - share) * before + share * value
        out.statistics = batch
        if self.statistics is not None:
            out.statistics = self.statistics.recentred(batch.centers).scale(1 - share)
            out.statistics.merge(batch.scale(share))
        # priors stand beside the weight of all rows
        whole = out.statistics.copy().scale(out.pace.weight)
        whole.total, whole.n_rows = out.pace.weight, out.pace.n_rows
        whole.log_likelihood = -np.inf if out.log_likelihood is None else (
            out.log_likelihood * out.pace.weight)
        out.bound = float(self.model.objective(whole, self.parameters))
        out.held = self.held and (out.pace.n_batches < HELD or out.pace.n_rows < needed)
        try:
            out.shown = self.model.maximise(whole, self.parameters)
        except DegenerateFitError:
            if not out.held:
                raise
            out.shown = self.parameters
        out.parameters = self.parameters if out.held else out.shown
        return out


def implied_statistics(parameters, components, weights, noise=None):
    """Statistics for one unit of weight that an M-step makes these parameters of, the ridge taken
    off where it is less than the variances.

    Parameters
    ----------
    parameters : Gaussians
    components : GaussianComponents
    weights : ndarray of shape (n_components,)
    noise : float, optional
    """
    structure, means = components.structure, parameters.means
    spreads = np.array([parameters.covariance(k) for k in range(len(means))])
    diagonal = np.einsum("kdd->kd", spreads)
    ridge = np.broadcast_to(structure.reg_covar, diagonal.shape)
    diagonal -= np.where(diagonal > ridge, ridge, 0.0)
    second = structure.second_of(weights[:, None, None] * spreads)
    out = SufficientStatistics.trusted(
        structure.kernel, means.copy(), weights.copy(), np.zeros(means.shape), np.array(second),
        0.0)
    out.noise = noise
    return out
