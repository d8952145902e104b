from dataclasses import dataclass

from numpy.typing import ArrayLike

from emkernels._typing import Floats

@dataclass
class PooledEstimates:
    estimate: float | Floats
    standard_error: float | Floats
    low: float | Floats
    high: float | Floats
    t: float | Floats
    df: float | Floats
    p_value: float | Floats
    within: float | Floats
    between: float | Floats
    total: float | Floats
    r: float | Floats
    lam: float | Floats
    fmi: float | Floats
    total_covariance: Floats | None
    m: int
    confidence: float
    names: tuple[str, ...]

def pool(
    estimates: ArrayLike,
    variances: ArrayLike,
    *,
    complete_df: ArrayLike | float | None = None,
    confidence: float = 0.95,
) -> PooledEstimates: ...
