from emkernels import data as data
from emkernels import distributed as distributed
from emkernels import em as em
from emkernels import kernels as kernels
from emkernels import plotting as plotting
from emkernels._config import show_config as show_config
from emkernels.comparison import ClusteringComparison as ClusteringComparison
from emkernels.comparison import compare_clusterings as compare_clusterings
from emkernels.components.gaussian.statistics import SufficientStatistics as SufficientStatistics
from emkernels.em.errors import EMWarning as EMWarning
from emkernels.image._result import Segmentation as Segmentation
from emkernels.image._segment import segment_image as segment_image
from emkernels.models.chains.categorical import CategoricalHMM as CategoricalHMM
from emkernels.models.chains.gaussian import GaussianHMM as GaussianHMM
from emkernels.models.chains.mixture import MixtureHMM as MixtureHMM
from emkernels.models.classes.bootstrap import blrt as blrt
from emkernels.models.classes.estimator import LatentClassAnalysis as LatentClassAnalysis
from emkernels.models.classes.selection import select_classes as select_classes
from emkernels.models.factors.estimator import FactorAnalysis as FactorAnalysis
from emkernels.models.factors.mixture import MixtureOfFactorAnalyzers as MixtureOfFactorAnalyzers
from emkernels.models.factors.parallel import parallel_analysis as parallel_analysis
from emkernels.models.factors.selection import FactorSelection as FactorSelection
from emkernels.models.factors.selection import select_factors as select_factors
from emkernels.models.files import load as load
from emkernels.models.imputation.gaussian import GaussianImputer as GaussianImputer
from emkernels.models.imputation.mixture import GaussianMixtureImputer as GaussianMixtureImputer
from emkernels.models.kmeans import KMeans as KMeans
from emkernels.models.missing.little import little_mcar_test as little_mcar_test
from emkernels.models.missing.pooling import pool as pool
from emkernels.models.missing.summary import missing_data_summary as missing_data_summary
from emkernels.models.mixture.candidates import SelectionResult as SelectionResult
from emkernels.models.mixture.estimator import GaussianMixture as GaussianMixture
from emkernels.models.mixture.selection import select_mixture as select_mixture
from emkernels.models.skops_types import SKOPS_TYPES as SKOPS_TYPES
from emkernels.models.student.estimator import StudentTMixture as StudentTMixture

__version__: str
__all__ = [
    "SKOPS_TYPES",
    "CategoricalHMM",
    "ClusteringComparison",
    "EMWarning",
    "FactorAnalysis",
    "FactorSelection",
    "GaussianHMM",
    "GaussianImputer",
    "GaussianMixture",
    "GaussianMixtureImputer",
    "KMeans",
    "LatentClassAnalysis",
    "MixtureHMM",
    "MixtureOfFactorAnalyzers",
    "Segmentation",
    "SelectionResult",
    "StudentTMixture",
    "SufficientStatistics",
    "__version__",
    "blrt",
    "compare_clusterings",
    "little_mcar_test",
    "load",
    "missing_data_summary",
    "parallel_analysis",
    "pool",
    "segment_image",
    "select_classes",
    "select_factors",
    "select_mixture",
    "show_config",
]
