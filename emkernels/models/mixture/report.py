"""What there is to say of the fit of a mixture."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels._callers import warn
from emkernels.components.gaussian.degenerate import Examination, examine
from emkernels.em import DegenerateWarning, warn_about

# A fall of the objective, relative to it, that is said with reg_covar="auto": what that takes
# itself is a ten-thousandth at most, where columns determine each other, and asks for nothing.
AUTO_FALL = 1e-3


def examined(rows, mixture, result, spikes):
    """What is wrong with the components; nothing where there was no iteration."""
    if not result.history:
        return Examination()
    fixed = mixture.components.fixed | ({"weights"} if mixture.fixed_weights else set())
    return examine(result.parameters, mixture.components.structure.reg_covar, lambda: spikes.least,
                   rows.n_positive, fixed=fixed)


def tell(model, result, found, rows):
    """Warn of falls, dropped starts, no convergence and degenerate components."""
    precision = 1e-10 if rows.dtype == np.float64 else 1e-5
    if isinstance(model.reg_covar, str):
        precision = AUTO_FALL
    warn_about(
        result, precision,
        reason=(": reg_covar is not part of it, as covariance_prior='empirical' would be"
                if model.reg_covar else ""))
    if not model.converged_ and not result.stopped and model.max_iter > 0:
        warn("Best performing initialization did not converge. Try different init "
             "parameters, or increase max_iter, tol, or check for degenerate data.",
             ConvergenceWarning)
    for text in found.texts(rows.column_names):
        warn(text, DegenerateWarning)
