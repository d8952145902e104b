"""Hidden Markov models: of Gaussian rows, of mixtures, of symbols."""

from emkernels.models.chains.categorical import CategoricalHMM
from emkernels.models.chains.gaussian import GaussianHMM
from emkernels.models.chains.mixture import MixtureHMM

__all__ = ["CategoricalHMM", "GaussianHMM", "MixtureHMM"]
