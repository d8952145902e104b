from collections.abc import Callable
from typing import Literal, Self

from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin

from emkernels._typing import (
    Codes,
    Estimator,
    OfBlocks,
    RandomState,
    Reals,
    Table,
    Transformer,
)
from emkernels.models._state import Stateful
from emkernels.models.chunked import ChunkedFit
from emkernels.models.kmeans_distances import KMeansDistances
from emkernels.models.kmeans_exchange import KMeansExchange
from emkernels.models.kmeans_starts import KMeansStarts
from emkernels.models.kmeans_stepwise import StepwiseKMeans

class KMeans(
    ChunkedFit,
    StepwiseKMeans,
    KMeansStarts,
    KMeansDistances,
    KMeansExchange,
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    Transformer,
    ClusterMixin,
    Estimator,
):
    n_clusters: int
    init: (
        Literal["k-means++", "k-means||", "coreset", "random"]
        | Callable[..., ArrayLike]
        | ArrayLike
    )
    n_init: int | Literal["auto"]
    max_iter: int
    tol: float
    verbose: int
    random_state: RandomState | None
    copy_x: bool
    algorithm: Literal["lloyd", "elkan"]
    n_threads: int | None
    step_exponent: float
    step_offset: float
    cluster_centers_: Reals
    labels_: Codes
    inertia_: float
    n_iter_: int
    converged_: bool
    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: (
            Literal["k-means++", "k-means||", "coreset", "random"]
            | Callable[..., ArrayLike]
            | ArrayLike
        ) = "k-means++",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 0.0001,
        verbose: int = 0,
        random_state: RandomState | None = None,
        copy_x: bool = True,
        algorithm: Literal["lloyd", "elkan"] = "lloyd",
        n_threads: int | None = None,
        step_exponent: float = 0.6,
        step_offset: float = 10,
    ) -> None: ...
    def fit(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def fit_predict(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Codes: ...
    def fit_transform(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Reals: ...
    def transform(self, X: Table) -> Reals: ...
    def set_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_partial_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    predict_chunks: OfBlocks[Codes]
    transform_chunks: OfBlocks[Reals]
