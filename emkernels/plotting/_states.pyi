from collections.abc import Sequence

from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from emkernels._typing import Table
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
    ax: Axes | None = None,
) -> Axes: ...
