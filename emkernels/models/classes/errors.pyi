from typing import NamedTuple

from emkernels._typing import Floats

class ClassErrors(NamedTuple):
    weights: Floats
    response_probs: list[Floats]
    means: Floats
    variances: Floats
