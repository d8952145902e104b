"""Starts that look at some of the rows, in units of the columns' deviations, and cheap ones."""

import functools

import numpy as np

from emkernels import kernels
from emkernels.em import DegenerateFitError, run_em
from emkernels.kernels import passes
from emkernels.models._gaussian import CovariancePrior, GaussianProblem, Gaussians, column_means
from emkernels.models._standardised import Scaling, summarise_columns
from emkernels.models._start import start_parameters

# Rows that such a start looks at.
START_ROWS = 20_000
# A short run that gains less than this for one row ends early.
SHORT_TOL = 1e-5


def column_scaling(X, sample_weight, covariance_type, n_threads, patterns=None):
    """Means and standard deviations of the columns; one deviation, the root of the mean
    variance, for 'spherical'; 1 for columns that do not vary."""
    sample_weight, _ = passes.weights_in_unit(sample_weight, X.dtype)
    if patterns is not None:
        summary = summarise_columns(X, sample_weight)
        center, variance = summary.means, summary.deviations**2
    else:
        center = column_means(X, sample_weight, n_threads)
        centre = center.astype(X.dtype).astype(np.float64)
        moments = kernels.weighted_moments(
            X, np.zeros(len(X), np.int32), centre[None], "diag", sample_weight,
            n_threads=n_threads, check_finite=False)
        offset = moments.first[0] / moments.counts[0]
        variance = np.maximum(moments.second[0] / moments.counts[0] - offset**2, 0)
        # what is left of a constant column is rounding
        variance[variance <= (4 * np.finfo(X.dtype).eps * center) ** 2] = 0
    if covariance_type == "spherical":
        variance = np.full(len(variance), variance.mean())
    return Scaling(center, np.sqrt(np.where(variance > 0, variance, 1.0)))


def draw_rows(X, sample_weight, random_state, known=None, least=1):
    """Indices of rows to begin with and their weights (None where there are none): all rows of
    positive weight or, of many, some drawn without regard to X, a few of every column for
    columns that few rows have, and rows whose component is known; `least` rows at least, some of
    no weight if need be.

    Rows are drawn by weight, with replacement; their weights are then how often they were.
    """
    n_rows = START_ROWS
    rows = np.arange(len(X)) if sample_weight is None else np.flatnonzero(sample_weight)
    if len(rows) < least:
        idle = np.flatnonzero(sample_weight == 0)[:least - len(rows)]
        rows = np.sort(np.concatenate([rows, idle]))
    if len(rows) <= n_rows:
        return rows, None if sample_weight is None else sample_weight[rows]
    seen = [rows[~np.isnan(X[rows, d])][:16] for d in range(X.shape[1])]
    if known is not None:
        sure = rows[known[rows] >= 0]
        seen.append(sure if len(sure) <= n_rows else random_state.choice(
            sure, n_rows, replace=False))
    if sample_weight is None:
        drawn = random_state.choice(rows, n_rows, replace=False)
        return np.unique(np.concatenate([drawn, *seen])), None
    chance = sample_weight[rows] / sample_weight[rows].sum()
    drawn = rows[random_state.choice(len(rows), n_rows, p=chance)]
    found, counts = np.unique(drawn, return_counts=True)
    more = np.setdiff1d(np.concatenate(seen), found)
    # what was not drawn weighs little beside what was
    light = n_rows * sample_weight[more] / sample_weight[rows].sum()
    order = np.argsort(np.concatenate([found, more]), kind="stable")
    return (np.concatenate([found, more])[order],
            np.concatenate([counts.astype(np.float64), light])[order])


