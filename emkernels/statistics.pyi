from emkernels._typing import CovarianceType
from emkernels.components.gaussian.statistics import (
    SufficientStatistics as SufficientStatistics,
)

def second_shape(
    covariance_type: CovarianceType,
    n_components: int,
    n_features: int,
) -> tuple[int, ...]: ...
