"""What is pooled of results that others have fitted, as those of statsmodels."""

import numpy as np

from emkernels import _inputs


class Names(_inputs.Named):
    """Of parameters, or None."""

    def __init__(self, names):
        self.names = names


def estimates_of(results, complete_df=None):
    """Names, estimates (m, p), covariances (m, p, p) and degrees of freedom of fitted results, or
    those that are given; names and degrees of freedom are None where nothing is known of them.

    Raises
    ------
    TypeError
        What is no list of results.
    ValueError
        Names that differ, parameters without a covariance, other degrees of freedom.
    """
    if isinstance(results, (str, dict)) or hasattr(results, "params") or not hasattr(
            results, "__iter__"):
        raise TypeError(_wanted(f"got {type(results).__name__}"))
    results, wanted = list(results), []
    for i, result in enumerate(results):
        if not hasattr(result, "params") or not callable(getattr(result, "cov_params", None)):
            raise TypeError(_wanted(f"estimates[{i}] is {type(result).__name__}"))
        wanted.append(_named(result, i))
    values, covariances = [], []
    for i, (result, names) in enumerate(zip(results, wanted)):
        if (names is None) != (wanted[0] is None):
            raise ValueError(
                f"the parameters of estimates[{i}] have {'no ' if names is None else ''}names, "
                f"and those of estimates[0] have {'none' if wanted[0] is None else 'some'}: "
                f"{', '.join(names or wanted[0])}")
        _inputs.check_names(Names(names), wanted[0], f"estimates[{i}]", "estimates[0]")
        value = np.asarray(result.params, dtype=np.float64)
        covariance = result.cov_params()
        _inputs.check_names(covariance, names, f"cov_params() of estimates[{i}]",
                            f"params of estimates[{i}]")
        covariance = np.asarray(covariance, dtype=np.float64)
        if covariance.shape != (len(value), len(value)):
            raise ValueError(f"estimates[{i}] has {len(value)} params, and cov_params() of the "
                             f"shape {covariance.shape}: pool(estimates, variances) takes arrays")
        if value.shape != np.shape(results[0].params):
            raise ValueError(f"estimates[{i}] has {len(value)} params, and estimates[0] "
                             f"{len(results[0].params)}")
        values.append(value)
        covariances.append(covariance)
    return (wanted[0] if wanted else None, np.array(values), np.array(covariances),
            _complete_df(results) if complete_df is None else complete_df)


def are_results(estimates):
    """Whether there are fitted results in a list, which have their covariances."""
    return isinstance(estimates, (list, tuple)) and any(
        callable(getattr(each, "cov_params", None)) for each in estimates)


def _wanted(got):
    return ("pool needs estimates and variances, or a list of fitted results with params and "
            f"cov_params(): {got}")


def _named(result, i):
    """The names of the parameters, None where there are none."""
    params = result.params
    if np.ndim(params) != 1:
        raise ValueError(f"params of estimates[{i}] must have one dimension, got the shape "
                         f"{np.shape(params)}: pool(estimates, variances) takes arrays")
    names = _inputs.names_of(params)
    labels = getattr(params, "index", None)
    if names is None and hasattr(labels, "equals"):     # numbers, of columns without names
        names = tuple(map(str, labels))
    if names is None:       # statsmodels of arrays
        names = getattr(getattr(result, "model", None), "exog_names", None)
        usable = isinstance(names, list) and len(names) == len(params) and all(
            isinstance(name, str) for name in names)
        names = tuple(names) if usable else None
    return names


def _complete_df(results):
    """The residual degrees of freedom that all results have."""
    found = [getattr(result, "df_resid", None) for result in results]
    if not all(np.ndim(df) == 0 and df is not None and np.isfinite(df) and df > 0 for df in found):
        return None
    other = next((i for i, df in enumerate(found) if df != found[0]), None)
    if other is not None:
        raise ValueError(
            f"df_resid of estimates[{other}] is {found[other]:g}, that of estimates[0] "
            f"{found[0]:g}: the analyses are of other rows or models (complete_df= says which "
            "degrees of freedom are meant)")
    return float(found[0]) if found else None
