"""What is hidden: which component a row is from, alone or with its neighbours."""

from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.latent.standardised import Standardised

__all__ = ["Mixture", "MixtureParameters", "Standardised"]
