"""Mixtures: every row is from one component, drawn by weight, or noise."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass
class MixtureParameters:
    """Weights, and the parameters of the components, whose attributes are also its own.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        With noise one more, its own, which is the last.
    components : object
        As the components keep them, :class:`emkernels.components.gaussian.parameters.Gaussians`.
    noise : Uniform, optional
        Another component, which no M-step changes.
    """

    weights: np.ndarray
    components: object
    noise: object = None

    @property
    def own_weights(self):
        """The weights without that of noise."""
        return self.weights if self.noise is None else self.weights[:-1]

    def without_noise(self):
        """The mixture of the components alone, given that a row is of one of them."""
        weights = self.own_weights
        return self if self.noise is None else MixtureParameters(
            weights / weights.sum(), self.components)

    def __getattr__(self, name):
        if name.startswith("_") or name == "components":
            raise AttributeError(name)
        return getattr(self.components, name)


class Mixture:
    """A mixture as the EM loop sees it, an :class:`emkernels.em.protocol.Model`.

    Parameters
    ----------
    components : Components
        What rows are distributed as, given their component.
    concentration : ndarray of the shape of the weights, optional
        Of a Dirichlet prior of the weights, at least 1.
    fixed_weights : bool
        Whether an M-step leaves the weights as they are.
    """

    def __init__(self, components, *, concentration=None, fixed_weights=False):
        self.components, self.concentration = components, concentration
        self.fixed_weights = fixed_weights

    def with_(self, components):
        """The same mixture of other components."""
        return Mixture(components, concentration=self.concentration,
                       fixed_weights=self.fixed_weights)

    def accumulate(self, rows, parameters):
        if parameters.noise is None:
            return self.components.mixed(rows, parameters.weights, parameters.components)
        return self.components.mixed(
            rows, parameters.own_weights, parameters.components,
            noise=log_noise(parameters, rows))

    def objective(self, statistics, parameters):
        """The log-likelihood and the log densities of the priors, for one unit of weight."""
        value = statistics.log_likelihood + self.components.log_prior(parameters.components)
        if self.concentration is not None:
            with np.errstate(divide="ignore"):
                log_weights = np.log(parameters.weights)
            above = self.concentration > 1
            value += ((self.concentration - 1)[above] * log_weights[above]).sum()
        total = statistics.weight if statistics.total is None else statistics.total
        if not total > 0:
            raise ValueError("the weights of all rows are zero")
        return value / total

    def maximise(self, statistics, parameters):
        components = self.components.maximise(statistics, parameters.components)
        weights = parameters.weights if self.fixed_weights else self.weights(statistics)
        return replace(parameters, weights=weights, components=components)

    def weights(self, statistics):
        """The likeliest weights under their prior."""
        counts = statistics.positive_counts()
        if statistics.noise is not None:
            counts = np.append(counts, statistics.noise)
        if self.concentration is not None:
            counts = counts + self.concentration - 1
        return counts / counts.sum()

    def endless(self, parameters, source):
        return self.components.endless(parameters.components, source)

    def to_vector(self, parameters):
        """Log weights, then the components: every vector is a mixture."""
        return np.concatenate([np.log(np.maximum(parameters.weights, 1e-300)),
                               *self.components.to_vector(parameters.components)])

    def from_vector(self, vector, like):
        """The mixture of a vector, shaped as `like`; None where it overflows."""
        n = len(like.weights)
        weights = np.exp(vector[:n] - vector[:n].max())
        components = self.components.from_vector(vector[n:], like.components)
        if components is None:
            return None
        if not self.fixed_weights:
            like = replace(like, weights=weights / weights.sum())
        return replace(like, components=components)

    def relative_change(self, old, new):
        """Largest change of any parameter in its own unit, that of a weight relative to itself."""
        change = np.max(np.abs(new.weights - old.weights) / np.maximum(new.weights, 1e-12))
        return float(max(change, self.components.relative_change(
            old.components, new.components)))


def log_noise(parameters, rows):
    """Log (weight times density) of the noise for the rows, as the passes take it: one value, or
    one for each; None where there is no noise."""
    if parameters.noise is None:
        return None
    noise, densities = rows.kept.get("noise", (None, None))
    if noise is not parameters.noise:       # once a fit
        noise, densities = parameters.noise, parameters.noise.log_densities(rows)
        rows.kept["noise"] = noise, densities
    with np.errstate(divide="ignore"):
        return np.log(parameters.weights[-1]) + densities
