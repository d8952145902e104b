"""What skops is told to trust."""

from emkernels.models import (
    chains,
    classes,
    encoding,
    factors,
    imputation,
    kmeans,
    mixture,
    student,
)

_ESTIMATORS = (
    chains.CategoricalHMM, factors.FactorAnalysis, chains.GaussianHMM, imputation.GaussianImputer,
    mixture.GaussianMixture, imputation.GaussianMixtureImputer, kmeans.KMeans,
    classes.LatentClassAnalysis, chains.MixtureHMM, factors.MixtureOfFactorAnalyzers,
    student.StudentTMixture)

# names of types, for ``skops.io.load(file, trusted=emkernels.SKOPS_TYPES)``: the estimators and
# what they hold. None of them does more on reading than to set attributes
SKOPS_TYPES = tuple(sorted({
    "builtins.frozenset",
    *(f"{cls.__module__}.{cls.__qualname__}" for cls in (*_ESTIMATORS, *encoding.registered())
      if cls.__module__.partition(".")[0] == "emkernels")}))
