"""Whether a change of the code changes a result: hashes of all that some 1300 calls give.

    python tests/fingerprints.py record FILE [--only TEXT] [--threads N]
    python tests/fingerprints.py compare FILE [--only TEXT] [--threads N]

`record` fits, calls and refuses through the public faces alone, at every SIMD level of this
machine, and writes what came out to FILE: the type, shape and a hash of every array, numbers as
they are, warnings, errors and what was printed. `compare` does it again and lists what differs;
its exit status is then 1. The first is for the code before a change, the second for that after
it. TEXT picks the cases whose name contains it; results do not depend on N. A FILE is of one
machine: linear algebra gives other bits on another processor or with other libraries.
"""

import argparse
import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import itertools
import json
import os
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from sklearn.base import BaseEstimator

import emkernels
from emkernels import (
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    SufficientStatistics,
    compare_clusterings,
    kernels,
    little_mcar_test,
    missing_data_summary,
    pool,
    segment_image,
    select_mixture,
)
from emkernels.cli import main as command_line

TYPES = ("full", "tied", "diag", "spherical")
DTYPES = ("float32", "float64")
STARTS = ("kmeans", "k-means++", "random", "random_from_data")
RULES = ("lower_bound", "parameters", "distance")
THREADS = 1     # set by --threads

_CASES = []     # groups: functions that yield a name and what to call


def group(function):
    _CASES.append(function)
    return function


# --- what came out, in short ---------------------------------------------------------------