class SampledStarts:
    """Starts of a mixture on a sample of its rows, standardised or as they are.

    Parameters
    ----------
    problem : GaussianProblem
    n_components : int
    init_params : tuple of str
        Kinds of start, one after the other.
    random_state : numpy.random.RandomState
    given : dict
        As :func:`emkernels.models._start.start_parameters` has it, in raw units.
    standardise : bool
    """

    def __init__(self, problem, n_components, init_params, random_state, given, standardise):
        X, type_, n_features = problem.X, problem.covariance_type, problem.X.shape[1]
        self.n_components, self.init_params = n_components, init_params
        self.random_state, self.type_ = random_state, type_
        self.scaling = Scaling(np.zeros(n_features), np.ones(n_features))
        if standardise:
            self.scaling = column_scaling(
                X, problem.sample_weight, type_, problem.n_threads, problem.patterns)
        center, scale = self.scaling.center, self.scaling.scale
        rows, weight = draw_rows(X, problem.weight_given, random_state, problem.known,
                                 n_components)
        sample = (X[rows].astype(np.float64) - center) / scale
        patterns = None if problem.patterns is None else kernels.missing_patterns(sample)
        prior = problem.covariance_prior
        if prior is not None:
            square = {"diag": scale**2, "spherical": scale[0] ** 2}.get(
                type_, np.outer(scale, scale))
            prior = CovariancePrior(prior.dof, prior.scale / square)
        reg_covar = problem.reg_covar
        if np.any(reg_covar):
            reg_covar = reg_covar / (scale[0] if type_ == "spherical" else scale) ** 2
        self.problem = GaussianProblem(
            sample, type_, reg_covar,
            sample_weight=weight,
            known=None if problem.known is None else problem.known[rows],
            covariance_prior=prior, weight_concentration=problem.weight_concentration,
            fixed=problem.fixed, n_threads=problem.n_threads,
            patterns=patterns if patterns is not None and patterns.n_missing.any() else None)
        self.problem.avoid_spikes = problem.avoid_spikes
        self.given = dict(given)
        if given["means"] is not None:
            self.given["means"] = (given["means"] - center) / scale
        if given["precisions_cholesky"] is not None:
            self.given["precisions_cholesky"] = Scaling(center, 1 / scale).factors_to_raw(
                given["precisions_cholesky"], type_)

    def _start(self, i):
        return start_parameters(self.problem, self.n_components,
                                self.init_params[i % len(self.init_params)], self.random_state,
                                self.given)

    def _raw(self, parameters):
        return self.scaling.to_raw(
            Gaussians(parameters.weights, parameters.means, None,
                      parameters.precisions_cholesky), self.type_)

    def __call__(self, i):
        """Parameters that start i begins with, in raw units."""
        return self._raw(self._start(i))

    def best_of(self, n_init, n_iter, **options):
        """The best of `n_init` starts, in raw units, and how many collapsed; DegenerateFitError
        when all did.

        Starts of one kind are compared after `n_iter` iterations: those of K-means are ahead of
        others so early, whatever becomes of them. The best of each kind run to their ends, on
        the same rows (`options` are those of :func:`emkernels.em.run_em`). Where all of these
        end with spikes, which are likelier than anything, so do the first of each kind.

        C. Biernacki, G. Celeux, G. Govaert, Choosing starting values for the EM algorithm for
        getting the highest likelihood in multivariate Gaussian mixture models, Computational
        Statistics & Data Analysis 41, 2003.
        """
        best, firsts, n_failed, failure = [], [], 0, None

        def start(own, j):
            parameters = self._start(own[j])
            if j == 0:
                firsts.append(parameters)
            return parameters

        for kind in range(min(n_init, len(self.init_params))):
            own = range(kind, n_init, len(self.init_params))
            try:
                result = run_em(self.problem, functools.partial(start, own), n_init=len(own),
                                max_iter=n_iter, tol=SHORT_TOL)
            except DegenerateFitError as error:
                n_failed, failure = n_failed + len(own), error
                continue
            if result.interrupted:
                raise KeyboardInterrupt
            n_failed += result.n_failed
            best.append(result.parameters)
        if not best:
            raise failure
        if len(best) > 1:
            result = run_em(self.problem, best.__getitem__, n_init=len(best), **options)
            if result.degenerate:
                again = [result.parameters, *firsts]
                result = run_em(self.problem, again.__getitem__, n_init=len(again), **options)
            if result.interrupted:
                raise KeyboardInterrupt
            n_failed += result.n_failed
            best = [result.parameters]
        return self._raw(best[0]), n_failed
