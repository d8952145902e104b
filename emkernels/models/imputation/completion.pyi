from numpy.typing import ArrayLike

from emkernels._typing import Estimator, Names, Reals, Table, Transformer
from emkernels.models._state import Stateful

class Completion(Stateful, Transformer, Estimator):
    def transform(self, X: Table) -> Reals: ...
    def get_feature_names_out(self, input_features: ArrayLike | str | None = None) -> Names: ...
    def score_samples(self, X: Table) -> Reals: ...
    def score(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> float: ...
