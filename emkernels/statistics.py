"""Where the sufficient statistics were before they had a room."""

from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import kernel_structure

__all__ = ["SufficientStatistics", "second_shape"]


def second_shape(covariance_type, n_components, n_features):
    """Shape of the second moments (and of covariances) of a covariance type.

    Parameters
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which moments are shared, or left out.
    n_components, n_features : int
        How many there are.

    Returns
    -------
    tuple of int
        Of `SufficientStatistics.second`.

    Raises
    ------
    ValueError
        An unknown covariance type.

    See Also
    --------
    emkernels.SufficientStatistics : Whose second moments have it.

    Examples
    --------
    >>> from emkernels.statistics import second_shape
    >>> second_shape("full", 3, 2), second_shape("diag", 3, 2)
    ((3, 2, 2), (3, 2))
    """
    return kernel_structure(covariance_type).shape(n_components, n_features)
