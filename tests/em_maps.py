"""EM problems without data: a map of the parameters and its objective, for tests of the loop."""

import numpy as np

from emkernels.data import Rows
from emkernels.em import run_em


class Map:
    """What the loop asks of a problem; subclasses say `step` and `value`."""

    objective_scale = 1.0

    def step(self, parameters):
        raise NotImplementedError

    def value(self, parameters):
        raise NotImplementedError

    def accumulate(self, rows, parameters):
        return parameters

    def objective(self, statistics, parameters):
        return float(self.value(parameters))

    def maximise(self, statistics, parameters):
        return self.step(parameters)

    def relative_change(self, old, new):
        return float(np.abs(new - old).max())

    def to_vector(self, parameters):
        return parameters

    def from_vector(self, vector, like):
        return vector

    def is_degenerate(self, parameters):
        return False


class Line(Map):
    """Every parameter shrinks at a rate of its own; the maximum is at zero."""

    def __init__(self, rates):
        self.rates = np.array(rates)

    def step(self, parameters):
        return self.rates * parameters

    def value(self, parameters):
        return -((1 - self.rates) @ parameters**2)


def loop(problem, start, **options):
    """The EM loop on such a problem."""
    return run_em(problem, Rows(np.zeros((1, 1))), start,
                  objective_scale=problem.objective_scale,
                  is_degenerate=problem.is_degenerate, **options)
