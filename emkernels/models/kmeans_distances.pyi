from numpy.typing import ArrayLike

from emkernels._typing import Codes, Table

class KMeansDistances:
    def predict(self, X: Table) -> Codes: ...
    def score(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> float: ...
