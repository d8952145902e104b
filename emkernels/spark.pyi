from typing import TypeVar

from emkernels.models.chunked import ChunkedFit

_Model = TypeVar("_Model", bound=ChunkedFit)

def fit(
    model: _Model,
    frame: object,
    *,
    sample_weight: str | None = None,
) -> _Model: ...
