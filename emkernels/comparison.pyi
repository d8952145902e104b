from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame

from emkernels._results import Result
from emkernels._typing import (
    CovarianceType,
    Flags,
    Floats,
    Names,
    RandomState,
    Reals,
    Row,
    Table,
)
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.estimator import GaussianMixture

@dataclass
class ClusteringComparison(Result):
    X: Reals
    kmeans: KMeans
    mixture: GaussianMixture
    kmeans_labels: NDArray[np.integer[Any]]
    mixture_labels: NDArray[np.integer[Any]]
    adjusted_rand: float
    soft: Flags
    soft_below: float
    soft_share: float
    table: list[Row]
    kmeans_bic: float
    mixture_bic: float
    kmeans_seconds: float
    mixture_seconds: float
    feature_names: list[str]
    sample_weight: Floats | None = ...
    def to_frame(self) -> DataFrame: ...
    def plot(self, *, axes: Any = None) -> Names: ...

def compare_clusterings(
    X: Table,
    n_clusters: int,
    *,
    covariance_type: CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    soft_below: float = 0.9,
    random_state: RandomState | None = None,
    n_init: int = 1,
    tol: float = 1e-06,
    max_iter: int = 1000,
    n_threads: int | None = None,
    **parameters: Any,
) -> ClusteringComparison: ...
