"""What the parameters of a Gaussian mixture may be."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Options

from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.structures import COVARIANCE_TYPES
from emkernels.data import checks
from emkernels.data.checks import Interval, one_of
from emkernels.models.steps import STEPS

OPTIONS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "covariance_type": [one_of(*COVARIANCE_TYPES)],
    "tol": [Interval(Real, 0.0, None, closed="left")],
    "reg_covar": [Interval(Real, 0.0, None, closed="left"), one_of("auto")],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "init_params": [one_of(*arguments.STARTS), tuple],
    "weights_init": ["array-like", None],
    "means_init": ["array-like", None],
    "precisions_init": ["array-like", None],
    "random_state": ["random_state", np.random.Generator],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "verbose_interval": [Interval(Integral, 1, None, closed="left")],
    "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
    "convergence": [one_of("lower_bound", "parameters", "distance")],
    "acceleration": [one_of("squarem"), None],
    "callback": [callable, None],
    "covariance_prior": [one_of("empirical"), tuple, list, None],
    "weight_concentration": [Interval(Real, 1, None, closed="left"), "array-like", None],
    "fixed": [tuple, list, set, frozenset],
    "init_scaling": [one_of("standard"), None],
    "short_iter": [Interval(Integral, 1, None, closed="left"), None],
    "noise": [None, "boolean", Interval(Real, 0, None, closed="neither")],
    **STEPS,
}


def check_rows(model, rows):
    """That there are enough rows, with something observed in every column."""
    checks.check_enough(rows, model, 2)
    checks.check_columns_observed(rows)
    checks.check_magnitude_of(rows)
    if len(rows) < model.n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {model.n_components}, "
            f"n_samples = {len(rows)}"
        )
