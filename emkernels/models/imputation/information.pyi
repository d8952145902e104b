from typing import NamedTuple

from emkernels._typing import Floats

class Uncertainty(NamedTuple):
    location: Floats
    covariance: Floats
