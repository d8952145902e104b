from collections.abc import Sequence
from typing import TypeVar

from emkernels.models.chunked import ChunkedFit

_Model = TypeVar("_Model", bound=ChunkedFit)

def fit(
    model: _Model,
    blocks: object,
    *,
    sample_weight: Sequence[object] | str | None = None,
) -> _Model: ...
