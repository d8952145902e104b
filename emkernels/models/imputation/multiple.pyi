from typing import Literal

from numpy.typing import ArrayLike

from emkernels._typing import RandomState, Reals, Table

class MultipleImputation:
    def sample(
        self,
        X: Table,
        n_imputations: int = 5,
        *,
        method: Literal["bootstrap", "augmentation"] = "bootstrap",
        random_state: RandomState | None = None,
        training_data: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        burn_in: int = 200,
        thinning: int | None = None,
    ) -> Reals: ...
