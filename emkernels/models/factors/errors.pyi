from typing import NamedTuple

from emkernels._typing import Floats

class StandardErrors(NamedTuple):
    mean: Floats
    components: Floats
    noise_variance: Floats | float
