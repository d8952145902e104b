from dataclasses import dataclass

from emkernels._typing import Row
from emkernels.models.candidates import Selection
from emkernels.models.mixture.estimator import GaussianMixture

@dataclass
class SelectionResult(Selection):
    best: GaussianMixture
    criterion: str
    table: list[Row]
