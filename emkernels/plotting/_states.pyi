from collections.abc import Sequence

from numpy.typing import ArrayLike

from emkernels._typing import OnAxes, Table
from emkernels.models.chains.categorical import CategoricalHMM
from emkernels.models.chains.gaussian import GaussianHMM
from emkernels.models.chains.mixture import MixtureHMM

def plot_states(
    model: GaussianHMM | CategoricalHMM | MixtureHMM,
    X: Table | Sequence[Table],
    lengths: ArrayLike | None = None,
    *,
    column: int | str = 0,
    times: ArrayLike | None = None,
    max_sequences: int = 12,
    ax: OnAxes | None = None,
) -> OnAxes: ...
