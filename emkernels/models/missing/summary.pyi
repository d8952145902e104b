from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pandas import DataFrame

from emkernels._results import Result
from emkernels._typing import Ints, Table

@dataclass
class MissingDataSummary(Result):
    columns: dict[str, NDArray[Any]]
    patterns: dict[str, NDArray[Any]]
    pairwise_observed: Ints
    n_samples: int
    n_features: int
    n_missing: int
    n_complete: int
    n_empty: int
    # of the columns, and of the patterns
    def to_pandas(self) -> tuple[DataFrame, DataFrame]: ...  # type: ignore[override]

def missing_data_summary(X: Table) -> MissingDataSummary: ...
