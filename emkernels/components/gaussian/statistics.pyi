from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import Floats, KernelType, Reals, Table

class SufficientStatistics:
    covariance_type: KernelType
    centers: Reals
    counts: Floats
    first: Floats
    second: Floats
    log_likelihood: float
    total: float | None
    n_rows: float | None
    n_threads: int | None
    noise: float | None
    pairs: float | None
    def __init__(
        self,
        covariance_type: KernelType,
        centers: ArrayLike,
        counts: ArrayLike | None = None,
        first: ArrayLike | None = None,
        second: ArrayLike | None = None,
        log_likelihood: float = 0.0,
    ) -> None: ...
    @classmethod
    def trusted(
        cls,
        covariance_type: KernelType,
        centers: Reals,
        counts: Floats,
        first: Floats,
        second: Floats,
        log_likelihood: float,
        total: float | None = None,
        n_rows: float | None = None,
    ) -> Self: ...
    @classmethod
    def zeros(cls, covariance_type: KernelType, centers: ArrayLike) -> Self: ...
    @classmethod
    def from_data(
        cls,
        X: Table,
        weights: ArrayLike,
        means: ArrayLike,
        precisions_cholesky: ArrayLike,
        covariance_type: KernelType = "full",
        sample_weight: ArrayLike | None = None,
        *,
        n_threads: int | None = None,
    ) -> Self: ...
    @property
    def n_components(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def weight(self) -> float: ...
    def positive_counts(self) -> Floats: ...
    def copy(self) -> Self: ...
    def merge(self, other: SufficientStatistics) -> Self: ...
    def scale(self, factor: float) -> Self: ...
    def recentred(self, centers: ArrayLike) -> Self: ...
    def __add__(self, other: SufficientStatistics) -> Self: ...
    def __iadd__(self, other: SufficientStatistics) -> Self: ...
    def __mul__(self, factor: float) -> Self: ...
    def __rmul__(self, factor: float) -> Self: ...
    def means(self) -> Floats: ...
    def covariances(self) -> Floats: ...
    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> SufficientStatistics: ...
    def __eq__(self, other: object) -> bool: ...
