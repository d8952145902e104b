"""EM in standardised units on rows that stay as they are."""

from dataclasses import replace


class Standardised:
    """A model whose parameters the EM loop sees in standardised units.

    The kernels get the raw rows and the parameters in raw units; the statistics come back in
    standardised ones. So priors, tolerances, extrapolations and the floor of the variances
    mean the same whatever the columns are measured in, and X is not copied.

    Parameters
    ----------
    model : Mixture
        Its priors and floors are those of standardised columns.
    scaling : Scaling
        One scale for all columns where the structure has one variance for all.
    """

    def __init__(self, model, scaling):
        self.model, self.scaling = model, scaling

    def accumulate(self, rows, parameters):
        raw = self.model.accumulate(rows, self.to_raw(parameters))
        return self.scaling.statistics(raw, self.model.components.structure)

    def objective(self, statistics, parameters):
        return self.model.objective(statistics, parameters)

    def maximise(self, statistics, parameters):
        return self.model.maximise(statistics, parameters)

    def endless(self, parameters, source):
        return self.model.endless(parameters, source)

    def relative_change(self, old, new):
        return self.model.relative_change(old, new)

    def to_vector(self, parameters):
        return self.model.to_vector(parameters)

    def from_vector(self, vector, like):
        return self.model.from_vector(vector, like)

    def to_raw(self, parameters):
        """The mixture of the raw columns."""
        return replace(parameters, components=self.scaling.to_raw(parameters.components))

    def to_standard(self, parameters):
        """The inverse of :meth:`to_raw`."""
        return replace(parameters, components=self.scaling.inverse.to_raw(parameters.components))
