from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

class MissingPatterns:
    n_features: int
    order: NDArray[np.int32]
    offsets: NDArray[np.int64]
    def __init__(
        self,
        n_features: int,
        order: ArrayLike,
        offsets: ArrayLike,
        bits: ArrayLike,
        largest: float = 0.0,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def n_patterns(self) -> int: ...
    @property
    def counts(self) -> NDArray[np.int64]: ...
    @property
    def n_missing(self) -> NDArray[np.int64]: ...
    @property
    def masks(self) -> NDArray[np.bool_]: ...
    @property
    def largest(self) -> float: ...
    @property
    def n_missing_values(self) -> int: ...
    def masks_of(self, patterns: Any) -> NDArray[np.bool_]: ...
