"""What a fit holds as JSON and arrays, and back.

Plain values, arrays, collections of these, and objects of the classes that are registered here by
name, each with what its attributes may be: reading makes nothing else and calls no other code.
"""

import numpy as np
from sklearn.impute import MissingIndicator

from emkernels._extras import optional
from emkernels.components.gaussian.degenerate import Examination
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.parameters import Gaussians, Scaling
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import STRUCTURES, Structure, structure_of
from emkernels.components.uniform import Uniform
from emkernels.em.stepwise import Pace
from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.latent.standardised import Standardised
from emkernels.latent.stream import Stream


def numbers(value):
    """Whether these are finite numbers of float64."""
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and bool(
        np.isfinite(value).all())


def places(value):
    """Whether these are places of columns in rising order."""
    return isinstance(value, np.ndarray) and value.dtype == np.int64 and value.ndim == 1 and (
        not len(value) or bool(value[0] >= 0 and (np.diff(value) > 0).all()))


def number(value):
    """Whether it is a number that is finite."""
    return (isinstance(value, (int, float, np.integer, np.floating))
            and not isinstance(value, bool) and bool(np.isfinite(value)))


def bound(value):
    """Whether it is a number, or minus infinity, as objectives are where nothing is known."""
    return number(value) or (isinstance(value, (float, np.floating)) and value == -np.inf)


