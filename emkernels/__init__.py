"""Fast, exact Expectation-Maximisation kernels and the models built on them."""

import importlib

__version__ = "0.1.0"

# name -> module; resolved when first used, so that importing the package loads neither
# scikit-learn nor SciPy
_PUBLIC = {
    "CategoricalHMM": "emkernels.models.chains",
    "ClusteringComparison": "emkernels.comparison",
    "EMWarning": "emkernels.em",
    "FactorAnalysis": "emkernels.models.factors",
    "FactorSelection": "emkernels.models.factors",
    "GaussianHMM": "emkernels.models.chains",
    "GaussianImputer": "emkernels.models.imputation",
    "GaussianMixture": "emkernels.models.mixture",
    "GaussianMixtureImputer": "emkernels.models.imputation",
    "KMeans": "emkernels.models.kmeans",
    "MixtureHMM": "emkernels.models.chains",
    "MixtureOfFactorAnalyzers": "emkernels.models.factors",
    "SKOPS_TYPES": "emkernels.models.skops_types",
    "Segmentation": "emkernels.image",
    "SelectionResult": "emkernels.models.mixture",
    "StudentTMixture": "emkernels.models.student",
    "LatentClassAnalysis": "emkernels.models.classes",
    "SufficientStatistics": "emkernels.components.gaussian.statistics",
    "blrt": "emkernels.models.classes",
    "compare_clusterings": "emkernels.comparison",
    "little_mcar_test": "emkernels.models.missing",
    "load": "emkernels.models.files",
    "missing_data_summary": "emkernels.models.missing",
    "parallel_analysis": "emkernels.models.factors.parallel",
    "pool": "emkernels.models.missing",
    "segment_image": "emkernels.image",
    "select_classes": "emkernels.models.classes",
    "select_factors": "emkernels.models.factors",
    "select_mixture": "emkernels.models.mixture",
    "show_config": "emkernels._config",
}
_MODULES = ("data", "distributed", "em", "kernels", "plotting")

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name):
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"emkernels.{name}")
    raise AttributeError(f"module 'emkernels' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PUBLIC, *_MODULES})
