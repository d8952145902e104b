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
        self.objective, self.maximise = model.objective, model.maximise
        self.endless, self.relative_change = model.endless, model.relative_change
        self.to_vector, self.from_vector = model.to_vector, model.from_vector

    def accumulate(self, rows, parameters):
        raw = self.model.accumulate(rows, self.to_raw(parameters))
        return self.scaling.statistics(raw, self.model.components.structure)

    def to_raw(self, parameters):
        """The mixture of the raw columns."""
        return replace(parameters, components=self.scaling.to_raw(parameters.components))

    def to_standard(self, parameters):
        """The inverse of :meth:`to_raw`."""
        return replace(parameters, components=self.scaling.inverse.to_raw(parameters.components))
