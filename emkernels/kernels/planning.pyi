from typing import Literal, NamedTuple, TypeAlias

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class ThreadPlan(NamedTuple):
    shared: bool
    n_threads: int
    n_groups: int
    n_blocks: int
    block_rows: int
    n_steps: int
    n_units: int
    n_bands: int
    sum_bytes: int
    scratch_bytes: int
    panel_bytes: int
    steps: list[list[tuple[str, float]]]

class Share(NamedTuple):
    efficiency: float
    least: float

def plan_of(
    n_samples: int,
    n_features: int,
    n_components: int,
    covariance_type: _CovarianceType = "full",
    dtype: Literal["float64", "float32"] = "float64",
    n_threads: int | None = None,
    *,
    missing: int = 0,
) -> ThreadPlan: ...
def shares(plan: ThreadPlan, n_threads: int | None = None) -> Share: ...