def _sha(*parts):
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def short(value):
    """A number or a text as it is, an array by its type, shape and hash."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return value if isinstance(value, str) else repr(value)
    if isinstance(value, np.generic):
        return f"{value.dtype} {value.item()!r}"
    if isinstance(value, np.ndarray) and value.dtype != object:
        bytes_ = np.ascontiguousarray(value).tobytes()
        return f"{value.dtype.str} {value.shape} {_sha(value.dtype.str, value.shape, bytes_)}"
    if isinstance(value, np.ndarray):
        return f"object {value.shape} {_sha(*map(short, value.ravel().tolist()))}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes {_sha(value)}"
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [short(item) for item in value]
        parts = sorted(parts) if isinstance(value, (set, frozenset)) else parts
        text = f"{type(value).__name__} of {len(parts)}: {', '.join(parts)}"
        return text if len(text) < 120 else f"{text[:40]}... {_sha(*parts)}"
    raise TypeError(f"nothing is known of {type(value).__name__}")


def attributes(thing):
    """Names of what a fit has left behind, or of what a result holds."""
    if isinstance(thing, BaseEstimator):
        return [name for name in sorted({*dir(type(thing)), *vars(thing)})
                if name.endswith("_") and not name.startswith("_")]
    if dataclasses.is_dataclass(thing):
        return [field.name for field in dataclasses.fields(thing)]
    if hasattr(thing, "_fields"):
        return list(thing._fields)
    known = {
        "MissingPatterns": "n_features order offsets counts n_missing masks largest n_patterns "
                           "n_missing_values n_samples",
        "SufficientStatistics": "covariance_type centers counts first second log_likelihood",
        "Segmentation": "labels n_segments n_nodata colors sizes fractions posteriors model method "
                        "smoothness selection n_iter converged lower_bounds limits lines "
                        "without_data",
        "DataFrame": "columns index values",
    }
    return known[type(thing).__name__].split() if type(thing).__name__ in known else None


UNTOLD = {"kmeans_seconds", "mixture_seconds"}      # wall times


def flat(name, value, out):
    """Put `value` into `out`, part by part."""
    names = attributes(value)
    if isinstance(value, dict):
        for key, item in value.items():
            flat(f"{name}.{key}" if name else str(key), item, out)
    elif names is not None:
        for each in names:
            try:
                part = getattr(value, each)
            except AttributeError:      # a property of other fits
                continue
            except Exception as error:
                part = f"{type(error).__name__}: {error}"
            if each not in UNTOLD:
                flat(f"{name}.{each}" if name else each, part, out)
    elif type(value).__name__ in ("Index", "RangeIndex"):
        out[name] = short(list(value))
    elif isinstance(value, (list, tuple)) and any(
            isinstance(item, (np.ndarray, dict)) or attributes(item) for item in value):
        for i, item in enumerate(value):
            flat(f"{name}[{i}]", item, out)
    else:
        out[name] = short(value)


_TIMES = re.compile(r"\d+(\.\d+)? ?(ms|s|min|seconds?)\b")


def told(text):
    """A text without what the clock has put into it."""
    return _TIMES.sub("TIME", text)


def outcome(call):
    """All that a call gives: values, what it prints, warnings, and its error."""
    out, streams = {}, (io.StringIO(), io.StringIO())
    with (warnings.catch_warnings(record=True) as heard, contextlib.redirect_stdout(streams[0]),
          contextlib.redirect_stderr(streams[1])):
        warnings.simplefilter("always")
        try:
            value = call()
        except Exception as error:
            value = {"raised": f"{type(error).__name__}: {told(str(error))}"}
        flat("", value if isinstance(value, dict) else {"result": value}, out)
    for i, warning in enumerate(heard):
        out[f"warning {i}"] = f"{warning.category.__name__}: {told(str(warning.message))}"
    for name, stream in zip(("printed", "printed to stderr"), streams):
        if stream.getvalue():
            out[name] = told(stream.getvalue())
    return out


# --- data -------------------------------------------------------------------------------------


def _closed(array):
    array.flags.writeable = False
    return array


@functools.lru_cache(maxsize=64)
def rows(n=300, d=4, k=3, dtype="float64", missing="complete", seed=0, apart=3.0):
    """Rows of k groups, correlated; 'nan': a tenth of the cells missing, 'empty': and some rows."""
    rng = np.random.default_rng([seed, n, d, k])
    means = rng.normal(size=(k, d)) * apart
    factors = np.tril(rng.normal(size=(k, d, d)) * 0.5, -1) / np.sqrt(d)
    factors += np.eye(d) * rng.uniform(0.5, 1.5, (k, d, 1))
    group = rng.choice(k, n, p=rng.dirichlet(np.full(k, 6.0)))
    X = means[group] + np.einsum("nij,nj->ni", factors[group], rng.normal(size=(n, d)))
    if missing != "complete":
        X[rng.random((n, d)) < 0.1] = np.nan
        X[:: max(2, n // 7), : d // 2] = np.nan
    if missing == "empty":
        X[5::37] = np.nan
    return _closed(X.astype(dtype))


@functools.lru_cache(maxsize=64)
def weights_of(n, kind):
    if kind == "unweighted":
        return None
    weights = np.random.default_rng([n, 1]).uniform(0.2, 3, n)
    if kind == "zeros":
        weights[::3] = 0
    return _closed(weights)


def model_of(d, k, type_, seed=3):
    """Weights, means and factors for the kernels."""
    rng = np.random.default_rng([seed, d, k])
    factors = np.triu(rng.normal(size=(k, d, d)) * 0.3, 1) + np.eye(d) * rng.uniform(
        0.4, 1.5, (k, d, 1))
    factors = {"full": factors, "tied": factors[0], "diag": factors.diagonal(0, 1, 2).copy(),
               "spherical": factors[:, 0, 0].copy()}[type_]
    return rng.dirichlet(np.full(k, 5.0)), rng.normal(size=(k, d)) * 3, factors


def precisions_of(d, k, type_):
    factors = model_of(d, k, type_)[2]
    if type_ in ("full", "tied"):
        return factors @ np.swapaxes(factors, -1, -2)
    return factors**2


# --- mixtures ---------------------------------------------------------------------------------


def mixture(X, k=3, fit=None, tell=True, **parameters):
    """A fit, and what it says of its rows."""
    gm = GaussianMixture(k, **{"random_state": 0, "n_threads": THREADS, **parameters})
    gm.fit(X, **(fit or {}))
    return told_of(gm, X) if tell else gm


def told_of(gm, X):
    return {"model": gm, "score_samples": gm.score_samples(X), "resp": gm.predict_proba(X),
            "labels": gm.predict(X), "score": gm.score(X), "bic": gm.bic(X),
            "imputed": gm.impute(X)}


@group
def mixture_grid():
    rng = np.random.default_rng(0)
    for type_, dtype, weight, missing in itertools.product(
            TYPES, DTYPES, ("unweighted", "weights", "zeros"), ("complete", "nan", "empty")):
        start, rule = STARTS[rng.integers(4)], RULES[rng.integers(3)]
        acceleration = (None, "squarem")[rng.integers(2)]
        X = rows(dtype=dtype, missing=missing)
        yield (f"GaussianMixture {type_} {dtype} {weight} {missing} {start} "
               f"{acceleration or 'plain'} {rule}",
               functools.partial(
                   mixture, X, covariance_type=type_, init_params=start, convergence=rule,
                   acceleration=acceleration, fit={"sample_weight": weights_of(300, weight)}))


@group
def mixture_starts():
    rng = np.random.default_rng(1)
    for kind, missing, how in itertools.product(
            (*STARTS, ("kmeans", "random_from_data", "k-means++")), ("complete", "nan"),
            ("alone", "scaled", "short", "scaled short")):
        type_, dtype = TYPES[rng.integers(4)], DTYPES[rng.integers(2)]
        weight = ("unweighted", "weights")[rng.integers(2)]
        options = {"init_scaling": "standard" if "scaled" in how else None,
                   "short_iter": 4 if "short" in how else None,
                   "n_init": 1 if how == "alone" and isinstance(kind, str) else 4}
        X = rows(260, 3, 4, dtype, missing, apart=1.5)
        yield (f"GaussianMixture starts {'/'.join(kind) if isinstance(kind, tuple) else kind} "
               f"{how} {missing} {type_} {dtype} {weight}",
               functools.partial(
                   mixture, X, 4, covariance_type=type_, init_params=kind, max_iter=60,
                   fit={"sample_weight": weights_of(260, weight)}, **options))


@group
def mixture_given():
    for type_, missing in itertools.product(TYPES, ("complete", "nan")):
        X, (w, means, _) = rows(missing=missing), model_of(4, 3, type_)
        precisions = precisions_of(4, 3, type_)
        name = f"GaussianMixture given {type_} {missing}"
        yield f"{name} means", functools.partial(
            mixture, X, covariance_type=type_, means_init=means)
        yield f"{name} all", functools.partial(
            mixture, X, covariance_type=type_, means_init=means, weights_init=w,
            precisions_init=precisions)
        yield f"{name} precisions and a random start", functools.partial(
            mixture, X, covariance_type=type_, precisions_init=precisions, init_params="random",
            n_init=2)
        for fixed in (("weights",), ("means",), ("covariances",), ("weights", "covariances")):
            yield f"{name} fixed {' '.join(fixed)}", functools.partial(
                mixture, X, covariance_type=type_, means_init=means, weights_init=w,
                precisions_init=precisions, fixed=fixed, max_iter=30)

        def warm(X=X, type_=type_):
            gm = GaussianMixture(3, covariance_type=type_, warm_start=True, max_iter=3,
                                 random_state=0, n_threads=THREADS)
            first = told_of(gm.fit(X), X)
            flat_first = {}
            flat("", first, flat_first)
            gm.set_params(max_iter=50, fixed=("means",))
            return {"first": flat_first, "second": told_of(gm.fit(X), X)}

        yield f"{name} warm start", warm


@group
def mixture_labels():
    rng = np.random.default_rng(2)
    for type_, missing in itertools.product(TYPES, ("complete", "empty")):
        X = rows(missing=missing)
        truth = mixture(X, tell=False).predict(X)
        some = np.where(rng.random(300) < 0.3, truth, -1)
        texts = np.array(["ape", "bee", "cat", None], object)[some]
        name = f"GaussianMixture labels {type_} {missing}"
        for how, labels in (("some", some), ("all", truth), ("texts", texts)):
            yield f"{name} {how}", functools.partial(
                mixture, X, covariance_type=type_,
                fit={"labels": labels, "sample_weight": weights_of(300, "weights")})
        yield f"{name} truth values", functools.partial(
            mixture, X, 2, covariance_type=type_, fit={"labels": truth == 1})
        yield f"{name} more components", functools.partial(
            mixture, X, 4, covariance_type=type_, fit={"labels": some})
        far, weight = np.array(X), np.ones(300)
        far[truth == 2], weight[::2] = far[truth == 2] + 30, 0
        yield f"{name} more components and weights", functools.partial(
            mixture, far, 4, covariance_type=type_, fit={
                "labels": np.where(truth == 2, -1, some), "sample_weight": weight})


@group
def mixture_priors():
    scales = {"number": 0.5, "vector": [0.2, 0.5, 1.0, 2.0],
              "matrix": np.eye(4) + 0.3}
    for type_, missing in itertools.product(TYPES, ("complete", "nan")):
        X = rows(missing=missing)
        for how, scale in scales.items():
            yield f"GaussianMixture prior {how} {type_} {missing}", functools.partial(
                mixture, X, covariance_type=type_, covariance_prior=(6, scale), reg_covar=0,
                acceleration="squarem" if how == "vector" else None)
        yield f"GaussianMixture prior empirical {type_} {missing}", functools.partial(
            mixture, X, covariance_type=type_, covariance_prior="empirical",
            fit={"sample_weight": weights_of(300, "weights")})
        yield f"GaussianMixture prior of weights {type_} {missing}", functools.partial(
            mixture, X, 4, covariance_type=type_, covariance_prior="empirical",
            weight_concentration=2.5 if missing == "nan" else [1, 2, 30, 4], reg_covar=0,
            convergence="parameters", tol=1e-4)


@group
def mixture_iterations():
    for rule, acceleration, missing, (type_, dtype) in itertools.product(
            RULES, (None, "squarem"), ("complete", "nan"),
            (("full", "float64"), ("diag", "float32"))):
        X = rows(400, 3, 3, dtype, missing, apart=1.2)
        yield (f"GaussianMixture rule {rule} {acceleration or 'plain'} {missing} {type_} {dtype}",
               functools.partial(
                   mixture, X, covariance_type=type_, convergence=rule, acceleration=acceleration,
                   tol=1e-5, max_iter=300, reg_covar=0))
    for reg_covar, missing, type_ in itertools.product(
            ("auto", 0, 0.3), ("complete", "nan"), TYPES):
        X = rows(missing=missing) * [1, 100, 1e-3, 1]
        yield f"GaussianMixture reg_covar {reg_covar} {missing} {type_}", functools.partial(
            mixture, X, covariance_type=type_, reg_covar=reg_covar, init_scaling="standard",
            convergence="distance", tol=1e-3)
    for missing, start in itertools.product(("complete", "nan"), STARTS):
        weight = np.zeros(300)
        weight[[5, 50]] = 2.0
        yield f"GaussianMixture few weighted rows {missing} {start}", functools.partial(
            mixture, rows(missing=missing), init_params=start, reg_covar=0.1,
            fit={"sample_weight": weight})
    yield "GaussianMixture flat prior of an empty component", functools.partial(
        mixture, rows(100, 2, 1), 2, weight_concentration=1.0, weights_init=[1.0, 0.0],
        means_init=[[0.0, 0.0], [1.0, 1.0]], precisions_init=np.array([np.eye(2)] * 2),
        fixed=("weights",))
    X = rows(missing="nan")
    yield "GaussianMixture max_iter 0", functools.partial(mixture, X, max_iter=0)
    yield "GaussianMixture max_iter 1", functools.partial(mixture, X, max_iter=1)
    yield "GaussianMixture one component", functools.partial(mixture, rows(), 1)
    yield "GaussianMixture one component nan", functools.partial(
        mixture, X, 1, convergence="distance", tol=1e-8, max_iter=1000, acceleration="squarem")
    yield "GaussianMixture one column", functools.partial(mixture, rows(200, 1, 2), 2)
    yield "GaussianMixture generator", functools.partial(
        mixture, X, random_state=np.random.default_rng(5), init_params="random_from_data")
    yield "GaussianMixture RandomState", functools.partial(
        mixture, X, random_state=np.random.RandomState(5), init_params="k-means++")

    def called(**options):
        seen = []

        def callback(state):
            p = state.parameters
            seen.append([state.n_iter, state.init, state.lower_bound, state.change,
                         *map(short, (p.weights, p.means, p.precisions_cholesky))])
            return options.get("stop") == len(seen)

        gm = mixture(options["X"], n_init=2, callback=callback, init_params="random",
                     acceleration=options.get("acceleration"), tell=False, max_iter=12)
        return {"model": gm, "states": [short(state) for state in seen], "n": len(seen)}

    for missing in ("complete", "nan"):
        yield f"GaussianMixture callback {missing}", functools.partial(
            called, X=rows(missing=missing))
        yield f"GaussianMixture callback squarem {missing}", functools.partial(
            called, X=rows(missing=missing), acceleration="squarem")
        yield f"GaussianMixture callback that stops {missing}", functools.partial(
            called, X=rows(missing=missing), stop=4)


@group
def mixture_progress():
    for verbose, missing in itertools.product((1, 2), ("complete", "nan")):
        yield f"GaussianMixture verbose {verbose} {missing}", functools.partial(
            mixture, rows(missing=missing), verbose=verbose, verbose_interval=2, n_init=2,
            init_params="random", max_iter=30)
    yield "GaussianMixture verbose short", functools.partial(
        mixture, rows(), verbose=2, verbose_interval=3, n_init=5, short_iter=3)
    yield "KMeans verbose", functools.partial(
        kmeans, rows(), 3, verbose=1, n_init=2, init="random")
    yield "GaussianImputer verbose", functools.partial(
        imputed, GaussianImputer, rows(missing="nan"), verbose=2, verbose_interval=1)
    yield "GaussianMixtureImputer verbose", functools.partial(
        imputed, GaussianMixtureImputer, rows(missing="nan"), n_components=2, verbose=1,
        verbose_interval=5, n_init=2)


def collapsed_rows(kind, missing):
    """Rows in which components collapse."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(120, 3))
    if kind == "repeated":
        X[:40] = [5.0, 5.0, 5.0]
    elif kind == "zeros":
        X[:50, 1] = 0
    elif kind == "sum":
        X[:, 2] = X[:, 0] + X[:, 1]
    elif kind == "constant":
        X[:, 1] = 3.0
    elif kind == "whole numbers":
        X = np.round(X)
    elif kind == "outlier":
        X[0] = 1e6
    elif kind == "shifted":
        X += 1e8
    elif kind == "few":
        X = X[:8]
    if missing == "nan":
        X[3::7, 0] = np.nan
    return X


