"""Checks of what a user passes beside and as rows, each with a named error."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.utils import _param_validation, check_array
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _get_feature_names,
    check_is_fitted,
)

from emkernels import _inputs, kernels

_OPTIONS = {"dtype": [np.float64, np.float32], "ensure_all_finite": False, "input_name": "X"}


class Interval(_param_validation.Interval):
    """An interval of numbers; True and False are none."""

    def is_satisfied_by(self, val):
        return not isinstance(val, (bool, np.bool_)) and super().is_satisfied_by(val)


def one_of(*names):
    """Any of these texts; a message lists them in this order, not in that of a set."""
    return _param_validation.StrOptions(dict.fromkeys(names).keys())


def patterns_where_missing(X, names=None, n_threads=1):
    """The patterns of missing values, None where there are none, and the largest absolute value;
    ValueError for an infinity."""
    try:
        return None, kernels.check_finite(X, "X", n_threads)
    except ValueError:
        patterns = missing_patterns(X, names)
        if not patterns.n_missing.any():        # n_threads
            raise
        return patterns, patterns.largest


def missing_patterns(X, names=None):
    """Those of the kernels; an infinity is named by the name of its column."""
    try:
        return kernels.missing_patterns(X)
    except ValueError:
        infinite = np.isinf(X)
        if names is None or not infinite.any():
            raise
        where = _inputs.place(np.argwhere(infinite)[0], names)
        raise ValueError(f"X contains infinity, first at {where}") from None


def read_array(X, estimator, min_samples=1):
    """A float32 or float64 array, in place where it is one, and the names of the columns as
    messages have them, None where there are none."""
    table, names = _inputs.as_table(X)
    if estimator is None:
        return check_table(table, "X"), names
    if table is X and table.ndim == 2 and len(table) >= min_samples and table.shape[1]:
        return table, names         # a plain array, of which nothing is left to be asked
    return check_array(
        table, estimator=estimator, ensure_min_samples=min_samples, **_OPTIONS), names


def check_table(values, name):
    """The table, which has two axes and is not empty."""
    if values.ndim != 2:
        raise ValueError(f"{name} must be a 2-d table, got {values.ndim} dimension(s)")
    if 0 in values.shape:
        raise ValueError(f"{name} is empty: {values.shape[0]} rows, {values.shape[1]} columns")
    return values


def check_columns_of_fit(estimator, X):
    """That an estimator is fitted, and to columns of these names."""
    check_is_fitted(estimator)
    if isinstance(X, _inputs.NamedTable):
        return check_names_of_fit(estimator, X.names)
    _inputs.refuse_unread(X, "X")
    _check_feature_names(estimator, X, reset=False)


def check_rows_of_fit(estimator, rows):
    """The same of rows that were read before."""
    check_is_fitted(estimator)
    check_names_of_fit(estimator, rows.feature_names)
    check_width(estimator, rows.X)


def check_names_of_fit(estimator, names):
    """ValueError where columns have other names than those that an estimator was fitted to."""
    wanted = getattr(estimator, "feature_names_in_", None)
    if wanted is not None and names is not None and list(names) != list(wanted):
        raise ValueError(
            "The feature names should match those that were passed during fit: "
            f"{', '.join(map(repr, wanted))}, not {', '.join(map(repr, names))}")


def names_of_fit(estimator):
    """The names of the columns that an estimator was fitted to, None where they have none."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(names)


def titles_of_fit(estimator):
    """What results call the columns of the fit: their names, or x0, x1, ..."""
    names = names_of_fit(estimator)
    return [f"x{j}" for j in range(estimator.n_features_in_)] if names is None else [
        str(name) for name in names]


def check_width(estimator, array):
    """ValueError where there are more or fewer columns than in the fit."""
    _check_n_features(estimator, array, reset=False)


def check_enough(rows, estimator, min_samples):
    """ValueError where rows that were read before are too few."""
    if estimator is not None and len(rows) < min_samples:
        if hasattr(rows, "n_blocks"):
            raise ValueError(f"the source has {len(rows)} row, and {type(estimator).__name__} "
                             f"needs {min_samples}")
        check_array(rows.X, estimator=estimator, ensure_min_samples=min_samples, **_OPTIONS)


