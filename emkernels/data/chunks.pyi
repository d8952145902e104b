from typing import Any

from numpy.typing import ArrayLike

from emkernels._typing import Blocks, Columns
from emkernels.data.journal import Journal
from emkernels.data.source import Source
from emkernels.em.progress import Passes

class Chunks(Source):
    def __init__(
        self,
        source: Blocks,
        *,
        sample_weight: ArrayLike | None = None,
        columns: Columns | None = None,
        chunk_rows: int | None = None,
        n_threads: int | None = None,
        door: Any = None,
        journal: Journal | None = None,
        progress: Passes | None = None,
    ) -> None: ...
    def may_keep(self, n_bytes: int, share: float = 0.25) -> bool: ...
    def verify(self) -> None: ...
