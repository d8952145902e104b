"""Fitted estimators in files: an npz archive of arrays and one JSON text, no pickle."""

import json
import os
import secrets
import zipfile
import zlib
from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

_VERSION = 1


def write_archive(path, header, arrays):
    """A header and arrays in one file, written beside `path` and then renamed."""
    path = Path(path)
    arrays = {**arrays, "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_archive(path, format_, version, problem):
    """The header and the arrays of a file; ValueError beginning with `problem` for a damaged or
    foreign one."""
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it holds one array")
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, AttributeError, RuntimeError, OverflowError,
            MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{problem}: {error}") from error
    if not isinstance(header, dict) or header.get("format") != format_:
        found = header.get("format") if isinstance(header, dict) else None
        raise ValueError(problem + (f": it holds {found}" if isinstance(found, str) else ""))
    if header.get("version") != version:
        raise ValueError(
            f"{path} has version {header.get('version')} of the format, this emkernels reads "
            f"version {version}")
    return header, arrays


def saved_parameters(model):
    """Constructor parameters as a file can hold them: no callback, and a `random_state` only
    where it is a whole number."""
    parameters = model.get_params(deep=False)
    parameters.pop("callback", None)
    if not isinstance(parameters.get("random_state"), (int, np.integer)):
        parameters["random_state"] = None
    return parameters


def save(model, path):
    """Write any fitted estimator: its parameters and its attributes that end in ``_``, and those
    that its class names in ``_saved``."""
    check_is_fitted(model)
    names = set(model.get_params(deep=False))
    state = {name: value for name, value in vars(model).items()
             if name not in names and not name.startswith("__")
             and ((name.endswith("_") and not name.startswith("_")) or name in model._saved)}
    arrays = {}
    header = {
        "format": _format(type(model)), "version": _VERSION,
        "parameters": {n: _encoded(v, arrays) for n, v in saved_parameters(model).items()},
        "state": {name: _encoded(value, arrays) for name, value in state.items()},
    }
    write_archive(path, header, arrays)


def load(cls, path):
    """A fitted estimator of the class from :func:`save`; ValueError for a damaged or foreign
    file."""
    problem = f"{path} is not a {cls.__name__} saved by emkernels, or it is damaged"
    header, arrays = read_archive(path, _format(cls), _VERSION, problem)
    try:
        parameters = {name: _decoded(v, arrays) for name, v in header["parameters"].items()}
        state = {name: _decoded(v, arrays) for name, v in header["state"].items()}
        model = cls(**parameters)
        for name, value in state.items():
            if not (name.endswith("_") and not name.startswith("_")) and name not in cls._saved:
                raise ValueError(f"{name!r} is no attribute of a fit")
            setattr(model, name, value)
        check_is_fitted(model)
        model._check_loaded()
        model._try_out()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{problem}: {error}") from error
    return model


def _format(cls):
    return f"emkernels.{cls.__name__}"


def _encoded(value, arrays):
    """A value as JSON has it; arrays go into `arrays` and are named."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, np.generic):
        value = np.asarray(value)
        kind = "scalar"
    elif isinstance(value, (tuple, list)):
        return {type(value).__name__: [_encoded(each, arrays) for each in value]}
    elif isinstance(value, (set, frozenset)):
        return {"set": [_encoded(each, arrays) for each in sorted(value)]}
    elif isinstance(value, dict):
        return {"dict": [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]}
    elif hasattr(value, "__array__"):
        value = np.asarray(value)
        kind = "array"
    else:
        raise TypeError(f"a {type(value).__name__} cannot be saved")
    if value.dtype == object:
        return {"objects": [_encoded(each, arrays) for each in value.ravel().tolist()],
                "shape": list(value.shape)}
    name = f"array{len(arrays)}"
    arrays[name] = value
    return {kind: name}


def _decoded(value, arrays):
    """What :func:`_encoded` was given."""
    if not isinstance(value, dict):
        return value
    if "objects" in value:
        out = np.empty(len(value["objects"]), object)
        out[:] = [_decoded(each, arrays) for each in value["objects"]]
        return out.reshape(value["shape"])
    (kind, content), = value.items()
    if kind == "float":
        return float.fromhex(content)
    if kind == "array":
        return arrays[content]
    if kind == "scalar":
        return arrays[content][()]
    if kind == "dict":
        return {_decoded(k, arrays): _decoded(v, arrays) for k, v in content}
    makes = {"tuple": tuple, "list": list, "set": frozenset}
    return makes[kind](_decoded(each, arrays) for each in content)
