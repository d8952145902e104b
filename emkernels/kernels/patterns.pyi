from numpy.typing import ArrayLike

from emkernels.kernels.grouping import MissingPatterns as MissingPatterns

def missing_patterns(X: ArrayLike) -> MissingPatterns: ...