@group
def mixture_collapses():
    kinds = ("repeated", "zeros", "sum", "constant", "whole numbers", "outlier", "shifted", "few")
    for kind, missing, reg_covar in itertools.product(kinds, ("complete", "nan"), (0, 1e-6)):
        yield f"GaussianMixture collapse {kind} {missing} reg_covar {reg_covar}", (
            functools.partial(
                mixture, collapsed_rows(kind, missing), 4, reg_covar=reg_covar, n_init=4,
                init_params=STARTS, max_iter=200))
    for type_ in TYPES:
        yield f"GaussianMixture collapse zeros {type_} auto", functools.partial(
            mixture, collapsed_rows("zeros", "complete"), 3, covariance_type=type_,
            reg_covar="auto", n_init=6, short_iter=5, init_scaling="standard")
    yield "GaussianMixture collapse twins", functools.partial(
        mixture, rows(100, 2, 1), 3, means_init=[[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    yield "GaussianMixture collapse dead component", functools.partial(
        mixture, rows(100, 2, 1), 2, means_init=[[0.0, 0.0], [500.0, 500.0]],
        precisions_init=np.array([np.eye(2), np.eye(2)]), weights_init=[0.5, 0.5])


@group
def mixture_large():
    for dtype, type_ in itertools.product(DTYPES, TYPES):
        X = rows(20000, 40, 8, dtype, apart=2.0)
        yield f"GaussianMixture large sorted {type_} {dtype}", functools.partial(
            mixture, X, 8, covariance_type=type_, init_params="random_from_data", max_iter=4)
    for dtype, type_ in itertools.product(DTYPES, TYPES):
        X = rows(20000, 5, 4, dtype, "empty")
        yield f"GaussianMixture large nan {type_} {dtype}", functools.partial(
            mixture, X, 4, covariance_type=type_, max_iter=5, init_scaling="standard",
            fit={"sample_weight": weights_of(20000, "weights")})
    X = rows(30000, 3, 3, "float64")
    yield "GaussianMixture large short", functools.partial(
        mixture, X, n_init=5, short_iter=4, init_scaling="standard",
        init_params=("kmeans", "random"), acceleration="squarem", convergence="distance")
    yield "GaussianMixture large weights", functools.partial(
        mixture, X, fit={"sample_weight": weights_of(30000, "zeros")}, max_iter=8)
    yield "GaussianMixture wide", functools.partial(
        mixture, rows(60, 90, 2, apart=4.0), 2, max_iter=5)
    yield "GaussianMixture wide nan", functools.partial(
        mixture, rows(150, 90, 2, missing="nan", apart=4.0), 2, max_iter=4)
    yield "GaussianMixture many components", functools.partial(
        mixture, rows(6000, 6, 40, apart=6.0), 40, max_iter=6)


def layouts(X):
    n, d = X.shape
    wide = np.full((2 * n, 3 * d), np.nan, X.dtype)
    wide[::2, ::3] = X
    buffer = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    buffer[...] = X
    out = {"C": X, "Fortran": np.asfortranarray(X), "strided": wide[::2, ::3],
           "backwards": X[::-1, ::-1][::-1, ::-1], "unaligned": buffer,
           "swapped bytes": X.astype(X.dtype.newbyteorder()), "list": X.tolist(),
           "float16": X.astype(np.float16), "long double": X.astype(np.longdouble)}
    if not np.isnan(X).any():
        out["whole numbers"] = np.round(X * 10).astype(int)
    else:
        out["masked"] = np.ma.masked_invalid(X)
        out["objects"] = np.where(np.isnan(X), None, X.astype(object))
    return out


@group
def mixture_layouts():
    import pandas
    import polars
    import pyarrow

    for dtype, missing in itertools.product(DTYPES, ("complete", "nan")):
        X = rows(1500, 4, 3, dtype, missing)
        tables = layouts(X)
        names = ["a", "b", "c", "d"]
        tables["frame"] = pandas.DataFrame(X, columns=names)
        tables["polars"] = polars.from_numpy(X, names)
        tables["arrow"] = pyarrow.table(dict(zip(names, X.T)))
        tables["nullable frame"] = tables["frame"].convert_dtypes()
        tables["mixed frame"] = tables["frame"].astype({"b": "float32", "c": object})
        for how, table in tables.items():
            yield f"GaussianMixture layout {how} {dtype} {missing}", functools.partial(
                mixture, table, init_params="k-means++", max_iter=5)
            yield f"GaussianImputer layout {how} {dtype} {missing}", functools.partial(
                imputed, GaussianImputer, table)
            if missing == "complete":
                yield f"KMeans layout {how} {dtype}", functools.partial(kmeans, table, 3)


@group
def mixture_methods():
    for type_, dtype, missing in itertools.product(TYPES, DTYPES, ("complete", "nan")):
        def methods(type_=type_, dtype=dtype, missing=missing):
            X = rows(dtype=dtype, missing=missing)
            weight = weights_of(300, "weights")
            gm = GaussianMixture(3, covariance_type=type_, random_state=3, n_threads=THREADS)
            gm.fit(X, sample_weight=weight)
            sampled, components = gm.sample(50)
            gm.save("model.npz")
            loaded = GaussianMixture.load("model.npz")
            other = rows(700, 4, 3, dtype, "empty", seed=9)
            return {
                "marginal": gm.marginal([2, 0]), "from behind": gm.condition([-2], [0.3]),
                "condition": gm.condition([0, 3], [0.5, -1.0]),
                "regress": gm.regress([1, 2], X[:40, 1:3]), "sampled": sampled,
                "components": components, "loaded": told_of(loaded, X),
                "pickled": told_of(pickle.loads(pickle.dumps(gm)), X),
                "score": gm.score(X, sample_weight=weight),
                "bic": gm.bic(X, sample_weight=weight), "aic": gm.aic(X, sample_weight=weight),
                "icl": gm.icl(X, sample_weight=weight), "other rows": told_of(gm, other),
                "fit_predict": GaussianMixture(
                    2, covariance_type=type_, random_state=1, n_threads=THREADS).fit_predict(X),
            }

        yield f"GaussianMixture methods {type_} {dtype} {missing}", methods


# --- K-means ----------------------------------------------------------------------------------


def kmeans(X, k, fit=None, new=None, **parameters):
    model = KMeans(k, **{"random_state": 0, "n_threads": THREADS, **parameters})
    model.fit(X, **(fit or {}))
    new = X if new is None else new
    return {"model": model, "predicted": model.predict(new), "distances": model.transform(new),
            "score": model.score(new), "pickled": pickle.loads(pickle.dumps(model))}


def _drawn_centers(X, k, random_state):
    return X[random_state.choice(len(X), k, replace=False)]


@group
def kmeans_fits():
    for init, weight, dtype, size in itertools.product(
            ("k-means++", "random", "array", "callable"), ("unweighted", "weights", "zeros"),
            DTYPES, ((300, 4, 3), (2500, 12, 10))):
        X, k = rows(*size, dtype, apart=1.5), size[2]
        chosen = {"array": X[:k], "callable": _drawn_centers}.get(init, init)
        yield f"KMeans {init} {weight} {dtype} {size[0]} x {size[1]}", functools.partial(
            kmeans, X, k, init=chosen, n_init="auto" if init == "array" else 2,
            fit={"sample_weight": weights_of(size[0], weight)})
    for dtype in DTYPES:
        yield f"KMeans rows of 3 {dtype}", functools.partial(
            kmeans, rows(20000, 3, 8, dtype, apart=1.0), 8, tol=0)
        yield f"KMeans bounds {dtype}", functools.partial(
            kmeans, rows(6000, 40, 20, dtype, apart=0.6), 20, init="random", n_init=1, tol=0)
        yield f"KMeans bounds of groups {dtype}", functools.partial(
            kmeans, rows(8000, 20, 30, dtype, apart=0.7), 90, n_init=1, tol=0)
        yield f"KMeans one column {dtype}", functools.partial(
            kmeans, rows(500, 1, 3, dtype), 5)
        far = np.array([[0.0] * 4, [1e3] * 4, [2e3] * 4], dtype)
        yield f"KMeans empty clusters {dtype}", functools.partial(
            kmeans, rows(dtype=dtype), 3, init=far)
        yield f"KMeans empty clusters weighted {dtype}", functools.partial(
            kmeans, rows(dtype=dtype), 3, init=far,
            fit={"sample_weight": weights_of(300, "zeros")})
    repeated = np.repeat(rows(6, 2, 2), 20, axis=0)
    yield "KMeans repeated rows", functools.partial(kmeans, repeated, 6)
    yield "KMeans fewer different rows than clusters", functools.partial(kmeans, repeated, 8)
    yield "KMeans max_iter 1", functools.partial(kmeans, rows(), 5, max_iter=1)
    yield "KMeans elkan", functools.partial(kmeans, rows(), 5, algorithm="elkan")
    yield "KMeans ten starts", functools.partial(kmeans, rows(), 6, init="random")
    yield "KMeans generator", functools.partial(
        kmeans, rows(), 4, random_state=np.random.default_rng(3))
    yield "KMeans new rows", functools.partial(
        kmeans, rows(), 4, new=rows(900, 4, 3, seed=8))
    yield "KMeans shifted", functools.partial(kmeans, rows() + 1e7, 3)


# --- imputers ---------------------------------------------------------------------------------


def imputed(imputer, X, fit=None, sample=None, new=None, **parameters):
    model = imputer(**{"n_threads": THREADS, "random_state": 0, **parameters})
    out = {"transformed": model.fit_transform(X, **(fit or {})), "model": model}
    if isinstance(X, np.ndarray):
        out["again"] = model.transform(X[:17])
        out["score_samples"], out["score"] = model.score_samples(X), model.score(X)
        out["pickled"] = pickle.loads(pickle.dumps(model)).transform(X[:5])
        out["names"] = list(model.get_feature_names_out())
    if sample is not None:
        out["drawn"] = model.sample(X, **sample)
    if new is not None:
        out["new"] = model.transform(new)
    return out


def uncertain(X, fit=None, **parameters):
    model = GaussianImputer(n_threads=THREADS, **parameters).fit(X, **(fit or {}))
    return {"model": model, "errors": model.standard_errors(X, **(fit or {})),
            "missing": model.missing_information(X, **(fit or {}))}


def odd_columns(dtype="float64"):
    """A constant column, an empty one and one observed once."""
    X = np.array(rows(120, 6, 2, dtype, "nan"))
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 4.0)
    X[:, 4] = np.nan
    return X


@group
def imputers():
    priors = {"no prior": None, "ridge": "ridge", "ridge 5": ("ridge", 5.0),
              "pair": (3, [1.0, 2.0, 0.5, 1.0])}
    for dtype, weight, missing, prior in itertools.product(
            DTYPES, ("unweighted", "weights", "zeros"), ("complete", "nan", "empty"),
            ("no prior", "ridge")):
        yield f"GaussianImputer {dtype} {weight} {missing} {prior}", functools.partial(
            imputed, GaussianImputer, rows(dtype=dtype, missing=missing), prior=priors[prior],
            fit={"sample_weight": weights_of(300, weight)})
    for prior, acceleration in itertools.product(priors, (None, "squarem")):
        yield f"GaussianImputer prior {prior} {acceleration or 'plain'}", functools.partial(
            imputed, GaussianImputer, rows(90, 4, 1, missing="nan"), prior=priors[prior],
            acceleration=acceleration)
    rng = np.random.default_rng(4)
    for type_, dtype, missing in itertools.product(TYPES, DTYPES, ("complete", "nan", "empty")):
        prior, start = (None, "ridge")[rng.integers(2)], STARTS[rng.integers(4)]
        weight = ("unweighted", "weights")[rng.integers(2)]
        yield (f"GaussianMixtureImputer {type_} {dtype} {missing} {start} {prior or 'no prior'} "
               f"{weight}", functools.partial(
                   imputed, GaussianMixtureImputer, rows(dtype=dtype, missing=missing),
                   n_components=3, covariance_type=type_, init_params=start, prior=prior,
                   fit={"sample_weight": weights_of(300, weight)}, tol=1e-4,
                   new=rows(150, 4, 3, dtype, "empty", seed=6)))
    for name, options in {
            "plain": {}, "indicator": {"add_indicator": True},
            "empty columns kept": {"keep_empty_features": True},
            "all": {"add_indicator": True, "keep_empty_features": True},
            "limits": {"min_value": -1.0, "max_value": 1.5},
            "limits of columns": {"min_value": [-1, -2, -3, 0, 0, -1], "max_value": 2},
            "ridge": {"prior": "ridge"}}.items():
        for dtype in DTYPES:
            yield f"GaussianImputer odd columns {name} {dtype}", functools.partial(
                imputed, GaussianImputer, odd_columns(dtype), **options)
        yield f"GaussianMixtureImputer odd columns {name}", functools.partial(
            imputed, GaussianMixtureImputer, odd_columns(), **options)
    X = np.where(np.isnan(rows(missing="nan")), -999, rows(missing="nan"))
    yield "GaussianImputer missing_values", functools.partial(
        imputed, GaussianImputer, X, missing_values=-999)
    for kind in ("repeated", "sum", "few", "constant", "shifted", "outlier"):
        X = collapsed_rows(kind, "nan")
        yield f"GaussianImputer collapse {kind}", functools.partial(
            imputed, GaussianImputer, X)
        yield f"GaussianMixtureImputer collapse {kind}", functools.partial(
            imputed, GaussianMixtureImputer, X, n_components=2, n_init=2)
    yield "GaussianImputer wide", functools.partial(
        imputed, GaussianImputer, rows(40, 60, 1, missing="nan"))
    yield "GaussianImputer large", functools.partial(
        imputed, GaussianImputer, rows(20000, 8, 1, missing="empty"))
    yield "GaussianImputer large float32 weights", functools.partial(
        imputed, GaussianImputer, rows(20000, 8, 1, "float32", "empty"),
        fit={"sample_weight": weights_of(20000, "weights")})
    yield "GaussianImputer max_iter 2", functools.partial(
        imputed, GaussianImputer, rows(missing="nan"), max_iter=2)
    yield "GaussianImputer max_iter 0", functools.partial(
        imputed, GaussianImputer, rows(missing="nan"), max_iter=0)
    yield "GaussianMixtureImputer large", functools.partial(
        imputed, GaussianMixtureImputer, rows(24000, 4, 3, missing="empty"), n_components=3,
        tol=1e-2, max_iter=20)


@group
def multiple_imputation():
    for dtype, (name, sample) in itertools.product(DTYPES, {
            "bootstrap": {"n_imputations": 3},
            "bootstrap seed": {"n_imputations": 2, "random_state": 7},
            "augmentation": {"n_imputations": 3, "method": "augmentation", "burn_in": 20},
            "augmentation thinned": {"n_imputations": 3, "method": "augmentation", "burn_in": 15,
                                     "thinning": 4}}.items()):
        for prior in (None, "ridge"):
            yield f"GaussianImputer sample {name} {dtype} {prior or 'no prior'}", (
                functools.partial(
                    imputed, GaussianImputer, rows(150, 4, 1, dtype, "empty"), prior=prior,
                    sample=sample))
    X, weight = rows(150, 4, 1, missing="nan"), weights_of(150, "weights")
    yield "GaussianImputer sample weights", functools.partial(
        imputed, GaussianImputer, X, fit={"sample_weight": weight},
        sample={"n_imputations": 2, "sample_weight": weight})
    rare = np.array(rows(60, 4, 1))
    rare[3:, 1] = np.nan
    for prior in (None, "ridge"):
        yield f"GaussianImputer sample rare column {prior or 'no prior'}", functools.partial(
            imputed, GaussianImputer, rare, prior=prior,
            sample={"n_imputations": 6, "random_state": 1})
    yield "GaussianImputer sample training data", functools.partial(
        imputed, GaussianImputer, X, sample={
            "n_imputations": 2, "training_data": rows(200, 4, 1, missing="nan", seed=2)})
    yield "GaussianImputer sample odd columns", functools.partial(
        imputed, GaussianImputer, odd_columns(), add_indicator=True, max_value=1.0,
        sample={"n_imputations": 2})
    for type_ in TYPES:
        yield f"GaussianMixtureImputer sample {type_}", functools.partial(
            imputed, GaussianMixtureImputer, rows(200, 3, 2, missing="empty"),
            covariance_type=type_, sample={"n_imputations": 2, "random_state": 4})
    for missing, weight, dtype in itertools.product(
            ("complete", "nan", "empty"), ("unweighted", "weights"), DTYPES):
        yield f"GaussianImputer uncertainty {missing} {weight} {dtype}", functools.partial(
            uncertain, rows(200, 4, 1, dtype, missing),
            {"sample_weight": weights_of(200, weight)})
    yield "GaussianImputer uncertainty constant column", functools.partial(
        uncertain, odd_columns())


# --- the rest of the package's top -----------------------------------------------------------


@group
def selection():
    for criterion, missing in itertools.product(("bic", "aic", "icl"), ("complete", "nan")):
        yield f"select_mixture {criterion} {missing}", lambda c=criterion, m=missing: _selected(
            rows(200, 3, 3, missing=m, apart=1.5), range(1, 5), ("full", "diag"), c, n_init=4,
            random_state=0)
    yield "select_mixture weights", lambda: _selected(
        rows(200, 3, 3, apart=1.5), [2, 3], TYPES, sample_weight=weights_of(200, "weights"),
        random_state=1, n_init=3)
    yield "select_mixture prior", lambda: _selected(
        rows(200, 3, 3, apart=1.5), [1, 2, 3], "full", covariance_prior="empirical",
        random_state=1, n_init=3)
    for allowed in (False, True):
        yield f"select_mixture collapse {allowed}", lambda a=allowed: _selected(
            collapsed_rows("zeros", "complete"), [1, 2, 3], ("full", "diag"), random_state=0,
            n_init=4, allow_degenerate=a)
    yield "select_mixture too many", lambda: _selected(
        rows(6, 2, 1), [2, 5, 9], random_state=0, n_init=2)
    yield "select_mixture wide", lambda: _selected(
        rows(20, 25, 2, apart=4), [1, 2], random_state=0, n_init=2)


def _selected(*arguments, **parameters):
    result = select_mixture(*arguments, n_threads=THREADS, **parameters)
    return {"result": result, "text": str(result), "chosen": result.chosen,
            "remarks": [result.remarks(row) for row in result.table]}


@group
def comparisons():
    import pandas

    X = rows(400, 3, 3, apart=1.5)
    frame = pandas.DataFrame(X, columns=["height", "width", "depth"])
    for name, arguments in {
            "plain": (X, {}), "sure rows": (rows(400, 3, 3, apart=6.0), {"soft_below": 1.0}),
            "float32": (X.astype("float32"), {}),
            "weights": (X, {"sample_weight": weights_of(400, "zeros")}),
            "tied": (X, {"covariance_type": "tied"}),
            "diag": (X, {"covariance_type": "diag", "n_init": 2, "soft_below": 0.99}),
            "spherical": (frame, {"covariance_type": "spherical"}),
            "collapse": (collapsed_rows("zeros", "complete"), {}),
            "starts": (frame, {"init_params": "k-means++", "acceleration": "squarem"})}.items():
        def compared(arguments=arguments):
            result = compare_clusterings(
                arguments[0], 3, n_threads=THREADS, **{"random_state": 0, **arguments[1]})
            return {"result": result, "text": str(result), "frame": result.to_frame()}

        yield f"compare_clusterings {name}", compared


@group
def missing_tables():
    import pandas

    for dtype, missing in itertools.product(DTYPES, ("complete", "nan", "empty")):
        X = rows(250, 5, 1, dtype, missing)
        yield f"missing_data_summary {dtype} {missing}", lambda X=X: _with_text(
            missing_data_summary(X))
        yield f"little_mcar_test {dtype} {missing}", lambda X=X: _with_text(little_mcar_test(X))
    frame = pandas.DataFrame(rows(100, 3, 1, missing="nan"), columns=["a", "b", "c"])
    yield "missing_data_summary frame", lambda: {
        **_with_text(missing_data_summary(frame)),
        "frames": missing_data_summary(frame).to_pandas()}
    yield "missing_data_summary odd columns", lambda: _with_text(
        missing_data_summary(odd_columns()))
    yield "little_mcar_test ddof", lambda: _with_text(little_mcar_test(frame, ddof=1))
    yield "little_mcar_test unfinished", lambda: _with_text(little_mcar_test(frame, max_iter=1))
    rng = np.random.default_rng(0)
    q, u = rng.normal(size=(5, 3)) + 2, rng.uniform(0.1, 0.4, (5, 3))
    v = np.einsum("mij,mkj->mik", *[rng.normal(size=(5, 3, 3))] * 2)
    for name, call in {
            "single": lambda: pool(q[:, 0], u[:, 0]), "several": lambda: pool(q, u),
            "degrees": lambda: pool(q, u, complete_df=[20, 30, 40], confidence=0.9),
            "covariances": lambda: pool(q, v, complete_df=25),
            "agreeing": lambda: pool(np.full((3, 2), 0.1), np.full((3, 2), 0.2)),
            "names": lambda: pool(pandas.DataFrame(q, columns=list("xyz")), u)}.items():
        yield f"pool {name}", lambda call=call: _with_text(call())


def _with_text(result):
    return {"result": result, "text": str(result)}


@group
def statistics():
    for type_, dtype, missing in itertools.product(TYPES, DTYPES, ("complete", "empty")):
        def added(type_=type_, dtype=dtype, missing=missing):
            X, model = rows(1000, 4, 3, dtype, missing), model_of(4, 3, type_)
            weight = weights_of(1000, "weights")
            parts = [SufficientStatistics.from_data(
                X[at], *model, type_, weight[at], n_threads=THREADS)
                for at in (slice(0, 300), slice(300, 700), slice(700, 1000))]
            total = sum(parts, start=SufficientStatistics.zeros(type_, parts[0].centers))
            again = SufficientStatistics.from_bytes(total.to_bytes())
            return {"whole": SufficientStatistics.from_data(X, *model, type_, weight), "sum": total,
                    "bytes": total.to_bytes(),
                    "unequal": total == SufficientStatistics(
                        type_, total.centers, total.counts, total.first, total.second, 1.0),
                    "scaled": total * 0.5, "means": total.means(),
                    "covariances": total.covariances(), "equal": again == total,
                    "text": repr(total), "pickled": pickle.loads(pickle.dumps(total))}

        def by_hand(type_=type_, dtype=dtype, missing=missing):
            X, (w, means, factors) = rows(1000, 4, 3, dtype, missing), model_of(4, 3, type_)
            bounds = []
            for _ in range(5):
                total = SufficientStatistics.zeros(type_, means.astype(X.dtype))
                for chunk in np.array_split(X, 7):
                    total += SufficientStatistics.from_data(
                        chunk, w, means, factors, type_, n_threads=THREADS)
                bounds.append(total.log_likelihood)
                w, means, covariances = (
                    total.counts / total.weight, total.means(), total.covariances())
                factors = 1 / np.sqrt(covariances) if covariances.ndim == 1 or (
                    type_ == "diag") else np.swapaxes(
                        np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2)
            return {"weights": w, "means": means, "factors": factors, "bounds": bounds}

        yield f"SufficientStatistics {type_} {dtype} {missing}", added
        yield f"SufficientStatistics EM in chunks {type_} {dtype} {missing}", by_hand


@group
def kernel_calls():
    for type_, dtype, size in itertools.product(
            TYPES, DTYPES, ((700, 3, 2), (3000, 18, 7))):
        n, d, k = size
        w, means, factors = model_of(d, k, type_)
        weight, options = weights_of(n, "zeros"), {"n_threads": THREADS}

        X, incomplete_X = rows(n, d, k, dtype), rows(n, d, k, dtype, "empty")

        def complete(type_=type_, X=X, w=w, means=means, factors=factors, weight=weight,
                     options=options):
            density = kernels.log_density(X, means, factors, type_, **options)
            resp, norm = kernels.responsibilities(density, np.log(w), **options)
            return {"density": density, "resp": resp, "norm": norm,
                    "moments": kernels.weighted_moments(X, resp, means, type_, weight, **options),
                    "statistics": kernels.em_statistics(
                        X, w, means, factors, type_, weight, **options),
                    "e_step": kernels.e_step(
                        X, w, means, factors, type_, want=("resp", "log_prob_norm", "labels"),
                        **options)}

        def incomplete(type_=type_, X=incomplete_X, w=w, means=means, factors=factors,
                       weight=weight, options=options):
            patterns = kernels.missing_patterns(X)
            rng = np.random.default_rng(0)
            return {"patterns": patterns,
                    "statistics": kernels.incomplete_statistics(
                        X, w, means, factors, type_, weight, patterns, **options),
                    "e_step": kernels.incomplete_e_step(
                        X, w, means, factors, type_, want=(
                            "resp", "log_prob_norm", "labels", "log_prob"),
                        patterns=patterns, **options),
                    "conditional": kernels.conditional_moments(
                        X, means, factors, type_, w, covariances=True, **options),
                    "drawn": kernels.conditional_draws(
                        X, means, factors, rng.normal(size=patterns.n_missing_values), type_, w,
                        rng.random(len(X)),
                        patterns=patterns, **options)}

        name = f"{type_} {dtype} {n} x {d}"
        yield f"kernels complete {name}", complete
        yield f"kernels incomplete {name}", incomplete
    for dtype in DTYPES:
        X, weight = rows(5000, 7, 9, dtype), weights_of(5000, "zeros")
        yield f"kernels k-means {dtype}", lambda X=X, weight=weight: {
            "statistics": kernels.kmeans_statistics(X, X[:9], weight, n_threads=THREADS),
            "seeds": kernels.kmeans_plusplus(X, 9, random_state=3, n_threads=THREADS),
            "weighted seeds": kernels.kmeans_plusplus(
                X, 9, sample_weight=weight, random_state=3, n_local_trials=2,
                n_threads=THREADS)}
        X = rows(600, 2, 3, dtype)
        for type_ in TYPES:
            def potts(X=X, type_=type_):
                w, means, factors = model_of(2, 3, type_)
                resp, _ = kernels.e_step(X, w, means, factors, type_)
                found = kernels.potts_statistics(
                    X, w, means, factors, type_, shape=(20, 30), smoothness=0.8, resp=resp,
                    mask=np.arange(600).reshape(20, 30) % 11 > 0, n_threads=THREADS)
                return {"found": found, "resp": resp}

            yield f"kernels potts {type_} {dtype}", potts
    yield "kernels checks", lambda: {
        "finite": kernels.check_finite(rows()), "labels": kernels.check_labels([0, 1, -1], 3, 2),
        "weights": kernels.check_sample_weight([1, 2, 0], 3)}


# --- pictures ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def picture(kind="grey", shape=(48, 64)):
    rng = np.random.default_rng(21)
    truth = np.zeros(shape, int)
    truth[shape[0] // 3:, shape[1] // 4:] = 1
    truth[shape[0] // 2:, shape[1] // 2:] = 2
    if kind == "grey":
        return _closed(np.clip(40 + 70 * truth + rng.normal(0, 12, shape), 0, 255).astype(
            np.uint8))
    colors = np.array([[30, 60, 90], [120, 200, 60], [220, 180, 200]])
    image = colors[truth] + rng.normal(0, 15, (*shape, 3))
    if kind == "float32":
        return _closed((image / 255).astype(np.float32))
    if kind == "uint16":
        return _closed(np.clip(image * 200, 0, 65535).astype(np.uint16))
    image = np.clip(image, 0, 255).astype(np.uint8)
    if kind == "alpha":
        alpha = np.full((*shape, 1), 255, np.uint8)
        alpha[:6] = 0
        image = np.concatenate([image, alpha], axis=-1)
    if kind == "nan":
        image = image / 255.0
        image[rng.random(image.shape) < 0.05] = np.nan
        image[3, :9] = np.nan
    return _closed(image)


def segmented(image, *arguments, **parameters):
    result = segment_image(image, *arguments, **{
        "random_state": 0, "n_threads": THREADS, **parameters})
    return {"result": result, "text": repr(result), "recolored": result.recolored(),
            "overlay": result.overlay(), "lined": result.overlay(0.3, True),
            "displayed": result.displayed()}


@group
def segmentations():
    for kind, (name, parameters) in itertools.product(
            ("grey", "colour", "float32", "uint16", "nan"), {
                "em": {}, "kmeans": {"method": "kmeans"}, "smoothed": {"smoothness": 1.0},
                "coordinates": {"coordinates": 0.5, "covariance_type": "diag"}}.items()):
        yield f"segment_image {kind} {name}", functools.partial(
            segmented, picture(kind), 3, **parameters)
    mask = np.ones((48, 64), bool)
    mask[:, 50:] = False
    seeds = np.full((48, 64), -1)
    seeds[2:6, 2:6], seeds[20:24, 20:24], seeds[40:44, 50:60] = 2, 0, 1
    colour, grey = picture("colour"), picture()
    for name, (image, arguments, parameters) in {
            "alpha": (picture("alpha"), (3,), {}),
            "mask": (colour, (3,), {"mask": mask}),
            "mask smoothed": (colour, (3,), {"mask": mask, "smoothness": 0.7}),
            "nodata": (grey, (2,), {"nodata": int(grey[0, 0])}),
            "nodata of channels": (picture("float32"), (2,), {"nodata": [0.1, 0.2, 0.3]}),
            "seeds": (colour, (3,), {"labels": seeds}),
            "seeds smoothed": (colour, (3,), {"labels": seeds, "smoothness": 1.0}),
            "means": (colour, (3,), {"means_init": [
                [200, 180, 190], [20, 60, 100], [120, 190, 70]]}),
            "means kmeans": (grey, (2, "kmeans"), {"means_init": [[200], [20]]}),
            "range": (colour, (range(1, 5),), {}),
            "range icl": (grey, ([2, 3],), {"criterion": "icl", "smoothness": 0.5}),
            "auto": (grey, ("auto",), {"criterion": "aic"}),
            "lab": (colour, (3,), {"color_space": "lab"}),
            "tied": (colour, (3,), {"covariance_type": "tied"}),
            "spherical": (colour, (3,), {"covariance_type": "spherical", "reg_covar": 1e-4}),
            "volume": (np.stack([grey] * 5), (3,), {"smoothness": 0.5}),
            "five channels": (np.random.default_rng(0).random((20, 30, 5)), (2,),
                              {"channel_axis": -1}),
            "large smoothed": (picture("float32", (640, 520)), (2,), {
                "smoothness": 0.5, "n_init": 2, "max_iter": 4}),
            "large": (picture("nan", (520, 400)), (2,), {"n_init": 2, "max_iter": 5}),
            "one colour": (np.full((9, 9), 7, np.uint8), (1,), {}),
            "few iterations": (colour, (3,), {"max_iter": 2, "n_init": 2}),
            "guessed": (np.random.default_rng(0).random((20, 30, 3)), (2,), {})}.items():
        yield f"segment_image {name}", functools.partial(
            segmented, image, *arguments, **parameters)


# --- the command line -------------------------------------------------------------------------


def commanded(line, files):
    """The exit status of a command, what it printed and the files that it wrote."""
    for name, write in files.items():
        write(Path(name))
    before = set(os.listdir("."))
    status = command_line([*line.split(), *(() if "info" in line else (
        "--threads", str(THREADS)))])
    out = {"status": status}
    for name in sorted(set(os.listdir(".")) - before):
        content = Path(name).read_bytes()
        out[f"file {name}"] = gzip.decompress(content) if name.endswith(".gz") else content
        Path(name).unlink()
    return out


def _table(path, missing="nan", n=120):
    X = rows(n, 4, 3, missing=missing)
    separator = "\t" if path.suffix == ".tsv" else ","
    lines = [separator.join(["name", "a", "b", "c", "d"])]
    lines += [separator.join([f"row {i}", *("" if np.isnan(x) else f"{x:.4f}" for x in row)])
              for i, row in enumerate(X)]
    path.write_text("\n".join(lines) + "\n")


def _flat_column(path, gaps=True):
    """The second column has one value."""
    lines = [f"{i % 7}.5,{'' if gaps and i % 5 == 0 else 3},{'' if gaps and i % 4 == 0 else i % 11}"
             for i in range(40)]
    path.write_text("\n".join(["a,b,c", *lines]) + "\n")


def _long(path, spoiled="2.5"):
    """More rows than are read at once, an odd cell far down."""
    lines = [f"{i % 13},{i % 7}.25" for i in range(150_000)]
    lines[140_123] = f"{spoiled},1"
    path.write_text("\n".join(["a,b", *lines]) + "\n")


def _parquet(path):
    import pandas

    pandas.DataFrame(rows(120, 3, 2, missing="nan"), columns=["a", "b", "c"]).to_parquet(path)


def _drawn(path, kind="colour"):
    from PIL import Image

    Image.fromarray(picture(kind)).save(path)


@group
def commands():
    csv, full = {"t.csv": _table}, {"t.csv": lambda path: _table(path, "complete")}
    tsv = {"t.tsv": _table}
    for line, files in (
            ("impute t.csv -o out.csv", csv), ("impute t.csv -o out.csv --json", csv),
            ("impute t.csv -o out.csv.gz -m 3 --seed 4", csv),
            ("impute t.tsv -o out.tsv --model mixture -k 2 --clip", tsv),
            ("impute t.csv -o out.parquet --prior ridge:3", csv),
            ("impute t.csv -o - --columns a,b", csv),
            ("impute t.csv -o out.csv", full), ("impute t.parquet -o out.csv", {
                "t.parquet": _parquet}),
            ("cluster t.csv -k 3 -o out.csv", csv), ("cluster t.csv -k 1:4 --json", csv),
            ("cluster t.csv -k 2,3 --covariance full,diag --criterion icl -o out.csv", csv),
            ("cluster t.csv -k 3 --method kmeans -o out.csv --only-labels --standardize", full),
            ("cluster t.csv -k 3 --method kmeans", csv),
            ("cluster t.csv -k 3 --prior empirical --ignore d --quiet", csv),
            ("describe t.csv", csv), ("describe t.csv --json", csv), ("describe t.csv", full),
            ("describe t.tsv --columns a,c", tsv),
            ("segment p.png -k 3 -o out.png", {"p.png": _drawn}),
            ("segment p.png -k 2:3 -o out.png --view overlay --json", {"p.png": _drawn}),
            ("segment p.png -k 3 --smoothness 1 --view labels -o out.tif", {"p.png": _drawn}),
            ("segment p.png -k 3 --method kmeans --view triptych -o out.png", {"p.png": _drawn}),
            ("segment p.png -k 2 -o out.png", {
                "p.png": lambda path: _drawn(path, "grey")}),
            ("cluster f.csv -k 2 --method kmeans --standardize", {
                "f.csv": functools.partial(_flat_column, gaps=False)}),
            ("impute f.csv -o out.csv --clip", {"f.csv": _flat_column}),
            ("describe l.csv", {"l.csv": _long}),
            ("describe l2.csv", {"l2.csv": functools.partial(_long, spoiled="1e300")}),
            ("describe l3.csv", {"l3.csv": functools.partial(_long, spoiled="x1")}),
            ("describe l4.csv", {"l4.csv": functools.partial(_long, spoiled='"1.5')}),
            ("impute l5.csv -o out.csv", {"l5.csv": functools.partial(_long, spoiled="")}),
            ("impute none.csv -o out.csv", {}), ("impute t.csv", csv),
            ("impute t.csv -o t.csv", csv), ("impute t.csv -o out.xyz", csv),
            ("impute t.csv -o out.csv --columns z", csv), ("cluster t.csv -k 0", csv),
            ("cluster t.csv -k 500", csv), ("cluster t.csv -k 3 --covariance round", csv),
            ("segment t.csv -o out.png", csv), ("segment p.png -k 3 --method kmeans "
             "--smoothness 1 -o out.png", {"p.png": _drawn}),
            ("describe b.csv", {"b.csv": lambda path: path.write_text("a,b\n1,2\n3\n")}),
            ("describe c.csv", {"c.csv": lambda path: path.write_text("a,b\n1,2\nx,4\n5,inf\n")}),
            ("nothing t.csv", csv)):
        yield f"command {line}{' complete' if files is full else ''}", functools.partial(
            commanded, line, files)


# --- what is refused --------------------------------------------------------------------------


def refused(call):
    call()
    return {"refused": False}


def _spoiled(value, X=None, at=(7, 2)):
    X = np.array(rows() if X is None else X)
    X[at] = value
    return X


def _left_alone(estimator, good, bad, **fit):
    """What a failed fit leaves of the one before."""
    estimator.fit(good)
    before = {}
    flat("", estimator, before)
    try:
        estimator.fit(bad, **fit)
    except (ValueError, TypeError) as error:
        after = {}
        flat("", estimator, after)
        return {"error": f"{type(error).__name__}: {error}", "same": before == after}
    return {"error": "none"}


@group
def refusals():
    import pandas

    X, gap, two = rows(), rows(missing="nan"), rows(100, 2, 2)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    asked = {}

    def ask(name, call):
        asked[name] = call

    wrong = {
        "n_components": (0, -1, 1.5, "two", True, 500), "covariance_type": ("round", 3),
        "tol": (-1, "small", np.nan), "reg_covar": (-1e-3, "none"), "max_iter": (-1, 2.5),
        "n_init": (0, True), "init_params": ("best", (), ("kmeans", 3)),
        "weights_init": ([0.5, 0.5], [0.5, 0.2, 0.2], [2, -1, 0], ["a", "b", "c"]),
        "means_init": (np.zeros((2, 4)), np.full((3, 4), np.nan), "x"),
        "precisions_init": (np.zeros((3, 4, 4)), np.eye(4), -np.ones((3, 4, 4)),
                            np.arange(48.0).reshape(3, 4, 4)),
        "random_state": ("seed", -1), "warm_start": (2,), "verbose": ("loud",),
        "verbose_interval": (0,), "n_threads": (0, -2, 1.5), "convergence": ("soon",),
        "acceleration": ("fast",), "callback": (3,),
        "covariance_prior": ("weak", (1, 2, 3), (-1, 1.0), (5, -1.0), (5, np.ones(3)),
                             (5, np.arange(16.0).reshape(4, 4)), ("a", 1)),
        "weight_concentration": (0.5, [1, 2], [1, 2, np.inf]),
        "fixed": (("means",), ("colour",), "means"), "init_scaling": ("robust",),
        "short_iter": (0,)}
    for name, values in wrong.items():
        for i, value in enumerate(values):
            ask(f"GaussianMixture {name} {i}", lambda name=name, value=value: GaussianMixture(
                **{"n_components": 3, name: value}).fit(X))
    cells = {"infinity": _spoiled(np.inf), "text": np.array([["a", "b"], ["c", "d"]]),
             "too large": _spoiled(1e200), "one row": X[:1], "no rows": X[:0], "one axis": X[:, 0],
             "three axes": X[:, :, None], "complex": X + 1j, "empty column": _spoiled(
                 np.nan, at=(slice(None), 1)), "object text": _spoiled("x", X.astype(object)),
             "nothing": None, "float32 too large": _spoiled(1e19, X.astype("float32"))}
    models = {"GaussianMixture": lambda: GaussianMixture(2), "KMeans": lambda: KMeans(2),
              "GaussianImputer": GaussianImputer, "GaussianMixtureImputer": GaussianMixtureImputer}
    for model, name in itertools.product(models, cells):
        ask(f"{model} data {name}", lambda model=model, name=name: models[model]().fit(
            cells[name]))
    for model in models:
        make = models[model]
        ask(f"{model} weights negative", lambda make=make: make().fit(
            X, sample_weight=-np.ones(300)))
        ask(f"{model} weights too few", lambda make=make: make().fit(
            X, sample_weight=np.ones(9)))
        ask(f"{model} weights zero", lambda make=make: make().fit(
            X, sample_weight=np.zeros(300)))
        ask(f"{model} weights nan", lambda make=make: make().fit(
            X, sample_weight=np.full(300, np.nan)))
        ask(f"{model} weights of other rows", lambda make=make: make().fit(
            frame, sample_weight=pandas.Series(np.ones(300), index=np.arange(300)[::-1])))
        use = "predict" if model in ("GaussianMixture", "KMeans") else "transform"
        ask(f"{model} not fitted", lambda make=make, use=use: getattr(make(), use)(X))
        ask(f"{model} other columns", lambda make=make, use=use: getattr(
            make().fit(X), use)(two))
        ask(f"{model} other names", lambda make=make, use=use: getattr(
            make().fit(frame), use)(frame[list("bacd")]))
        ask(f"{model} infinity later", lambda make=make, use=use: getattr(
            make().fit(frame), use)(_spoiled(np.inf)))
    long = np.tile([[1.0, 2.0], [3.0, 4.5], [0.5, 0.25]], (25_000, 1))
    far_down = {"infinity": _spoiled(np.inf, long, (70_001, 1)),
                "too large": _spoiled(1e200, long, (70_002, 0)),
                "text": _spoiled("x", long.astype(object), (70_003, 1))}
    for model, name in itertools.product(models, far_down):
        ask(f"{model} far down {name}", lambda model=model, name=name: models[model]().fit(
            far_down[name]))
        ask(f"{model} far down {name} of a frame", lambda model=model, name=name: models[
            model]().fit(pandas.DataFrame(far_down[name], columns=["left", "right"])))
    for model in models:
        weight = np.ones(len(long))
        weight[70_004] = -1
        ask(f"{model} far down weights", lambda model=model, weight=weight: models[model]().fit(
            long, sample_weight=weight))
    labels = np.full(len(long), -1)
    labels[70_005] = 9
    ask("GaussianMixture far down labels", lambda labels=labels: GaussianMixture(2).fit(
        long, labels=labels))
    ask("KMeans far down nan", lambda: KMeans(2).fit(_spoiled(np.nan, long, (70_006, 1))))
    named = {"infinity": {"b": np.inf}, "empty column": {"c": np.nan}, "text": {"d": "x"}}
    for model, name in itertools.product(models, named):
        ask(f"{model} frame {name}", lambda model=model, name=name: models[model]().fit(
            frame.assign(**named[name])))
    for model in models:
        if model != "GaussianImputer":
            yield f"refusal {model} leaves the fit alone", lambda model=model: _left_alone(
                models[model]().set_params(random_state=0, n_threads=THREADS), X,
                _spoiled(-np.inf))
    yield "refusal GaussianMixture labels leave the fit alone", lambda: _left_alone(
        GaussianMixture(2, random_state=0, n_threads=THREADS), X, X, labels=np.full(300, 7))
    for i, labels in enumerate((np.zeros(3, int), np.full(300, 9), np.full(300, 0.5),
                                np.full(300, -2), np.array(["a", "b", "c"] * 100),
                                np.zeros((300, 2), int))):
        ask(f"GaussianMixture labels {i}", lambda labels=labels: GaussianMixture(2).fit(
            X, labels=labels))

    def collapsing(**parameters):
        return GaussianMixture(3, reg_covar=0, random_state=0, **parameters).fit(
            np.repeat(two[:4], 20, axis=0))

    ask("GaussianMixture every start collapses", lambda: collapsing(n_init=3))
    ask("GaussianMixture every short start collapses", lambda: collapsing(
        n_init=3, short_iter=2))

    def warm_start():
        gm = GaussianMixture(2, warm_start=True, random_state=0).fit(X)
        return gm.set_params(n_components=3).fit(X)

    ask("GaussianMixture warm start of another size", warm_start)
    gm = GaussianMixture(2, random_state=0, n_threads=THREADS).fit(frame)
    for i, (columns, values) in enumerate((
            ([9], [0]), (["z"], [0]), ([0, 0], [1, 2]), ([0], [1, 2]), ([0], [np.inf]),
            ([], []), ([0, 1, 2, 3], [0] * 4))):
        ask(f"GaussianMixture condition {i}", lambda c=columns, v=values: gm.condition(c, v))
        ask(f"GaussianMixture marginal {i}", lambda c=columns: gm.marginal(c))
    ask("GaussianMixture regress", lambda: gm.regress([0], X))
    ask("GaussianMixture sample", lambda: gm.sample(0))
    ask("GaussianMixture inertia_", lambda: gm.inertia_)
    ask("GaussianMixture labels_", lambda: gm.labels_)
    Path("damaged.npz").write_bytes(b"not a model")
    ask("GaussianMixture load damaged", lambda: GaussianMixture.load("damaged.npz"))
    ask("GaussianMixture load none", lambda: GaussianMixture.load("none.npz"))
    ask("GaussianMixture save not fitted", lambda: GaussianMixture(2).save("x.npz"))

    for name, values in {"n_clusters": (0, 400, 2.5), "init": ("best", np.zeros((2, 4)),
                         lambda X, k, random_state: X[:1]), "n_init": (0, "many"), "max_iter": (0,),
                         "tol": (-1,), "algorithm": ("full",), "n_threads": (0,)}.items():
        for i, value in enumerate(values):
            ask(f"KMeans {name} {i}", lambda name=name, value=value: KMeans(
                **{"n_clusters": 3, name: value}).fit(X))
    ask("KMeans nan", lambda: KMeans(2).fit(gap))
    ask("KMeans masked", lambda: KMeans(2).fit(np.ma.masked_invalid(gap)))
    ask("KMeans nan later", lambda: KMeans(2).fit(X).predict(gap))

    for name, values in {"prior": ("strong", ("ridge", -1), (2,), (3, np.ones(9)), (3, -1.0)),
                         "min_value": ([1, 2], "low"), "max_value": (-np.inf, np.nan),
                         "tol": (-1,), "max_iter": (-1,), "acceleration": (1,),
                         "missing_values": ("none",), "n_threads": (0,)}.items():
        for i, value in enumerate(values):
            ask(f"GaussianImputer {name} {i}", lambda name=name, value=value: GaussianImputer(
                **{name: value}).fit(gap))
    ask("GaussianImputer limits crossed", lambda: GaussianImputer(
        min_value=2, max_value=1).fit(gap))
    ask("GaussianImputer nothing observed", lambda: GaussianImputer().fit(np.full((9, 2), np.nan)))
    imputer = GaussianImputer(n_threads=THREADS).fit(gap)
    for i, sample in enumerate((
            {"n_imputations": 0}, {"method": "guess"}, {"burn_in": 0}, {"thinning": 0},
            {"n_imputations": 2.5}, {"sample_weight": np.ones(3)}, {"training_data": two})):
        ask(f"GaussianImputer sample {i}", lambda sample=sample: imputer.sample(gap, **sample))
    ask("GaussianImputer few rows to draw from", lambda: GaussianImputer(prior="ridge").fit(
        gap[:4]).sample(gap[:4], 2, method="augmentation"))
    ask("GaussianMixtureImputer augmentation", lambda: GaussianMixtureImputer(
        random_state=0).fit(gap).sample(gap, method="augmentation"))
    never = np.array(gap[:60])
    never[:30, 0], never[30:, 1] = np.nan, np.nan
    ask("GaussianImputer errors of a pair never seen together", lambda: GaussianImputer().fit(
        never).standard_errors(never))

    for name, call in {
            "criterion": lambda: select_mixture(X, criterion="best"),
            "no candidates": lambda: select_mixture(X, []),
            "zero": lambda: select_mixture(X, [0, 1]),
            "type": lambda: select_mixture(X, 2, "round"),
            "parameter": lambda: select_mixture(X, 2, colour="red"),
            "data": lambda: select_mixture(_spoiled(np.inf), 2),
            "more than rows": lambda: select_mixture(X[:3], [5, 6])}.items():
        ask(f"select_mixture {name}", call)
    for name, call in {
            "nan": lambda: compare_clusterings(gap, 2),
            "soft_below": lambda: compare_clusterings(X, 2, soft_below=0),
            "clusters": lambda: compare_clusterings(X, 0),
            "more than rows": lambda: compare_clusterings(X[:3], 5),
            "parameter": lambda: compare_clusterings(X, 2, colour=1)}.items():
        ask(f"compare_clusterings {name}", call)
    grey, colour = picture(), picture("colour")
    seeds = np.zeros(grey.shape, int)
    for name, call in {
            "segments": lambda: segment_image(grey, 0), "method": lambda: segment_image(
                grey, 2, "best"), "text": lambda: segment_image("p.png"),
            "one axis": lambda: segment_image(grey[0]), "mask": lambda: segment_image(
                grey, 2, mask=np.ones((3, 3), bool)),
            "empty mask": lambda: segment_image(grey, 2, mask=np.zeros(grey.shape, bool)),
            "infinity": lambda: segment_image(np.where(grey > 200, np.inf, grey / 255)),
            "kmeans nan": lambda: segment_image(picture("nan"), 2, "kmeans"),
            "kmeans smoothed": lambda: segment_image(grey, 2, "kmeans", smoothness=1),
            "smoothness": lambda: segment_image(grey, 2, smoothness=-1),
            "coordinates": lambda: segment_image(grey, 2, coordinates=np.nan),
            "color_space": lambda: segment_image(grey, 2, color_space="hsv"),
            "lab grey": lambda: segment_image(grey, 2, color_space="lab"),
            "few colours": lambda: segment_image(np.zeros((9, 9), np.uint8), 3),
            "channel_axis": lambda: segment_image(colour, 2, channel_axis=5),
            "labels": lambda: segment_image(grey, 2, labels=seeds + 4),
            "labels shape": lambda: segment_image(grey, 2, labels=seeds[:3]),
            "labels of a range": lambda: segment_image(grey, [2, 3], labels=seeds),
            "means_init": lambda: segment_image(colour, 2, means_init=[[1, 2, 3]]),
            "tol": lambda: segment_image(grey, 2, tol=-1),
            "overlay": lambda: segment_image(grey, 2, random_state=0).overlay(2),
            "nodata": lambda: segment_image(grey, 2, nodata="none"),
            "nodata everywhere": lambda: segment_image(np.full((5, 5), 3.0), 1, nodata=3)}.items():
        ask(f"segment_image {name}", call)
    constant = np.array(gap)
    constant[:, 0] = 1.0
    for name, call in {
            "complete": lambda: little_mcar_test(X), "ddof": lambda: little_mcar_test(gap, ddof=2),
            "constant": lambda: little_mcar_test(constant),
            "few": lambda: little_mcar_test(gap[:4]),
            "infinity": lambda: little_mcar_test(_spoiled(np.inf, gap)),
            "sum": lambda: little_mcar_test(collapsed_rows("sum", "nan")),
            "text": lambda: little_mcar_test(np.array([["a", "b"]]))}.items():
        ask(f"little_mcar_test {name}", call)
    ask("missing_data_summary infinity", lambda: missing_data_summary(_spoiled(np.inf)))
    ask("missing_data_summary no rows", lambda: missing_data_summary(X[:0]))
    for i, (q, u, options) in enumerate((
            ([1.0], [1.0], {}), ([1, 2], [1, -1], {}), ([1, 2], [1, 2, 3], {}),
            ([1, np.nan], [1, 2], {}), ([1, 2], [1, 2], {"confidence": 1.5}),
            ([1, 2], [1, 2], {"complete_df": -3}), (np.ones((2, 2, 2)), [1, 2], {}),
            (np.ones((2, 2)), np.arange(8.0).reshape(2, 2, 2), {}))):
        ask(f"pool {i}", lambda q=q, u=u, options=options: pool(q, u, **options))
    w, means, factors = model_of(4, 3, "full")
    some = SufficientStatistics.from_data(X, w, means, factors)
    for name, call in {
            "type": lambda: SufficientStatistics("round", means),
            "shape": lambda: SufficientStatistics("full", means, counts=[1, 2]),
            "nan": lambda: SufficientStatistics("full", np.full((2, 2), np.nan)),
            "other centres": lambda: some + SufficientStatistics.zeros("full", means + 1),
            "other type": lambda: some.merge(SufficientStatistics.zeros("diag", means)),
            "a number": lambda: some.merge(3), "scale": lambda: some * -1,
            "bytes": lambda: SufficientStatistics.from_bytes(b"nothing"),
            "damaged": lambda: SufficientStatistics.from_bytes(
                some.to_bytes()[:-1] + b"\1")}.items():
        ask(f"SufficientStatistics {name}", call)
    for name, call in {
            "log_density shapes": lambda: kernels.log_density(X, means[:, :2], factors),
            "log_density nan": lambda: kernels.log_density(gap, means, factors),
            "log_density type": lambda: kernels.log_density(X, means, factors, "round"),
            "responsibilities nan": lambda: kernels.responsibilities(np.full((2, 2), np.nan)),
            "weighted_moments": lambda: kernels.weighted_moments(X, np.ones((3, 3)), means),
            "em_statistics weights": lambda: kernels.em_statistics(X, [1, 1, 1], means, factors),
            "em_statistics dtype": lambda: kernels.em_statistics(
                X.astype("float16"), w, means, factors),
            "em_statistics sample_weight": lambda: kernels.em_statistics(
                X, w, means, factors, "full", np.ones(2)),
            "e_step want": lambda: kernels.e_step(X, w, means, factors, want=("all",)),
            "missing_patterns infinity": lambda: kernels.missing_patterns(_spoiled(np.inf)),
            "incomplete_statistics patterns": lambda: kernels.incomplete_statistics(
                gap, w, means, factors, patterns=kernels.missing_patterns(gap[:9])),
            "conditional_draws": lambda: kernels.conditional_draws(
                gap, means, factors, np.zeros((3, 3))),
            "kmeans_statistics": lambda: kernels.kmeans_statistics(X, means[:, :2]),
            "kmeans_plusplus": lambda: kernels.kmeans_plusplus(X, 400),
            "potts_statistics": lambda: kernels.potts_statistics(
                X, w, means, factors, shape=(3, 3), smoothness=1.0, resp=np.ones((300, 3)) / 3),
            "check_finite": lambda: kernels.check_finite(gap),
            "check_labels": lambda: kernels.check_labels([5], 1, 2),
            "check_sample_weight": lambda: kernels.check_sample_weight([-1.0], 1)}.items():
        ask(f"kernels {name}", call)
    for name, call in asked.items():
        yield f"refusal {name}", functools.partial(refused, call)


# --- recording and comparing ------------------------------------------------------------------


def cases(prefix, only):
    """Names and calls of the cases whose name contains `only`."""
    seen = set()
    for each in _CASES:
        for name, call in each():
            if name in seen:
                raise AssertionError(f"two cases are called {name!r}")
            seen.add(name)
            if only in f"{prefix}/{name}":
                yield name, call


def work(level, only):
    """The outcomes at the level that this process runs at."""
    found, began = {}, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, call in cases(level, only):
            start = time.perf_counter()
            found[f"{level}/{name}"] = outcome(call)
            if os.environ.get("FINGERPRINTS_TIMES"):
                print(f"{time.perf_counter() - start:7.3f} {name}", file=sys.stderr)
    print(f"{level}: {len(found)} cases, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return found


def levels():
    """SIMD levels of this machine, the plainest first."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        emkernels.show_config()
    return re.search(r"simd available +(.+)", text.getvalue())[1].split(", ")[::-1]


def all_levels(only, threads):
    """The outcomes at every level, each in a process of its own."""
    about = {"emkernels": emkernels.__version__, "numpy": np.__version__,
             "scipy": scipy.__version__, "scikit-learn": sklearn.__version__,
             "python": platform.python_version(), "machine": platform.machine()}
    found = {}
    for level in levels():
        with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
            subprocess.run(
                [sys.executable, __file__, "work", file.name, "--only", only,
                 "--threads", str(threads)],
                check=True, env={
                    **os.environ, "EMKERNELS_SIMD": level, "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0",
                    "COLUMNS": "100", "NO_COLOR": "1", "MPLBACKEND": "agg"})
            found.update(json.load(file))
    return {"about": about, "cases": found}


def differences(before, after):
    """Lines that say what differs: one a case, levels of the same difference together."""
    unlike = {}
    for key in sorted(before.keys() | after.keys()):
        level, _, name = key.partition("/")
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            what = ["a case that FILE does not have" if old is None else "the case is gone"]
        else:
            what = [f"{part}: {old.get(part, '(nothing)')} -> {new.get(part, '(nothing)')}"
                    for part in {**old, **new} if old.get(part) != new.get(part)]
        if what:
            parts = tuple(text.partition(":")[0] for text in what)
            unlike.setdefault((name, parts), ([], what))[0].append(level)
    lines = []
    for (name, _), (at, what) in unlike.items():
        lines += [f"{name}  [{' '.join(at)}]", *(f"    {text}" for text in what[:6])]
        if len(what) > 6:
            lines.append(f"    ... and {len(what) - 6} more")
    return len(unlike), lines


def main():
    global THREADS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "compare", "work"))
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--only", metavar="TEXT", default="")
    parser.add_argument("--threads", metavar="N", type=int, default=1)
    options = parser.parse_args()
    THREADS = options.threads
    if options.what == "work":      # what the others start, once a level
        options.file.write_text(json.dumps(work(os.environ["EMKERNELS_SIMD"], options.only)))
        return 0
    print(f"emkernels of {Path(emkernels.__file__).parent}", file=sys.stderr)
    if options.what == "record":
        found = all_levels(options.only, options.threads)
        options.file.write_text(json.dumps(found, indent=1))
        print(f"{len(found['cases'])} cases recorded")
        return 0
    before = json.loads(options.file.read_text())
    after = all_levels(options.only, options.threads)
    for name, value in before["about"].items():
        if after["about"][name] != value:
            print(f"FILE was recorded with {name} {value}, this is {after['about'][name]}")
    old = {key: value for key, value in before["cases"].items() if options.only in key}
    n, lines = differences(old, after["cases"])
    print("\n".join([*lines, f"{n} of {len({key.partition('/')[2] for key in old})} cases differ, "
                             f"{len(old)} with every level counted"]))
    return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main())
