"""Latent class analysis: answers to items, and numbers, by classes that are not seen."""

from emkernels.models.classes.bootstrap import BootstrapTest, blrt
from emkernels.models.classes.estimator import LatentClassAnalysis

__all__ = ["BootstrapTest", "LatentClassAnalysis", "blrt"]
