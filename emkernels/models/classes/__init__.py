"""Latent class analysis: answers to items, and numbers, by classes that are not seen."""

from emkernels.models.classes.bootstrap import BootstrapTest, blrt
from emkernels.models.classes.errors import ClassErrors
from emkernels.models.classes.estimator import LatentClassAnalysis
from emkernels.models.classes.selection import ClassSelection, select_classes

__all__ = [
    "BootstrapTest",
    "ClassErrors",
    "ClassSelection",
    "LatentClassAnalysis",
    "blrt",
    "select_classes",
]
