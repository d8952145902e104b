"""Fitted estimators in files, all of one format, without pickle.

What is promised for files from strangers: reading one runs no code of it and makes no object but
plain values, arrays and those that :mod:`emkernels.models.encoding` lists; it takes no more memory
than a few times the size of the file, and thirty times that of its text, which is limited; and it
ends with an estimator whose parameters are those of a fit, or with ValueError. Whether that is the
fit somebody says it is, no file can show.
"""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import __version__
from emkernels.models.archives import read_archive, write_archive
from emkernels.models.encoding import count, decoded, encoded
from emkernels.models.loaded import OUTPUT, check_common

VERSION = 2
_LEFT_OUT = ("callback",)
# what is wrong with values that went past the checks of types
_DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError,
           RecursionError, MemoryError)


def saved_parameters(model):
    """Constructor parameters as a file can hold them: no callback, and a `random_state` only
    where it is a whole number."""
    parameters = model.get_params(deep=False)
    for name in _LEFT_OUT:
        parameters.pop(name, None)
    if "random_state" in parameters and not isinstance(
            parameters["random_state"], (int, np.integer)):
        parameters["random_state"] = None
    return parameters


def saved_attributes(model):
    """What a fit has left that a file holds: names that end in ``_``, those of `_saved`, and what
    `set_output` was told."""
    parameters = set(model.get_params(deep=False))
    return {name: value for name, value in vars(model).items()
            if name not in parameters and (_is_public(name) or name in _others(type(model)))}


def save(model, path):
    """Write any fitted estimator; TypeError, before anything is written, where something that it
    holds has no form in a file, ValueError where it could not be read again."""
    check_is_fitted(model)
    try:
        check(model)
    except _DAMAGE as error:
        raise ValueError(f"{type(model).__name__} cannot be saved: {error}") from error
    arrays, parts = {}, {}
    for part, values in (("parameters", saved_parameters(model)),
                         ("state", saved_attributes(model))):
        parts[part] = {}
        for name, value in values.items():
            try:
                parts[part][name] = encoded(value, arrays)
            except TypeError as error:
                raise TypeError(f"{type(model).__name__} cannot be saved: {name} is or has {error}"
                                ) from None
    header = {"format": format_of(type(model)), "version": VERSION, "emkernels": __version__}
    try:
        write_archive(path, {**header, **parts}, arrays)
    except ValueError as error:
        raise ValueError(f"{type(model).__name__} cannot be saved: {error}") from None


def read(path, what="an estimator"):
    """Header and arrays of a file, and what begins an error about it."""
    problem = f"{path} is not {what} saved by emkernels, or it is damaged"
    try:
        header, arrays = read_archive(path)
    except ValueError as error:
        raise ValueError(f"{problem}: {_brief(error)}") from error
    return header, arrays, problem


def load(cls, path):
    """A fitted estimator of the class; ValueError for a damaged or foreign file."""
    header, arrays, problem = read(path, f"a {cls.__name__}")
    if header.get("format") != format_of(cls):
        found = header.get("format")
        raise ValueError(f"{problem}: it holds " + (
            found[:80] if isinstance(found, str) else "nothing of it"))
    return restored(cls, header, arrays, path, problem)


def restored(cls, header, arrays, path, problem):
    """The estimator of a header of its format, and of arrays."""
    version, older = header.get("version"), cls._older_formats
    if not count(version) or version not in (VERSION, *older):
        who = header.get("emkernels")
        raise ValueError(
            f"{path} has version {str(version)[:20]} of the format"
            + (f", of emkernels {who[:20]}" if isinstance(who, str) else "")
            + f"; this emkernels reads version {VERSION} and older ones of {cls.__name__}")
    try:
        build = older.get(version) or _build
        model = build(cls, header, arrays)
        check_is_fitted(model)
        check(model)
    except _DAMAGE as error:
        raise ValueError(f"{problem}: {_brief(error)}") from error
    return model


def _brief(error):
    """What an error says, which may quote much of a file."""
    text = str(error) or type(error).__name__
    return text if len(text) <= 500 else f"{text[:497]}..."


def check(model):
    """An error where an estimator is none that a fit makes, or that can do its work."""
    model._validate_params()
    check_common(model)
    model._check_loaded()
    model._try_out()


def _build(cls, header, arrays):
    parameters, state = header.get("parameters"), header.get("state")
    if not isinstance(parameters, dict) or not isinstance(state, dict):
        raise ValueError("it has no parameters or no state")
    model = cls(**{name: decoded(value, arrays) for name, value in parameters.items()})
    for name, value in state.items():
        if not _is_public(name) and name not in _others(cls):
            raise ValueError(f"{name[:80]!r} is no attribute of a fit")
        setattr(model, name, decoded(value, arrays))
    return model


def format_of(cls):
    return f"emkernels.{cls.__name__}"


def _is_public(name):
    return name.endswith("_") and not name.startswith("_") and name.isidentifier()


def _others(cls):
    return (*cls._saved, *cls._kept, OUTPUT)