def count(value):
    """Whether it is a whole number that is not negative."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0


def absent(value):
    return value is None


# --- objects ------------------------------------------------------------------------------------

_KINDS, _NAMES = {}, {}


def register(cls, make=None, take=getattr, name=None, **attributes):
    """Let files hold objects of a class.

    Parameters
    ----------
    cls : type
    make : callable, optional
        Makes one of the attributes; the class.
    take : callable
        ``take(object, name)`` gives an attribute.
    name : str, optional
    **attributes
        For each a class, a function that says whether a value will do, or a tuple of these.
    """
    name = name or cls.__name__
    _KINDS[name] = make or cls, attributes
    _NAMES[cls] = name, take


def registered():
    """The classes that files may hold objects of."""
    return list(_NAMES)


def _fits(value, wanted):
    if isinstance(wanted, tuple):
        return any(_fits(value, each) for each in wanted)
    return isinstance(value, wanted) if isinstance(wanted, type) else wanted(value)


def _structure(name, **attributes):
    if name not in STRUCTURES:
        raise ValueError("a covariance type that is none")
    return structure_of(name, **attributes)


def _stream(model, parameters, n_parameters, statistics, pace, log_likelihood, **others):
    out = Stream(model, parameters, n_parameters, statistics, pace, log_likelihood=log_likelihood)
    for name, value in others.items():
        setattr(out, name, value)
    return out


def _statistics(covariance_type, centers, counts, first, second, log_likelihood, **others):
    out = SufficientStatistics(covariance_type, centers, counts, first, second, log_likelihood)
    for name, value in others.items():
        setattr(out, name, value)
    return out


def _gaussians(known_covariances, **others):
    return Gaussians(covariances=known_covariances, **others)


def _mixture(components, concentration, fixed_weights):
    return Mixture(components, concentration=concentration, fixed_weights=fixed_weights)


def _indicator(features_, n_features):
    """A fitted MissingIndicator of these columns."""
    if (features_.size and features_[-1] >= n_features) or not n_features:
        raise ValueError("an indicator of columns that are not there")
    row = np.zeros((1, n_features))
    row[0, features_] = np.nan
    return MissingIndicator(error_on_new=False).fit(row)


def _of_indicator(indicator, name):
    return indicator.features_ if name == "features_" else indicator.n_features_in_


_optional = (numbers, absent)
register(Pace, n_batches=count, weight=number, n_rows=count)
register(Scaling, center=numbers, scale=numbers)
register(CovariancePrior, dof=number, scale=(numbers, number))
register(Uniform, box=numbers, log_density=number)
for _each in STRUCTURES.values():
    register(_each, _structure, name="Structure", reg_covar=(number, numbers),
             prior=(CovariancePrior, absent), floor=number, rounding=number)
    _KINDS["Structure"][1]["name"] = str
register(Gaussians, _gaussians, structure=Structure, means=numbers, known_covariances=_optional,
         precisions_cholesky=numbers, n_floored=count)
register(GaussianComponents, structure=Structure, fixed=frozenset)
register(MixtureParameters, weights=numbers, components=Gaussians, noise=(Uniform, absent))
register(Mixture, _mixture, components=GaussianComponents, concentration=_optional,
         fixed_weights=bool)
register(Standardised, model=Mixture, scaling=Scaling)
register(SufficientStatistics, _statistics, covariance_type=str, centers=numbers, counts=numbers,
         first=numbers, second=numbers, log_likelihood=bound, total=(number, absent),
         n_rows=(number, absent), noise=(number, absent), pairs=(number, absent))
register(Stream, _stream, model=(Mixture, Standardised), parameters=MixtureParameters,
         shown=MixtureParameters, n_parameters=number,
         statistics=(SufficientStatistics, absent), pace=Pace, log_likelihood=(bound, absent),
         held=bool, bound=bound)
register(Examination, reg_covar=(number, numbers), spikes=dict, deviations=dict,
         few_rows=(count, absent), dead=list, twins=list, drowned=list, constant=list)
register(MissingIndicator, _indicator, _of_indicator, features_=places, n_features=count)


# --- values -------------------------------------------------------------------------------------

def encoded(value, arrays):
    """A value as JSON has it; arrays go into `arrays` and are named. TypeError for what has no
    form."""
    if value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, np.generic):
        value, kind = np.asarray(value), "scalar"
    elif isinstance(value, float):
        return {"float": value.hex()}
    elif isinstance(value, (tuple, list)):
        return {type(value).__name__: [encoded(each, arrays) for each in value]}
    elif isinstance(value, (set, frozenset)):
        return {"set": [encoded(each, arrays) for each in sorted(value)]}
    elif isinstance(value, dict):
        return {"dict": [[encoded(k, arrays), encoded(v, arrays)] for k, v in value.items()]}
    elif type(value) in _NAMES:
        name, take = _NAMES[type(value)]
        return {"object": [name, {each: encoded(take(value, each), arrays)
                                  for each in _KINDS[name][1]}]}
    elif type(value).__name__ == "NAType" and type(value).__module__.startswith("pandas."):
        return {"absent": "pandas"}
    elif hasattr(value, "__array__"):
        value, kind = np.asarray(value), "array"
    else:
        raise TypeError(f"a {type(value).__name__}, which has no form in a file")
    if value.dtype == object:
        return {"objects": [encoded(each, arrays) for each in value.ravel().tolist()],
                "shape": list(value.shape)}
    name = f"array{len(arrays)}"
    arrays[name] = value
    return {kind: name}


def decoded(value, arrays):
    """What :func:`encoded` was given; ValueError for anything else."""
    if not isinstance(value, dict):
        if isinstance(value, (list, float)):
            raise ValueError("a value that is not written as these files write it")
        return value
    if value.keys() == {"objects", "shape"}:
        items = [decoded(each, arrays) for each in _listed(value["objects"])]
        shape = _listed(value["shape"])
        if not all(count(n) for n in shape) or np.prod([float(n) for n in shape]) != len(items):
            raise ValueError("an array of another size than its shape")
        out = np.empty(len(items), object)
        out[:] = items
        return out.reshape(shape)
    if len(value) != 1:
        raise ValueError("a value that is not written as these files write it")
    (kind, content), = value.items()
    if kind not in _DECODERS:
        raise ValueError(f"a value of kind {kind[:80]!r}, which no such file has")
    return _DECODERS[kind](content, arrays)


def _listed(content):
    if not isinstance(content, list):
        raise ValueError("something that should be a list")
    return content


def _float(content, arrays):
    if not isinstance(content, str):
        raise ValueError("a number that is not written as these files write it")
    try:
        return float.fromhex(content)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _array(content, arrays):
    if not isinstance(content, str) or content not in arrays:
        raise ValueError("an array that is not there")
    return arrays[content]


def _scalar(content, arrays):
    found = _array(content, arrays)
    if found.ndim:
        raise ValueError("an array where a number was")
    return found[()]


def _dict(content, arrays):
    pairs = [_listed(pair) for pair in _listed(content)]
    if not all(len(pair) == 2 for pair in pairs):
        raise ValueError("pairs that are none")
    return {decoded(key, arrays): decoded(each, arrays) for key, each in pairs}


def _object(content, arrays):
    """An object of a class that is registered, of attributes that will do."""
    content = _listed(content)
    name, attributes = content if len(content) == 2 else (None, None)
    if not isinstance(name, str) or name not in _KINDS or not isinstance(attributes, dict):
        raise ValueError("an object that no such file has")
    make, wanted = _KINDS[name]
    if attributes.keys() != wanted.keys():
        raise ValueError(f"a {name} of other attributes than it has")
    found = {each: decoded(part, arrays) for each, part in attributes.items()}
    for each, part in found.items():
        if not _fits(part, wanted[each]):
            raise ValueError(f"a {name} whose {each} cannot be")
    # what is as long as a number says is as long as an array of the file
    if name == MissingIndicator.__name__ and not any(
            each.shape == (found["n_features"],) for each in arrays.values()):
        raise ValueError("an indicator of columns that are not there")
    return make(**found)


def _na(content, arrays):
    return optional("pandas", "what stands for missing values in this file", "cli").NA


def _collection(make):
    return lambda content, arrays: make(decoded(each, arrays) for each in _listed(content))


_DECODERS = {"float": _float, "array": _array, "scalar": _scalar, "dict": _dict,
             "object": _object, "absent": _na, "tuple": _collection(tuple),
             "list": _collection(list), "set": _collection(frozenset)}
