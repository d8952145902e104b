"""Types that the stubs share; at run time there is no such module."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, Self, TypeAlias, overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from typing_extensions import TypeVar

from emkernels.data.rows import Rows
from emkernels.data.source import Source
from emkernels.em.loop import EMState

# --- what comes in -----------------------------------------------------------------------

class _Array(Protocol):
    def __array__(self) -> NDArray[Any]: ...

class _PandasFrame(Protocol):
    @property
    def columns(self) -> Any: ...
    @property
    def iloc(self) -> Any: ...

class _PolarsFrame(Protocol):
    @property
    def columns(self) -> Any: ...
    def get_columns(self) -> Any: ...

class _ArrowTable(Protocol):
    @property
    def column_names(self) -> Any: ...
    def column(self, i: Any) -> Any: ...

_Number: TypeAlias = float | np.number[Any] | np.bool_ | None
# rows and columns; no sparse matrix, no lazy frame, no path
Table: TypeAlias = (
    _Array
    | Sequence[_Array]
    | Sequence[Sequence[_Number]]
    | _PandasFrame
    | _PolarsFrame
    | _ArrowTable
    | Rows
    | memoryview
)

# answers may be texts
Answers: TypeAlias = Table | Sequence[Sequence[_Number | str]]

class _Dataset(Protocol):
    """A pyarrow.dataset.Dataset."""

    def to_batches(self) -> Any: ...

class _Collection(Protocol):
    """An array or data frame of Dask."""

    def __dask_graph__(self) -> Any: ...

Path: TypeAlias = str | PathLike[str]
# what is read again in every pass
Blocks: TypeAlias = (
    Callable[[], Iterable[Any]]
    | Table
    | Sequence[Table]
    | Path
    | Sequence[Path]
    | Source
    | _Dataset
    | _Collection
)
Columns: TypeAlias = Sequence[str | int] | _Array
RandomState: TypeAlias = int | np.integer[Any] | np.random.RandomState | np.random.Generator
Callback: TypeAlias = Callable[[EMState], object]
# of how many fits are done, of how many, and of the last one
Told: TypeAlias = Callable[[int, int, str], object]

# --- options -----------------------------------------------------------------------------

KernelType: TypeAlias = Literal["full", "tied", "diag", "spherical"]
CovarianceType: TypeAlias = Literal[
    "full",
    "tied",
    "diag",
    "spherical",
    "EII",
    "VII",
    "EEI",
    "VEI",
    "EVI",
    "VVI",
    "EEE",
    "VEE",
    "EVE",
    "VVE",
    "EEV",
    "VEV",
    "EVV",
    "VVV",
]
InitParams: TypeAlias = Literal["kmeans", "k-means++", "random", "random_from_data"]
Convergence: TypeAlias = Literal["lower_bound", "parameters", "distance"]
Acceleration: TypeAlias = Literal["squarem"]
Prior: TypeAlias = Literal["empirical"] | tuple[float, ArrayLike]

# --- what comes out ----------------------------------------------------------------------

Floats: TypeAlias = NDArray[np.float64]
Reals: TypeAlias = NDArray[np.floating[Any]]  # float32 where the rows are
Ints: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Names: TypeAlias = NDArray[np.object_]

# a row of a table of results
Row: TypeAlias = dict[str, Any]

_Block = TypeVar("_Block", covariant=True)
_Filled = TypeVar("_Filled", bound=NDArray[Any])

class OfBlocks(Protocol[_Block]):
    """A method of blocks of rows, as predict_chunks."""

    @overload
    def __call__(
        self,
        source: Blocks | Iterator[Any],
        out: None = None,
        *,
        columns: Columns | None = None,
        chunk_rows: int | None = None,
        overwrite: bool = False,
    ) -> Iterator[_Block]: ...
    @overload
    def __call__(
        self,
        source: Blocks | Iterator[Any],
        out: Path,
        *,
        columns: Columns | None = None,
        chunk_rows: int | None = None,
        overwrite: bool = False,
    ) -> str: ...
    @overload
    def __call__(
        self,
        source: Blocks | Iterator[Any],
        out: _Filled,
        *,
        columns: Columns | None = None,
        chunk_rows: int | None = None,
        overwrite: bool = False,
    ) -> _Filled: ...

class OwnAxes(Axes):
    """Axes on a figure of their own; those that are passed may be on a part of one."""

    @property
    def figure(self) -> Figure: ...

OnAxes = TypeVar("OnAxes", bound=Axes, default=OwnAxes)

# --- what scikit-learn gives, which has no types -----------------------------------------

class Estimator(BaseEstimator):
    n_features_in_: int
    feature_names_in_: Names
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Self: ...

class Transformer(TransformerMixin):
    def fit_transform(self, X: Table, y: object = None, **fit_params: Any) -> Reals: ...
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Names: ...
    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self: ...
