"""Pictures of mixtures, factors, classes, states, missing values and segmentations, on matplotlib
axes.

Needs the extra ``plot`` (matplotlib), which is imported when a picture is drawn. Every function
draws on the axes given, or on a figure of its own, and returns the axes. Neither the backend nor
the style is touched and nothing is shown: that is the caller's ``pyplot.show()``.
"""

from emkernels.plotting._canvas import PALETTE, component_colors
from emkernels.plotting._classes import plot_response_probs
from emkernels.plotting._clusterings import plot_clusterings
from emkernels.plotting._factors import plot_loadings, plot_scree
from emkernels.plotting._images import plot_posteriors, plot_segmentation
from emkernels.plotting._imputed import plot_imputed
from emkernels.plotting._mixtures import plot_mixture, plot_responsibilities
from emkernels.plotting._models import plot_history, plot_selection
from emkernels.plotting._outliers import plot_outliers
from emkernels.plotting._patterns import plot_missing_patterns
from emkernels.plotting._states import plot_states

__all__ = [
    "PALETTE",
    "component_colors",
    "plot_clusterings",
    "plot_history",
    "plot_imputed",
    "plot_loadings",
    "plot_missing_patterns",
    "plot_mixture",
    "plot_outliers",
    "plot_posteriors",
    "plot_response_probs",
    "plot_responsibilities",
    "plot_scree",
    "plot_segmentation",
    "plot_selection",
    "plot_states",
]
