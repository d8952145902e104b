"""What earlier versions have written is read, and answers as it did; old names go on to exist."""

import importlib
import json
import math
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from write_old_files import TYPES, answers, inputs_of, read

import emkernels
from emkernels import GaussianMixture

DATA = Path(__file__).parent / "data"
FILES = sorted(
    path for path in DATA.glob("*/*.*") if path.suffix not in (".json", ".emk"))
MODELS = [path for path in FILES if path.suffix == ".pickle" and path.stem.startswith(
    ("mixture-", "kmeans", "imputer"))]
# the one warning that files of another version, of this package or of scikit-learn, may give
OTHER_VERSION = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.InconsistentVersionWarning")


def named(path):
    return f"{path.parent.name}/{path.name}"


def unlike(found, expected, where="", tolerance=1e-10):
    """Where what JSON holds differs; numbers as far as processors may differ."""
    if isinstance(expected, dict) and "dtype" in expected:
        if expected["dtype"] == "<f4":
            tolerance = 1e-5
        if (found["dtype"], found["shape"]) != (expected["dtype"], expected["shape"]):
            return [f"{where}: {found['dtype']} {found['shape']}"]
        return unlike(found["values"], expected["values"], where, tolerance)
    if isinstance(expected, dict):
        # a later version may hold more
        lines = [f"{where}.{key} is gone" for key in expected.keys() - found.keys()]
        return lines + [line for key in expected.keys() & found.keys()
                        for line in unlike(found[key], expected[key], f"{where}.{key}", tolerance)]
    if isinstance(expected, list):
        if len(found) != len(expected):
            return [f"{where}: {len(found)} items, not {len(expected)}"]
        return [line for i, pair in enumerate(zip(found, expected))
                for line in unlike(*pair, f"{where}[{i}]", tolerance)]
    if isinstance(expected, float) and isinstance(found, float):
        same = math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance / 10) or (
            math.isnan(found) and math.isnan(expected))
    else:
        same = type(found) is type(expected) and found == expected
    return [] if same else [f"{where}: {found!r}, not {expected!r}"]


def test_differences_are_seen():
    kept = {"a": {"dtype": "<f8", "shape": [2], "values": [1.0, math.nan]}, "b": ["x", 1, None]}
    assert not unlike(json.loads(json.dumps(kept)), kept)
    assert unlike({"b": ["x", 1, None]}, kept) == [".a is gone"]
    assert unlike({**kept, "b": ["y", True, 0]}, kept) == [
        ".b[0]: 'y', not 'x'", ".b[1]: True, not 1", ".b[2]: 0, not None"]
    other = {"dtype": "<f8", "shape": [2], "values": [1 + 1e-9, 0.0]}
    assert len(unlike({**kept, "a": other}, kept)) == 2
    assert unlike({**kept, "a": {**other, "dtype": "<f4"}}, kept)


def test_there_are_files():
    kinds = {(path.parent.name, path.suffix) for path in FILES}
    assert {("0.1.0", suffix) for suffix in (".pickle", ".npz", ".bytes")} <= kinds
    assert len(MODELS) >= 20
    stems = {path.stem for path in FILES}
    for type_ in TYPES:
        assert {f"mixture-{type_}", f"statistics-{type_}"} <= stems
    for folder in {path.parent for path in FILES}:
        expected = json.loads((folder / "answers.json").read_text())
        assert {path.stem for path in folder.glob("*.pickle")} == expected.keys()


@OTHER_VERSION
@pytest.mark.parametrize("path", FILES, ids=named)
def test_old_files_answer_as_they_did(path):
    expected = json.loads((path.parent / "answers.json").read_text())[path.stem]
    thing = read(path)
    found = json.loads(json.dumps(answers(thing, inputs_of(path.parent))))
    assert not unlike(found, expected, tolerance=1e-5 if "float32" in path.stem else 1e-10)
    if path.suffix == ".pickle":        # it is a thing of this version now, and is written as one
        again = json.loads(json.dumps(answers(
            read_back(thing), inputs_of(path.parent))))
        assert again == found


def read_back(thing):
    """Through a pickle of this version."""
    return pickle.loads(pickle.dumps(thing))


