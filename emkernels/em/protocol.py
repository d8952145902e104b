"""What the EM loop asks of a model and of rows, and a model of its parts.

Nothing here is to be inherited from: what has these methods is one.
"""

from typing import Any, Protocol


class Statistics(Protocol):
    """What a pass over rows leaves, and all that an M-step sees of them.

    :class:`emkernels.SufficientStatistics` is one.

    Attributes
    ----------
    log_likelihood : float
        Of the rows, by weight.

    See Also
    --------
    Model : What makes them, and what they are for.
    emkernels.SufficientStatistics : Those of Gaussian components.

    Examples
    --------
    Those of a model whose only statistic is a sum:

    >>> class Sum:
    ...     def __init__(self, value, log_likelihood):
    ...         self.value, self.log_likelihood = value, log_likelihood
    ...     def merge(self, other):
    ...         self.value += other.value
    ...         self.log_likelihood += other.log_likelihood
    ...         return self
    >>> Sum(1.0, -0.5).merge(Sum(2.0, -0.25)).value
    3.0
    """

    log_likelihood: float

    def merge(self, other: "Statistics") -> "Statistics":
        """Add those of other rows, in place.

        Parameters
        ----------
        other : Statistics
            Of the same model and parameters.

        Returns
        -------
        Statistics
            Itself.
        """


class Source(Protocol):
    """Rows, wherever they are: :class:`emkernels.data.Rows`, :class:`emkernels.data.Chunks`.

    Attributes
    ----------
    dtype : dtype
        Of the values, float32 or float64.
    n_features, n_rows : int
    n_positive : int
        Rows of positive weight.
    total : float
        Sum of their weights.

    See Also
    --------
    emkernels.em.run_em : What reads it.
    Model : The other half.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.data import Chunks
    >>> source = Chunks([np.ones((2, 1)), np.full((3, 1), 4.0)])
    >>> class Total:
    ...     def __init__(self, rows):
    ...         self.value = rows.X.sum()
    ...     def merge(self, other):
    ...         self.value += other.value
    ...         return self
    >>> float(source.reduce(Total).value)
    14.0
    """

    dtype: Any
    n_features: int
    n_rows: int
    n_positive: int         # rows of positive weight
    total: float            # sum of their weights

    def reduce(self, function, *arguments) -> Statistics:
        """``function(rows, *arguments)`` of all rows, merged over their parts in one order.

        Parameters
        ----------
        function : callable
            Of :class:`emkernels.data.Rows` and the arguments.
        *arguments
            What else it needs.

        Returns
        -------
        Statistics
            Of all rows.
        """


class Model(Protocol):
    """What EM fits; it has no rows in it, and no fit changes it.

    See Also
    --------
    emkernels.em.run_em : What fits it.
    Source : The other half.

    Examples
    --------
    A Gaussian whose columns have one deviation, their means being known:

    >>> import numpy as np
    >>> from emkernels.data import Rows
    >>> from emkernels.em import run_em
    >>> class Sum:
    ...     def __init__(self, n, squares, log_likelihood):
    ...         self.n, self.squares, self.log_likelihood = n, squares, log_likelihood
    >>> class Scale:
    ...     def accumulate(self, rows, variance):
    ...         n, squares = rows.X.size, (rows.X**2).sum()
    ...         return Sum(n, squares, -n / 2 * np.log(2 * np.pi * variance)
    ...                    - squares / variance / 2)
    ...     def objective(self, statistics, variance):
    ...         return statistics.log_likelihood / statistics.n
    ...     def maximise(self, statistics, variance):
    ...         return statistics.squares / statistics.n
    >>> rows = Rows.read(np.array([[1.0, -1.0], [3.0, -3.0]]))
    >>> float(run_em(Scale(), rows, lambda i: 1.0).parameters)
    5.0
    """

    def accumulate(self, rows, parameters) -> Statistics:
        """Make the E-step: what rows leave under the parameters.

        Parameters
        ----------
        rows : Rows
            All of them, or those of a block.
        parameters : object
            As the model keeps them.

        Returns
        -------
        Statistics
            What the M-step and the objective need, which adds up over rows.
        """

    def objective(self, statistics: Statistics, parameters) -> float:
        """What EM maximises, for one unit of weight.

        Parameters
        ----------
        statistics : Statistics
            Of all rows.
        parameters : object
            Those that the statistics were made under.

        Returns
        -------
        float
            The larger the better.
        """

    def maximise(self, statistics: Statistics, parameters):
        """Make the M-step: new parameters.

        Parameters
        ----------
        statistics : Statistics
            Of all rows.
        parameters : object
            Those that the statistics were made under.

        Returns
        -------
        object
            As the model keeps them.

        Raises
        ------
        DegenerateFitError
            A component collapsed.
        """

    def relative_change(self, old, new) -> float:
        """Largest change of a parameter in its own unit, for convergence by parameters or distance.

        Parameters
        ----------
        old, new : object
            Parameters before and after a step.

        Returns
        -------
        float
            Compared with `tol`.
        """

    def to_vector(self, parameters):
        """The parameters as unconstrained numbers, for acceleration.

        Parameters
        ----------
        parameters : object
            As the model keeps them.

        Returns
        -------
        ndarray of shape (n,)
            Any numbers stand for parameters.
        """

    def from_vector(self, vector, like):
        """Parameters from such numbers.

        Parameters
        ----------
        vector : ndarray of shape (n,)
            As :meth:`to_vector` makes them, or between such.
        like : object
            Parameters of the shape that is wanted.

        Returns
        -------
        object or None
            None where they overflow.
        """


class Components(Protocol):
    """What rows are distributed as, given what is hidden."""

    def mixed(self, rows, weights, parameters) -> Statistics:
        """The fused E-step of a mixture."""

    def maximise(self, statistics: Statistics, parameters):
        """Their part of the M-step."""

    def log_prior(self, parameters) -> float:
        """Their part of the objective beside the likelihood."""
