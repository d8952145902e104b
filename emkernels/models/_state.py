"""What every estimator has: a version in its pickles, and a word on attributes of its relatives."""

import functools
import inspect
import warnings

from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import validate_parameter_constraints

from emkernels import __version__

_KEY = "_emkernels_version"


class VersionWarning(InconsistentVersionWarning):
    """A pickle was written by another version of emkernels."""

    def __str__(self):
        return (
            f"{self.estimator_name} was pickled by emkernels {self.original_sklearn_version} and "
            f"is read by {self.current_sklearn_version}: its attributes may not be what this "
            "version takes them for. Fit it again, or read it with the version that wrote it")


class Stateful:
    """To be inherited from before BaseEstimator.

    A subclass may have ``_elsewhere``, names that people look for here and where to find them.
    """

    _elsewhere: dict = {}

    def __getstate__(self):
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(_KEY, "of an unknown version")
        if version != __version__:
            warnings.warn(VersionWarning(
                estimator_name=type(self).__name__, current_sklearn_version=__version__,
                original_sklearn_version=version), stacklevel=2)
        # parameters that have come since are as they were without
        super().__setstate__({**_defaults(type(self)), **state})

    @classmethod
    def _get_param_names(cls):
        # a signature takes longer to read than many a fit of few rows
        if "_param_names" not in vars(cls):
            cls._param_names = super()._get_param_names()
        return list(cls._param_names)

    def _validate_params(self):
        """TypeError or ValueError for a parameter that cannot be; defaults can."""
        # (those of somebody's subclass may not be)
        own = type(self).__module__.partition(".")[0] == __name__.partition(".")[0]
        defaults, nothing = _defaults(type(self)) if own else {}, object()
        given = {name: value for name, value in self.get_params(deep=False).items()
                 if value is not defaults.get(name, nothing)}
        validate_parameter_constraints(self._parameter_constraints, given, type(self).__name__)

    def __getattr__(self, name):
        # only called for what is not there
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in type(self)._elsewhere:
            text += f": {type(self)._elsewhere[name]}"
        raise AttributeError(text, name=name, obj=self)


@functools.cache
def _defaults(cls):
    """Parameters of a class and what they are where nothing is said of them."""
    return {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()
            if parameter.default is not parameter.empty}