@OTHER_VERSION
@pytest.mark.parametrize("path", MODELS, ids=named)
def test_old_models_can_be_fitted_again(path):
    inputs = inputs_of(path.parent)
    model = read(path)
    fresh = type(model)(**model.get_params())
    X = inputs["gaps"] if "imputer" in path.stem else inputs["X"]
    if getattr(model, "missing_values", math.nan) == -9:
        X = np.where(np.isnan(X), -9, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if getattr(model, "warm_start", False):
            before = model.lower_bound_
            assert model.set_params(tol=1e-9).fit(X).lower_bound_ >= before
            return
        model.fit(X), fresh.fit(X)
    use = "predict" if hasattr(model, "predict") else "transform"
    np.testing.assert_array_equal(getattr(model, use)(X), getattr(fresh, use)(X))


@OTHER_VERSION
@pytest.mark.parametrize("path", [path for path in MODELS if "imputer" in path.stem], ids=named)
def test_old_imputers_draw(path):
    gaps = inputs_of(path.parent)["gaps"]
    imputer = read(path)
    X = np.where(np.isnan(gaps), imputer.missing_values, gaps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)        # columns that are left out
        first, second = imputer.sample(X, 2, random_state=0)
        filled = imputer.transform(X)
    assert np.isfinite(first).all() and first.shape == filled.shape
    assert (first != second).any()
    known = np.isclose(filled[:, 0], X[:, 0])
    np.testing.assert_array_equal(first[known, 0], filled[known, 0])


def test_another_version_says_so():
    data = (DATA / "0.1.0" / "mixture-full.pickle").read_bytes()
    with pytest.warns(InconsistentVersionWarning, match="was pickled by emkernels 0.0.9"):
        assert pickle.loads(data.replace(b"0.1.0", b"0.0.9")).converged_


# --- names --------------------------------------------------------------------------------------

NAMES = {
    "emkernels.em": "run_em EMState EMResult DegenerateFitError EMWarning DegenerateWarning "
                    "Progress",
    "emkernels.statistics": "SufficientStatistics",
    "emkernels.comparison": "ClusteringComparison compare_clusterings",
    "emkernels.image": "Segmentation segment_image",
    "emkernels.models.gaussian_mixture": "GaussianMixture",
    "emkernels.models.kmeans": "KMeans",
    "emkernels.models.imputers": "GaussianImputer GaussianMixtureImputer",
    "emkernels.models.missing": "PooledEstimates pool MissingDataSummary missing_data_summary "
                                "LittleTest little_mcar_test",
    "emkernels.models.selection": "SelectionResult select_mixture",
    "emkernels.kernels.mixture": "Moments EMStatistics log_density responsibilities "
                                 "weighted_moments em_statistics e_step",
    "emkernels.kernels.cluster": "KMeansStatistics kmeans_statistics kmeans_plusplus",
    "emkernels.kernels.incomplete": "ConditionalMoments MissingPatterns missing_patterns "
                                    "incomplete_statistics incomplete_e_step conditional_moments "
                                    "conditional_draws",
    "emkernels.kernels.potts": "PottsStatistics potts_statistics",
    "emkernels.plotting": "plot_mixture plot_responsibilities plot_selection plot_history "
                          "plot_clusterings plot_missing_patterns plot_imputed plot_segmentation "
                          "plot_posteriors component_colors",
    "emkernels.cli": "main",
}


@pytest.mark.parametrize("module", NAMES)
def test_old_names(module):
    """Of 0.1.0; each is the thing itself, so that `except` and `isinstance` go on to hold."""
    found = importlib.import_module(module)
    for name in NAMES[module].split():
        thing = getattr(found, name)
        for package in (emkernels, emkernels.kernels):
            assert getattr(package, name, thing) is thing


def test_old_errors():
    from emkernels.em import DegenerateFitError, DegenerateWarning, EMWarning

    assert issubclass(DegenerateFitError, ValueError)
    assert issubclass(DegenerateWarning, EMWarning) and issubclass(EMWarning, UserWarning)
    with pytest.raises(DegenerateFitError):
        GaussianMixture(2, reg_covar=0, random_state=0).fit(np.repeat(np.eye(2), 5, axis=0))
