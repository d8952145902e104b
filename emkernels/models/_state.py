"""What every estimator has: a version in its pickles, and a word on attributes of its relatives."""

import functools
import inspect
import warnings

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import validate_parameter_constraints

from emkernels import __version__
from emkernels.models import persistence

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

    A subclass may have ``_elsewhere``, names that people look for here and where to find them. Of
    files it says, beside the attributes that end in ``_``: ``_saved``, what every fit leaves, and
    ``_kept``, what some do; :meth:`_check_loaded`; and ``_older_formats``, versions that it reads,
    each with a function ``(cls, header, arrays)``, or None where it is written as today.
    """

    _elsewhere: dict = {}
    _saved: tuple = ()
    _kept: tuple = ()
    _older_formats: dict = {}

    def __getstate__(self):
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(_KEY, "of an unknown version")
        if version != __version__:
            warnings.warn(VersionWarning(
                estimator_name=type(self).__name__, current_sklearn_version=__version__,
                original_sklearn_version=version), stacklevel=2)
        # arrays of buffers that came by a network need not be aligned
        state = {name: value.copy() if isinstance(value, np.ndarray) and not value.flags.aligned
                 else value for name, value in state.items()}
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

    # --- files ---------------------------------------------------------------------------

    def save(self, path):
        """Write the parameters and the fit to one file (npz with JSON, no pickle).

        The file is written beside `path` and then renamed. It holds the state of a stream of
        `partial_fit`, where there is one, and what `set_output` was told. A `callback` is not
        saved; a `random_state` only where it is an integer.

        Parameters
        ----------
        path : str or path-like
            Where the file goes; one that is there is replaced.

        Raises
        ------
        TypeError
            Something of the estimator, such as a callable `init`, has no form in a file. Nothing is
            written.
        ValueError
            Parameters or attributes that were put in since the fit cannot be, and a file of them
            would not be read. Nothing is written.
        sklearn.exceptions.NotFittedError
            There is no fit.

        See Also
        --------
        load : Of this class; :func:`emkernels.load` reads files of every class.
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path):
        """A fitted estimator from a file of :meth:`save`.

        Reading a file runs no code of it and takes no more memory than a few times its size; what
        it says is checked, so that files of strangers do no harm but that of their numbers.

        Parameters
        ----------
        path : str or path-like
            A file of this class.

        Returns
        -------
        object of this class
            It predicts, scores and draws with the bits of the one that was saved, and a stream goes
            on with them.

        Raises
        ------
        ValueError
            A damaged or foreign file, or one of a later version; the message names it and says what
            is wrong.
        OSError
            There is no such file, or it cannot be opened.
        """
        return persistence.load(cls, path)

    def _check_loaded(self):
        """ValueError where what was read from a file cannot be a fit."""

    def _try_out(self):
        """ValueError or the like where what was read from a file cannot do the work of a fit."""
        for name in self._saved:
            getattr(self, name)     # AttributeError where it is not there

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
