from collections.abc import Iterable
from typing import Literal, overload

from numpy.typing import ArrayLike

from emkernels._typing import Callback, KernelType, RandomState
from emkernels.image._result import Segmentation
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.estimator import GaussianMixture

@overload
def segment_image(
    image: ArrayLike,
    n_segments: int | Iterable[int] | Literal["auto"] = 5,
    method: Literal["em"] = "em",
    *,
    channel_axis: int | Literal["auto"] | None = "auto",
    mask: ArrayLike | None = None,
    alpha: bool | None = None,
    nodata: ArrayLike | None = None,
    color_space: Literal["rgb", "lab"] = "rgb",
    smoothness: float = 0.0,
    coordinates: float = 0.0,
    covariance_type: KernelType = "full",
    criterion: Literal["bic", "icl", "aic"] = "bic",
    labels: ArrayLike | None = None,
    means_init: ArrayLike | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    n_init: int | None = None,
    reg_covar: float | Literal["auto"] | None = None,
    random_state: RandomState | None = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> Segmentation[GaussianMixture]: ...
@overload
def segment_image(
    image: ArrayLike,
    n_segments: int | Iterable[int] | Literal["auto"],
    method: Literal["kmeans"],
    *,
    channel_axis: int | Literal["auto"] | None = "auto",
    mask: ArrayLike | None = None,
    alpha: bool | None = None,
    nodata: ArrayLike | None = None,
    color_space: Literal["rgb", "lab"] = "rgb",
    smoothness: float = 0.0,
    coordinates: float = 0.0,
    covariance_type: KernelType = "full",
    criterion: Literal["bic", "icl", "aic"] = "bic",
    labels: ArrayLike | None = None,
    means_init: ArrayLike | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    n_init: int | None = None,
    reg_covar: float | Literal["auto"] | None = None,
    random_state: RandomState | None = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> Segmentation[KMeans]: ...
@overload
def segment_image(
    image: ArrayLike,
    n_segments: int | Iterable[int] | Literal["auto"] = 5,
    *,
    method: Literal["kmeans"],
    channel_axis: int | Literal["auto"] | None = "auto",
    mask: ArrayLike | None = None,
    alpha: bool | None = None,
    nodata: ArrayLike | None = None,
    color_space: Literal["rgb", "lab"] = "rgb",
    smoothness: float = 0.0,
    coordinates: float = 0.0,
    covariance_type: KernelType = "full",
    criterion: Literal["bic", "icl", "aic"] = "bic",
    labels: ArrayLike | None = None,
    means_init: ArrayLike | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    n_init: int | None = None,
    reg_covar: float | Literal["auto"] | None = None,
    random_state: RandomState | None = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> Segmentation[KMeans]: ...
