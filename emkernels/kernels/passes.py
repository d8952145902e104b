"""Passes over checked rows, for those who have checked them: no argument is looked at again."""

from emkernels.kernels.analysers import _factor_pass as factor_pass
from emkernels.kernels.arrays import weights_in_unit
from emkernels.kernels.bounds import _bounded_pass as bounded_pass
from emkernels.kernels.bounds import _LloydBounds as LloydBounds
from emkernels.kernels.bounds import _means_about as means_about
from emkernels.kernels.bounds import _shifts as shifts
from emkernels.kernels.chain import _chain_gaussian as chain_gaussian
from emkernels.kernels.chain import _chain_symbols as chain_symbols
from emkernels.kernels.classes import _class_pass as class_pass
from emkernels.kernels.classes import _Layout as ClassLayout
from emkernels.kernels.cluster import _kmeans_pass as kmeans_pass
from emkernels.kernels.completion import _incomplete_rows as incomplete_rows
from emkernels.kernels.covariances import _precision_factors as precision_factors
from emkernels.kernels.covariances import _scatters as scatters
from emkernels.kernels.degrees import _df_roots as df_roots
from emkernels.kernels.density import _complete_rows as complete_rows
from emkernels.kernels.exact import _column_reach as column_reach
from emkernels.kernels.exact import _exact_grids as exact_grids
from emkernels.kernels.exact import _exact_sums as exact_sums
from emkernels.kernels.exact import _label_sum as label_sum
from emkernels.kernels.grouping import _trusted_patterns as trusted_patterns
from emkernels.kernels.incomplete import _incomplete_pass as incomplete_pass
from emkernels.kernels.mixture import _em_pass as em_pass
from emkernels.kernels.moments import _order_by_label as order_by_label
from emkernels.kernels.moments import _total_scatter as total_scatter
from emkernels.kernels.nearest import _center_distances as center_distances
from emkernels.kernels.nearest import _cluster_sums as cluster_sums
from emkernels.kernels.nearest import _gap_squares as gap_squares
from emkernels.kernels.observed import _available_moments as available_moments
from emkernels.kernels.observed import _observed_distances as observed_distances
from emkernels.kernels.observed import _observed_kmeans_pass as observed_kmeans_pass
from emkernels.kernels.potts import _potts_grid as potts_grid
from emkernels.kernels.potts import _potts_pass as potts_pass
from emkernels.kernels.rooms import _KeptRooms as KeptRooms
from emkernels.kernels.student import _student_pass as student_pass
from emkernels.kernels.student import _student_rows as student_rows
from emkernels.kernels.threads import effective_n_threads, own_n_threads

__all__ = [
    "ClassLayout",
    "KeptRooms",
    "LloydBounds",
    "available_moments",
    "bounded_pass",
    "center_distances",
    "chain_gaussian",
    "chain_symbols",
    "class_pass",
    "cluster_sums",
    "column_reach",
    "complete_rows",
    "df_roots",
    "effective_n_threads",
    "em_pass",
    "exact_grids",
    "exact_sums",
    "factor_pass",
    "gap_squares",
    "incomplete_pass",
    "incomplete_rows",
    "kmeans_pass",
    "label_sum",
    "means_about",
    "observed_distances",
    "observed_kmeans_pass",
    "order_by_label",
    "own_n_threads",
    "potts_grid",
    "potts_pass",
    "precision_factors",
    "scatters",
    "shifts",
    "student_pass",
    "student_rows",
    "total_scatter",
    "trusted_patterns",
    "weights_in_unit",
]
