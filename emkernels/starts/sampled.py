"""Starts that look at some of the rows, in units of the columns' deviations, and cheap ones."""

import functools
from dataclasses import replace

import numpy as np

from emkernels.components.gaussian.degenerate import Spikes
from emkernels.components.gaussian.moments import column_scaling
from emkernels.components.gaussian.parameters import Scaling
from emkernels.data import Rows
from emkernels.em import DegenerateFitError, run_em
from emkernels.latent.mixture import MixtureParameters
from emkernels.starts.mixture import start_parameters

# Rows that such a start looks at.
START_ROWS = 20_000
# A short run that gains less than this for one row ends early.
SHORT_TOL = 1e-5


def draw_rows(rows, random_state, least=1):
    """Indices of rows to begin with and their weights (None where there are none): all rows of
    positive weight or, of many, some drawn without regard to X, a few of every column for
    columns that few rows have, and rows whose component is known; `least` rows at least, some of
    no weight if need be.

    Rows are drawn by weight, with replacement; their weights are then how often they were.
    """
    X, sample_weight, known = rows.X, rows.weight_given, rows.known
    n_rows = START_ROWS
    usable = np.arange(len(X)) if sample_weight is None else np.flatnonzero(sample_weight)
    if len(usable) < least:
        idle = np.flatnonzero(sample_weight == 0)[:least - len(usable)]
        usable = np.sort(np.concatenate([usable, idle]))
    if len(usable) <= n_rows:
        return usable, None if sample_weight is None else sample_weight[usable]
    # (a copy, as a view would keep the whole column's indices)
    seen = [usable[~np.isnan(X[usable, d])][:16].copy() for d in range(X.shape[1])]
    if known is not None:
        sure = usable[known[usable] >= 0]
        seen.append(sure if len(sure) <= n_rows else random_state.choice(
            sure, n_rows, replace=False))
    if sample_weight is None:
        drawn = random_state.choice(usable, n_rows, replace=False)
        return np.unique(np.concatenate([drawn, *seen])), None
    chance = sample_weight[usable] / sample_weight[usable].sum()
    drawn = usable[random_state.choice(len(usable), n_rows, p=chance)]
    found, counts = np.unique(drawn, return_counts=True)
    more = np.setdiff1d(np.concatenate(seen), found)
    # what was not drawn weighs little beside what was
    light = n_rows * sample_weight[more] / sample_weight[usable].sum()
    order = np.argsort(np.concatenate([found, more]), kind="stable")
    return (np.concatenate([found, more])[order],
            np.concatenate([counts.astype(np.float64), light])[order])


def sampled_rows(rows, scaling, random_state, least=1):
    """Rows of :func:`draw_rows`, or a sample of blocks of rows, standardised, in float64."""
    if not isinstance(rows, Rows):
        if rows.n_positive < least:
            raise ValueError(f"Expected n_samples >= n_components but got n_components = {least}, "
                             f"n_samples = {rows.n_positive} (of positive weight)")
        sample = rows.sample(START_ROWS, random_state)
        return sample.take(X=(sample.X.astype(np.float64) - scaling.center) / scaling.scale)
    drawn, weight = draw_rows(rows, random_state, least)
    sample = (rows.X[drawn].astype(np.float64) - scaling.center) / scaling.scale
    return rows.take(drawn, X=sample).with_(sample_weight=weight)


class SampledStarts:
    """Starts of a mixture on a sample of its rows, standardised or as they are.

    Parameters
    ----------
    rows : Rows
    mixture : Mixture
        Of Gaussian components.
    n_components : int
    init_params : tuple of str
        Kinds of start, one after the other.
    random_state : numpy.random.RandomState
    given : Given
        In raw units.
    standardise : bool
    avoid_spikes : bool
        Whether a start that ends with spikes is worse than any without.
    """

    def __init__(self, rows, mixture, n_components, init_params, random_state, given,
                 standardise, avoid_spikes):
        self.n_components, self.init_params = n_components, init_params
        self.random_state = random_state
        components, structure = mixture.components, mixture.components.structure
        self.scaling = Scaling.none(rows.n_features)
        if standardise:
            self.scaling = column_scaling(rows, structure)
        self.rows = self.looked_at = sampled_rows(
            rows, self.scaling, random_state, n_components)
        self.units = None
        if structure.one_unit and standardise:
            # K-means sees columns that count the same, the family those that have one unit
            apart, scale = self.scaling.scale, structure.common_scale(self.scaling.scale)
            self.scaling = Scaling(self.scaling.center, scale)
            self.units = Scaling(np.zeros(rows.n_features), scale / apart)
            self.rows = self.looked_at.take(X=self.looked_at.X * (apart / scale))
        scale = self.scaling.scale
        changes = {}
        if structure.prior is not None:
            changes["prior"] = structure.prior.in_units(structure.units(scale))
        if np.any(structure.reg_covar):
            changes["reg_covar"] = structure.reg_covar / structure.variance_units(scale)
        self.mixture = mixture.with_(replace(
            components, structure=structure.with_(**changes), in_blocks=False))
        self.noise = given.noise        # as it is, not there and back
        self.given = given.in_units(self.scaling, structure)
        self.is_degenerate = None
        if avoid_spikes:
            self.is_degenerate = Spikes(self.rows, self.mixture.components.structure)

    def _run(self, start, n_init, **options):
        return run_em(self.mixture, self.rows, start, n_init=n_init,
                      is_degenerate=self.is_degenerate, **options)

    def _start(self, i):
        return start_parameters(self.looked_at, self.mixture, self.n_components,
                                self.init_params[i % len(self.init_params)], self.random_state,
                                self.given, self.units)

    def _raw(self, parameters):
        return MixtureParameters(parameters.weights, self.scaling.to_raw(
            parameters.components.from_factors_only()), self.noise)

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
                result = self._run(
                    functools.partial(start, own), len(own), max_iter=n_iter, tol=SHORT_TOL)
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
            result = self._run(best.__getitem__, len(best), **options)
            if result.degenerate:
                again = [result.parameters, *firsts]
                result = self._run(again.__getitem__, len(again), **options)
            if result.interrupted:
                raise KeyboardInterrupt
            n_failed += result.n_failed
            best = [result.parameters]
        return self._raw(best[0]), n_failed
