from collections.abc import Sequence
from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import Table
from emkernels.models.chains.fitted import FittedChain
from emkernels.models.chunked import ChunkedFit

class ChainModel(ChunkedFit, FittedChain):
    def fit(
        self,
        X: Table | Sequence[Table],
        y: object = None,
        *,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
