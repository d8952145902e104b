"""What fits and functions give is of the types that the stubs say."""

import ast
import functools
import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
import stub_files
from sklearn.datasets import load_iris

import emkernels as em

TREES = functools.cache(lambda module: ast.parse(
    stub_files.stub_of(module).read_text(encoding="utf-8")))
SHARED = ast.parse((stub_files.FOLDER / "_typing.pyi").read_text(encoding="utf-8"))
ALIASES = {node.target.id: node.value for node in SHARED.body if isinstance(node, ast.AnnAssign)}
PLAIN = {"int": int, "float": float, "bool": bool, "str": str, "bytes": bytes}


def conforms(value, node):
    """Whether a value is of the type that an annotation says, as far as that goes."""
    if isinstance(node, ast.BinOp):
        return conforms(value, node.left) or conforms(value, node.right)
    if isinstance(node, ast.Constant):
        return value is None if node.value is None else value == node.value
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr in [each.__name__ for each in type(value).__mro__]
    if isinstance(node, ast.Subscript):
        what = node.value.id
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if what == "Literal":
            return any(conforms(value, part) for part in parts)
        if what == "NDArray":
            kind = ast.unparse(parts[0]).removeprefix("np.").partition("[")[0]
            return isinstance(value, np.ndarray) and (
                kind == "Any" or np.issubdtype(value.dtype, getattr(np, kind)))
        if what == "list":
            return isinstance(value, list) and all(conforms(each, parts[0]) for each in value)
        if what == "dict":
            return isinstance(value, dict) and all(conforms(each, parts[1])
                                                   for each in value.values())
        if what == "tuple":
            if not isinstance(value, tuple):
                return False
            if isinstance(parts[-1], ast.Constant) and parts[-1].value is ...:
                parts = parts[:1] * len(value)
            return len(value) == len(parts) and all(map(conforms, value, parts))
        return type(value).__name__ == what
    if node.id in ALIASES:
        return conforms(value, ALIASES[node.id])
    if node.id in PLAIN:
        return isinstance(value, PLAIN[node.id]) and (
            node.id not in ("int", "float") or not isinstance(value, bool))
    return node.id in ("Any", "object", "Self") or node.id in [
        each.__name__ for each in type(value).__mro__]


def declared(owner):
    """Annotations of what objects of a class have, by name, properties among them."""
    found = dict(stub_files.attributes(stub_files.classes(SHARED)["Estimator"]))
    for base in reversed(owner.__mro__):
        if base.__module__.startswith("emkernels.") and stub_files.stub_of(
                base.__module__).exists():
            node = stub_files.classes(TREES(base.__module__)).get(base.__name__)
            if node is not None:
                found.update(stub_files.attributes(node))
                found.update({name: nodes[0].returns
                              for name, nodes in stub_files.functions(node.body).items()
                              if "property" in stub_files.decorators(nodes[0])})
    return found


def returned(owner, name):
    """The annotation of what a method returns."""
    for base in owner.__mro__:
        if base.__module__.startswith("emkernels."):
            node = stub_files.classes(TREES(base.__module__)).get(base.__name__)
            have = {} if node is None else stub_files.functions(node.body)
            if name in have:
                return have[name][0].returns
    raise AssertionError(f"{owner.__name__}.{name} has no stub")


IRIS = load_iris().data
FRAME = pd.DataFrame(np.round(IRIS), columns=list("abcd"))
CODES = (IRIS[:, :1] > 5.8).astype(int)


def fits(owner):
    """Fits of an estimator that together leave every attribute it may have."""
    options = {} if owner is em.KMeans else {"max_iter": 5}
    if "n_init" in inspect.signature(owner).parameters:
        options["n_init"] = 1
    rows = CODES if owner is em.CategoricalHMM else IRIS
    if owner is em.LatentClassAnalysis:
        rows = np.round(IRIS).astype(int)
        yield owner(2, continuous=[0], random_state=0, **options).fit(rows)
    for dtype in (np.float64, np.float32):
        X = rows if rows.dtype.kind == "i" else rows.astype(dtype)
        yield owner(random_state=0, **options).fit(X)
    frame = FRAME[["a"]] * 0 if owner is em.CategoricalHMM else FRAME
    yield owner(random_state=0, **options).fit(frame.astype(int) if rows.dtype.kind == "i"
                                               else frame)
    yield owner(random_state=0, **options).fit_chunks([X, X])
    if owner is em.GaussianMixture:
        labels = np.full(len(IRIS), -1)
        labels[:2] = 0, 1
        yield owner(2, random_state=0).fit(IRIS, labels=labels)
        yield owner(2, noise=True, random_state=0).fit(IRIS)
    if owner is em.FactorAnalysis:
        yield owner(noise="isotropic").fit(IRIS)
    if "add_indicator" in inspect.signature(owner).parameters:
        yield owner(add_indicator=True, random_state=0, **options).fit(
            np.where(IRIS.max(axis=0) == IRIS, np.nan, IRIS))


