from dataclasses import dataclass
from typing import Any

from emkernels._results import Result
from emkernels._typing import Floats, Ints

@dataclass
class ClassCovariates(Result):
    coef: Floats
    standard_errors: Floats
    z: Floats
    p_values: Floats
    covariance: Floats
    classes: Ints
    reference: int
    names: list[str]
    tests: list[dict[str, Any]]
    log_likelihood: float
    method: str
    assignment: str
    classification_errors: Floats
    n_samples: int
    n_left_out: int
