from typing import Literal

from numpy.typing import ArrayLike

from emkernels._typing import Answers, Table
from emkernels.models.classes.covariates import ClassCovariates
from emkernels.models.classes.distal import DistalOutcome
from emkernels.models.classes.errors import ClassErrors

class ClassInference:
    def standard_errors(
        self,
        X: Answers,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> ClassErrors: ...
    def covariates(
        self,
        X: Answers,
        Z: Table | ArrayLike,
        *,
        method: Literal["ml", "bch"] = "ml",
        assignment: Literal["modal", "proportional"] = "modal",
        reference: int = 0,
        first_step: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> ClassCovariates: ...
    def distal(
        self,
        X: Answers,
        outcome: ArrayLike,
        *,
        method: Literal["bch", "ml"] = "bch",
        assignment: Literal["modal", "proportional"] = "modal",
        categorical: bool | None = None,
        first_step: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> DistalOutcome: ...