@pytest.mark.parametrize("owner", stub_files.estimators(), ids=lambda owner: owner.__name__)
def test_attributes_of_fits(owner):
    types, seen = declared(owner), set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in fits(owner):
            names = [name for name in vars(model) if name.endswith("_")]
            names += [name for name in types if name.endswith("_") and hasattr(model, name)]
            for name in names:
                assert name in types, f"{owner.__name__}.{name} is in no stub: say its type there"
                value = getattr(model, name)
                assert conforms(value, types[name]), (
                    f"{owner.__name__}.{name} is {type(value)}, "
                    f"{getattr(value, 'dtype', value)}; the stub: {ast.unparse(types[name])}")
            for name, value in model.get_params().items():
                if value is not None and not isinstance(value, np.ndarray):
                    assert name in types
            seen.update(names)
    # table_ is what `emkernels states --save` leaves (test_cli_again.py)
    never = {name for name in types if name.endswith("_")} - seen - {"table_"}
    assert not never, f"{owner.__name__} has no {never}: leave it out of the stub"


METHODS = ("predict", "predict_proba", "score_samples", "transform", "impute", "score", "bic",
           "aic", "icl", "criteria", "decode", "sample", "get_covariance", "get_precision",
           "outlier_weight", "posterior_covariance", "standard_errors", "missing_information",
           "bivariate_residuals", "abic", "fit_predict", "fit_transform")


@pytest.mark.parametrize("owner", stub_files.estimators(), ids=lambda owner: owner.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_methods_return(owner, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X = CODES if owner is em.CategoricalHMM else IRIS.astype(dtype)
        X = np.round(IRIS).astype(int) if owner is em.LatentClassAnalysis else X
        few = {"n_init": 1} if "n_init" in inspect.signature(owner).parameters else {}
        model = owner(random_state=0, **few).fit(X)
        for name in METHODS:
            if not hasattr(model, name):
                continue
            function = getattr(model, name)
            takes = list(inspect.signature(function).parameters)
            arguments = {"X": X, "component": 0}
            value = function(**{each: arguments[each] for each in takes if each in arguments})
            annotation = returned(owner, name)
            assert conforms(value, annotation), (
                f"{owner.__name__}.{name} gives {type(value)}, {getattr(value, 'dtype', value)}; "
                f"the stub: {ast.unparse(annotation)}")


def results():
    rng = np.random.default_rng(0)
    gaps = np.where(rng.random(IRIS.shape) < 0.1, np.nan, IRIS)
    items = rng.integers(0, 2, (60, 4))
    lca = em.LatentClassAnalysis(2, n_init=2, random_state=0, max_iter=10000).fit(items)
    gm = em.GaussianMixture(2, random_state=0).fit(IRIS)
    yield em.select_mixture(IRIS, [1, 2], n_init=1, random_state=0)
    yield em.select_factors(IRIS, [1])
    yield em.select_classes(items, [1, 2], n_init=2, random_state=0)
    yield em.compare_clusterings(IRIS, 2, random_state=0)
    yield em.parallel_analysis(IRIS, n_draws=5)
    yield em.blrt(items, 2, n_bootstrap=3, n_init=2)
    yield em.little_mcar_test(gaps)
    yield em.missing_data_summary(gaps)
    yield em.pool([1.0, 2.0, 4.0], [0.1, 0.2, 0.3])
    yield em.pool(IRIS[:5], IRIS[:5] ** 2)
    yield lca.covariates(items, IRIS[:60, :2])
    yield lca.distal(items, IRIS[:60, 0])
    yield em.segment_image(np.arange(64.0).reshape(8, 8), 2, random_state=0)
    yield em.SufficientStatistics.from_data(
        IRIS, gm.weights_, gm.means_, gm.precisions_cholesky_)
    yield em.FactorAnalysis(1).fit(IRIS).standard_errors(IRIS)
    yield em.FactorAnalysis(1, noise="isotropic").fit(IRIS).standard_errors(IRIS)
    yield em.GaussianImputer(tol=1e-10).fit(gaps).standard_errors(gaps)
    yield em.data.Rows.read(gaps)


def test_fields_of_results():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for result in results():
            own = type(result)
            for name, annotation in declared(own).items():
                if name in ("n_features_in_", "feature_names_in_"):
                    continue
                if isinstance(annotation, ast.Name) and annotation.id in ("_Value", "_Model"):
                    continue        # of the arguments: see typed_client.py
                value = getattr(result, name)
                assert conforms(value, annotation), (
                    f"{own.__name__}.{name} is {type(value)}, {getattr(value, 'dtype', value)}; "
                    f"the stub: {ast.unparse(annotation)}")


@pytest.mark.parametrize("value, annotation, fits", [
    (1, "int", True), (True, "int", False), (np.float32(1), "float", False), (1.0, "float", True),
    (np.zeros(2), "Floats", True), (np.zeros(2, np.float32), "Floats", False),
    (np.zeros(2, np.float32), "Reals", True), ([1.0], "list[float]", True),
    ([1], "list[float]", False), ((1.0, np.zeros(1)), "tuple[float, Floats]", True),
    (None, "int | None", True), ("a", "int | None", False)])
def test_a_wrong_type_is_seen(value, annotation, fits):
    assert conforms(value, ast.parse(annotation, mode="eval").body) == fits
