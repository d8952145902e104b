"""What hidden Markov models of Gaussian rows share, one component in a state or several."""

from numbers import Real

import numpy as np

from emkernels import _inputs
from emkernels.components.emissions import GaussianEmissions, GaussianStates
from emkernels.components.gaussian.arguments import check_covariance_prior
from emkernels.components.gaussian.degenerate import Spikes, examine, find_spikes
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.moments import column_scaling
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import PLAIN, structure_of
from emkernels.components.probabilities import check_probabilities, exact
from emkernels.data import checks
from emkernels.data.checks import Interval, one_of
from emkernels.data.sequence_blocks import rows_of
from emkernels.latent.chain import Chain
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.chains import arguments
from emkernels.models.chains.base import ChainModel
from emkernels.models.chains.fitted import draw
from emkernels.starts.chains import GivenChain
from emkernels.starts.gaussian_chains import GaussianStarts

AUTO = 1e-6     # reg_covar="auto", in variances of the columns
ALIKE = 0.1     # components that differ by less, in deviations, are one


class ContinuousChain(ChainModel):
    """A hidden Markov model of Gaussian rows.

    A subclass gives :attr:`_mix`, the components of a state as its attributes have them: ``()``
    or ``(n_mix,)``.
    """

    _saved = (*ChainModel._saved, "_fitted_type")
    _parameter_constraints: dict = {
        **ChainModel._parameter_constraints,
        "covariance_type": [one_of(*PLAIN)],
        "means_init": ["array-like", None],
        "covars_init": ["array-like", None],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), one_of("auto")],
        "covariance_prior": [one_of("empirical"), tuple, list, None],
    }

    # --- fit ----------------------------------------------------------------------------------

    def _given(self, sequences):
        n, d = self.n_components, sequences.n_features
        shape, names = (n, *self._mix, d), rows_of(sequences).names
        _inputs.check_names(self.means_init, names, "means_init", "X")
        covars, _ = arguments.check_covars(
            self.covars_init, "covars_init", (*shape, d), structure_of(self.covariance_type))
        return {**self._chain_given(n), "covars": covars,
                "means": checks.check_parameter(self.means_init, "means_init", shape)}

    def _prepare(self, sequences, given, fixed):
        rows, n = rows_of(sequences), self.n_components
        checks.check_columns_observed(rows)
        bare, total = structure_of(self.covariance_type), int(n * np.prod(self._mix, dtype=int))
        reg_covar = self.reg_covar
        if isinstance(reg_covar, str):
            reg_covar = AUTO * bare.variance_units(column_scaling(rows, bare).scale)
        prior = check_covariance_prior(self.covariance_prior, bare, rows, total)
        # where values are missing a variance never arrives at zero
        rounding = 0.0 if not rows.has_missing else np.finfo(rows.dtype).eps
        structure = bare.with_(reg_covar=reg_covar, prior=prior, rounding=rounding)
        own = {"means": "means", "covars": "covariances"}
        emissions = GaussianEmissions(
            GaussianComponents(structure, frozenset(own[name] for name in fixed if name in own)),
            **self._weight_options(fixed))
        chain = Chain(emissions, **self._chain_options(fixed))
        means, covars = given["means"], given["covars"]
        if covars is not None:
            covars = arguments.check_covars(covars, "covars_init", covars.shape, bare)[1]
        spikes = Spikes(rows, structure)

        def is_degenerate(parameters):
            # where all are narrow the rows are; and states that are all the same are no answer
            own = _as_mixture(parameters.emissions)
            return (spikes(own) and not _all_narrow(own, spikes)) or _all_alike(
                parameters.emissions.gaussians)

        starts = GaussianStarts(
            sequences, chain, self.n_init, GivenChain(
                *(exact(given.get(name)) for name in ("startprob", "transmat", "weights")),
                None if means is None else means.reshape(total, -1), covars),
            is_degenerate, shape=(n, total // n),
            random_state=sequences.random_state(self.random_state))
        if starts.given_emissions is None and sequences.n_positive < total:
            raise ValueError(f"Expected n_samples >= {total}, the number of states and of "
                             "components in them, but got n_samples = "
                             f"{sequences.n_positive}: give means_init and covars_init, or take "
                             "fewer states")
        return starts, spikes

    def _weight_options(self, fixed):
        """Of the emissions, what concerns weights within states."""
        return {}

    def _said_of(self, result, starts, spikes, fixed):
        if not result.history:
            return []
        own = {"means": "means", "covars": "covariances", "weights": "weights"}
        own_mixture = _as_mixture(result.parameters.emissions)
        found = examine(
            own_mixture, spikes.structure.reg_covar,
            lambda: spikes.least, starts.sequences.n_positive,
            fixed={own[name] for name in fixed if name in own})
        if found.spikes and _far_apart(own_mixture, spikes):
            found.spikes = {}
        found.twins = []        # states may differ in where they lead to
        if starts.given_emissions is not None:
            found.dead = []     # that a state is never visited is in what was given
        texts = found.texts(rows_of(starts.sequences).column_names)
        return texts if self._mix else [text.replace("component", "state") for text in texts]

    def _remember_kind(self):
        self._fitted_type = self.covariance_type

    def _to_attributes(self, emissions):
        gaussians = emissions.gaussians
        shape = (len(emissions.weights), *self._mix, gaussians.means.shape[1])
        covars = np.array([gaussians.covariance(k) for k in range(len(gaussians.means))])
        return {"means": gaussians.means.reshape(shape),
                "covars": covars.reshape(*shape, shape[-1])}

    # --- the parameters, as they are now ------------------------------------------------------

    @property
    def _structure(self):
        """Of the fit; of parameters put in by hand, as it is set."""
        return structure_of(vars(self).get("_fitted_type", self.covariance_type))

    def _check_emissions(self, values, n_components):
        out, leading = {}, (n_components,)
        if "weights" in self._names:
            leading += np.shape(values["weights_"])[1:2]
            out["weights"] = exact(check_probabilities(values["weights_"], "weights_", leading))
        means = arguments.check_rows(values["means_"], "means_", *leading)
        out["means"] = means
        out["covars"], out["inner"] = arguments.check_covars(
            values["covars_"], "covars_", (*means.shape, means.shape[-1]), self._structure)
        return out

    def _emissions_of(self, values):
        structure, means, inner = self._structure, values["means"], values["inner"]
        weights = values.get("weights", np.ones((len(means), 1)))
        gaussians = Gaussians(structure, means.reshape(-1, means.shape[-1]), inner,
                              structure.factors(inner))
        return (GaussianEmissions(GaussianComponents(structure)),
                GaussianStates(np.ascontiguousarray(weights), gaussians))

    def _n_free(self, values):
        means = values["means"]
        n, d = int(np.prod(means.shape[:-1])), means.shape[-1]
        out = {"means": n * d, "covars": self._structure.n_parameters(n, d)}
        if "weights" in values:
            out["weights"] = values["weights"].size - len(values["weights"])
        return out

    def _draw(self, values, states, rng):
        means, covars = values["means"], values["covars"]
        d = means.shape[-1]
        own = states
        if "weights" in values:
            weights = values["weights"]
            own = states * weights.shape[1] + draw(weights, states, rng)
        roots = np.linalg.cholesky(covars.reshape(-1, d, d))
        normal = rng.standard_normal((len(states), d))
        return means.reshape(-1, d)[own] + np.einsum("nde,ne->nd", roots[own], normal)

    def _check_width(self, sequences, parameters):
        d = parameters.emissions.gaussians.means.shape[1]
        if sequences.n_features != d:
            raise ValueError(f"X has {sequences.n_features} features, but {type(self).__name__} "
                             f"is expecting {d} features as input: means_ has {d} columns")


def _all_narrow(mixture, spikes):
    """Whether every component that has rows is narrow against all rows together: levels far from
    each other."""
    seen = set(np.flatnonzero(mixture.weights > 0).tolist())
    return seen <= find_spikes(mixture, spikes.least).keys()


def _far_apart(mixture, spikes):
    """The same, and that none is so by what is added to variances or by how rows are rounded."""
    least = np.diag(np.broadcast_to(spikes.least, mixture.means.shape[1:]))
    return _all_narrow(mixture, spikes) and all(
        arguments.is_definite(mixture.covariance(k) - least)
        for k in np.flatnonzero(mixture.weights > 0))


def _all_alike(gaussians):
    """Whether the components, of which there are several, are all the same."""
    means, first = gaussians.means, gaussians.covariance(0)
    unit = ALIKE * np.sqrt(np.diagonal(first))
    if len(means) == 1 or not (np.abs(means - means[0]) <= unit).all():
        return False
    return all((np.abs(gaussians.covariance(k) - first) <= np.outer(unit, unit) / ALIKE).all()
               for k in range(1, len(means)))


def _as_mixture(emissions):
    """The components by the shares of the rows that they have."""
    total = len(emissions.gaussians.means)
    shares = emissions.occupancy
    return MixtureParameters(np.full(total, 1 / total) if shares is None else shares,
                             emissions.gaussians)
