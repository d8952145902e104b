from typing import Any, Generic

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import TypeVar

from emkernels._results import Result
from emkernels._typing import Codes, Flags, Floats, Ints, Names
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.candidates import SelectionResult
from emkernels.models.mixture.estimator import GaussianMixture

_Model = TypeVar("_Model", GaussianMixture, KMeans, default=GaussianMixture)

class Segmentation(Result, Generic[_Model]):
    image: NDArray[Any]
    labels: Codes
    n_segments: int
    n_nodata: int
    colors: Floats
    sizes: Ints
    fractions: Floats
    model: _Model
    method: str
    smoothness: float
    selection: SelectionResult | None
    n_iter: int
    converged: bool
    lower_bounds: list[float]
    def __init__(
        self,
        image: NDArray[Any],
        raster: Any,
        labels: Codes,
        colors: Floats,
        sizes: Ints,
        model: _Model,
        method: str,
        *,
        options: Any,
        smoothness: float = 0.0,
        selection: SelectionResult | None = None,
        field: Any = None,
        known: Codes | None = None,
    ) -> None: ...
    @property
    def posteriors(self) -> NDArray[np.float32]: ...
    def displayed(self) -> NDArray[np.uint8]: ...
    @property
    def limits(self) -> tuple[float, float] | None: ...
    @property
    def without_data(self) -> Flags: ...
    @property
    def lines(self) -> Flags: ...
    def recolored(self) -> NDArray[np.uint8]: ...
    def overlay(
        self,
        alpha: float = 0.5,
        boundaries: bool | None = None,
        colors: ArrayLike | None = None,
    ) -> NDArray[np.uint8]: ...
    def plot(self, axes: Any | None = None, **options: Any) -> Names: ...
