from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import Blocks, Columns, Path
from emkernels.models.chunked_output import ChunkedOutput

class ChunkedFit(ChunkedOutput):
    n_blocks_: int
    n_rows_: int
    def fit_chunks(
        self,
        source: Blocks,
        *,
        sample_weight: ArrayLike | None = None,
        columns: Columns | None = None,
        chunk_rows: int | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Self: ...