def feature_names_of(X, estimator):
    """The names of columns as scikit-learn has them; for an estimator, TypeError for some that
    are texts and some that are not."""
    if isinstance(X, _inputs.NamedTable):
        return np.array(X.names, object)
    try:
        return _get_feature_names(X)
    except TypeError:
        if estimator is not None:
            raise
        return None


def index_of(X):
    """What labels the rows of X, None where nothing does."""
    index = getattr(X, "index", None)
    return index if hasattr(index, "equals") else None


def check_complete(X, what, names=None, n_threads=1):
    """The largest absolute value of X; ValueError for a NaN or an infinity."""
    try:
        return kernels.check_finite(X, "X", n_threads)
    except ValueError as error:
        found = np.argwhere(~np.isfinite(X))
        if not len(found):      # n_threads
            raise
        text = f"X contains NaN or infinity, first at {_inputs.place(found[0], names)}"
        if not np.isnan(X).any():
            raise ValueError(text) from error
        raise ValueError(
            f"{text}. {what} needs complete rows; GaussianMixture and the imputers take NaN as "
            "missing"
        ) from None


def refuse_masked(X, what):
    """TypeError for masked cells, where nothing can be missing."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        where = _inputs.place(np.argwhere(np.ma.getmaskarray(X))[0])
        raise TypeError(
            f"X is a masked array with masked cells, first at {where}, and {what} needs complete "
            "rows; GaussianMixture and the imputers take them as missing")


def check_labelled(estimator, rows, sample_weight=None, labels=None):
    """What a fit gets beside the rows, where it is labelled, is labelled as they are: rows of
    weights and labels, columns of parameters."""
    _inputs.check_same_rows(rows, sample_weight, "sample_weight")
    _inputs.check_same_rows(rows, labels, "labels")
    names = rows.names
    if names is None:
        return
    for name in ("means_init", "precisions_init", "init", "min_value", "max_value"):
        _inputs.check_names(getattr(estimator, name, None), names, name, "X")
    for name in ("covariance_prior", "prior"):
        prior = getattr(estimator, name, None)
        if isinstance(prior, (tuple, list)) and len(prior) == 2:
            _inputs.check_names(prior[1], names, f"the scale of {name}", "X")


def check_magnitude(X, largest, name="X", n_samples=None, names=None):
    """ValueError naming the place of the largest absolute value, where sums of squares of
    n_samples rows (len(X) when None) overflow in the precision of X (float64 for the sums)."""
    n_samples = X.shape[0] if n_samples is None else n_samples
    room = 1024 if X.dtype == np.float32 else n_samples
    limit = float(np.sqrt(np.finfo(X.dtype).max / (4 * room * X.shape[1])))
    if largest > limit:     # of parts of a table it may be that of another part
        largest = float(np.nanmax(np.abs(X), initial=0))
    if largest > limit:
        row, column = np.argwhere(np.abs(X) == largest)[0]
        raise ValueError(
            f"{name} is too large for {X.dtype}: {X[row, column]:.6g} at "
            f"{_inputs.place((row, column), names)}; sums of squares overflow beyond {limit:.3g}. "
            "Rescale the column"
            + (" or pass float64" if X.dtype == np.float32 else "")
        )


def answered(values, rows):
    """What follows from rows, in their type; ValueError naming the first row of which it is not
    finite, as where its values are so large that it overflows."""
    with np.errstate(over="ignore"):
        values = values.astype(rows.dtype, copy=False)
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        row = np.argwhere(~np.isfinite(values))[0][0]
        raise ValueError(f"X is too large for {rows.dtype} at row {row}: what follows from its "
                         "values overflows. Rescale the columns"
                         + (" or pass float64" if rows.dtype == np.float32 else ""))
    return values


def check_magnitude_of(rows):
    """The same of rows, or of blocks of rows."""
    if not hasattr(rows, "n_blocks"):
        check_magnitude(rows.X, rows.largest, names=rows.places)
        return
    room = 1024 if rows.dtype == np.float32 else rows.n_rows
    limit = float(np.sqrt(np.finfo(rows.dtype).max / (4 * room * rows.n_features)))
    if rows.largest > limit:
        at = rows.reduce(_first_beyond, limit)
        raise ValueError(
            f"X is too large for {rows.dtype}: {at.value:.6g} at block {at.block}, "
            f"{_inputs.place(at.index, rows.places)}; "
            f"sums of squares overflow beyond {limit:.3g}. Rescale the column"
            + (" or pass float64" if rows.dtype == np.float32 else ""))


@dataclass
class _Beyond:
    """The first cell that is too large."""

    value: float
    block: int
    index: tuple

    def merge(self, other):
        return self


def _first_beyond(rows, limit):
    if rows.largest <= limit:
        return None
    index = tuple(np.argwhere(np.abs(rows.X) > limit)[0])
    return _Beyond(float(rows.X[index]), rows.block, index)


def check_columns_observed(rows):
    """ValueError naming the first column that is missing in every row."""
    names = rows.names
    if not rows.has_missing:
        return
    if hasattr(rows, "n_blocks"):
        _say_empty(rows.ranges().counts == 0, names)
        return
    patterns, empty = rows.patterns, np.ones(rows.n_features, bool)
    for first in range(0, patterns.n_patterns, 4096):
        empty &= patterns.masks_of(slice(first, first + 4096)).all(axis=0)
        if not empty.any():
            return
    _say_empty(empty, names)


def _say_empty(empty, names):
    if not empty.any():
        return
    column = int(empty.argmax())
    raise ValueError("X has no observed value in column "
                     f"{column if names is None else repr(names[column])}")


def remember_columns(estimator, rows):
    """Set n_features_in_ and feature_names_in_ once a fit has succeeded."""
    estimator.n_features_in_ = rows.n_features
    remember_blocks(estimator, rows)
    if rows.feature_names is not None:
        estimator.feature_names_in_ = rows.feature_names
    elif "feature_names_in_" in vars(estimator):
        del estimator.feature_names_in_


def remember_blocks(estimator, rows):
    """Set n_blocks_ and n_rows_ after a fit of blocks; one of rows has none."""
    for name in ("n_blocks", "n_rows"):
        vars(estimator).pop(f"{name}_", None)
        if hasattr(rows, "n_blocks"):
            setattr(estimator, f"{name}_", getattr(rows.survey, name))


def numbers(values, name):
    """A float64 array of its own, C-contiguous; text and its like are named by cell."""
    return np.array(_inputs.as_rows(values, name, missing=False), dtype=np.float64, order="C")


def check_numbers_finite(values, name):
    """ValueError for a NaN or an infinity among parameters, which says where."""
    if not np.isfinite(values).all():
        at = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
        raise ValueError(f"{name} contains NaN or infinity, first at {at}")


def check_parameter(values, name, shape):
    """A float64 array of that shape, finite; None for None."""
    if values is None:
        return None
    array = numbers(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    check_numbers_finite(array, name)
    return array


def check_sample_weight(sample_weight, X, largest=0.0):
    """Contiguous float64 weights or None; a number is that of every row. ValueError also where
    sums of squares of X, whose largest absolute value is given, would overflow."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real) and not isinstance(sample_weight, bool):
        sample_weight = np.full(len(X), float(sample_weight))
    weight = kernels.check_sample_weight(sample_weight, X.shape[0])
    row = int(weight.argmax())
    heaviest = float(weight[row])
    squares = len(X) * (4 * X.shape[1] * largest * largest + 1)
    # (where these are no number by themselves, it is not the weight that is too large)
    if squares < np.inf and not heaviest * squares < np.inf:
        raise ValueError(
            f"sample_weight is too large: with {heaviest:.6g} at row {row}, weighted sums "
            "of squares overflow"
        )
    return weight


def check_labels(labels, n_samples, n_components):
    """Known components as int32 and what they are called, or None twice."""
    if labels is None:
        return None, None
    return _inputs.as_labels(labels, n_samples, n_components)


def check_known(rows, n_components):
    """ValueError for rows whose labels ask for more components."""
    if rows.n_named > n_components:
        raise ValueError(f"the labels in the rows must lie in -1 .. {n_components - 1}, got "
                         f"{rows.n_named - 1}")
