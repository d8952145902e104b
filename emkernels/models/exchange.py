"""What estimators of scikit-learn and ours have in common."""

from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted


def check_sklearn(estimator, kind):
    """TypeError for what is not a fitted estimator of this class of scikit-learn."""
    if not isinstance(estimator, kind):
        raise TypeError(f"from_sklearn takes a fitted {kind.__module__.partition('.')[0]} "
                        f"{kind.__name__}, got {type(estimator).__module__}."
                        f"{type(estimator).__name__}")
    check_is_fitted(estimator)


def shared_parameters(source, target):
    """Parameters of one that the other has too, where it takes their values."""
    known, found = target.get_params(deep=False), {}
    for name, value in source.get_params(deep=False).items():
        if name not in known:
            continue
        constraints = {name: target._parameter_constraints[name]}
        try:
            validate_parameter_constraints(constraints, {name: value}, type(target).__name__)
        except InvalidParameterError:
            continue
        found[name] = value
    return found


def names_between(source, target):
    """The columns of the fit."""
    if hasattr(source, "n_features_in_"):       # scikit-learn's may be put together by hand
        target.n_features_in_ = source.n_features_in_
    if hasattr(source, "feature_names_in_"):
        target.feature_names_in_ = source.feature_names_in_.copy()
