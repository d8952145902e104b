from emkernels._typing import Reals, Table
from emkernels.models.base import LatentModel
from emkernels.models.mixtures import MixtureMethods

class FittedStudents(MixtureMethods, LatentModel):
    def outlier_weight(self, X: Table) -> Reals: ...
