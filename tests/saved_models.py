"""One fit of every estimator, for tests of what becomes of them in files.

    python tests/saved_models.py tests/data/format-VERSION

writes files of a format that is new; those that are there are NOT to be written again.
"""

import copy
import functools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from emkernels import (
    CategoricalHMM,
    FactorAnalysis,
    GaussianHMM,
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    LatentClassAnalysis,
    MixtureHMM,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
)

RNG = np.random.default_rng(0)
GROUP = np.repeat([0.0, 4.0, 9.0], 40)
X = pd.DataFrame(RNG.normal(size=(120, 4)) + GROUP[:, None], columns=list("abcd"))
X["d"] = X["a"] - X["b"] + RNG.normal(size=120)
GAPS = X.mask(RNG.random(X.shape) < 0.1)
SYMBOLS = pd.DataFrame({"a": RNG.integers(0, 3, 120)})
ANSWERS = pd.DataFrame(RNG.integers(0, 3, (120, 4)), columns=list("abcd")).replace(
    {0: "no", 1: "perhaps", 2: "yes"}).assign(e=X["a"])
WIDE = GAPS.assign(empty=np.nan, one=7.0)
BRIEF = {"random_state": 0, "max_iter": 20}

# name -> an estimator, and what it is fitted to
MODELS = {
    "symbols": (CategoricalHMM(2, **BRIEF), SYMBOLS),
    "factors": (FactorAnalysis(1), GAPS),
    "factors of one variance": (FactorAnalysis(2, noise="isotropic"), X),
    "chain": (GaussianHMM(2, **BRIEF), GAPS),
    "chain of full states": (GaussianHMM(2, covariance_type="full", **BRIEF), X.to_numpy()),
    "chain of mixtures": (MixtureHMM(2, 2, **BRIEF), X),
    "mixture of factors": (MixtureOfFactorAnalyzers(2, **BRIEF), X),
    "t": (StudentTMixture(2, **BRIEF), GAPS),
    "t of given degrees": (StudentTMixture(2, covariance_type="diag", df=4.0, **BRIEF), GAPS),
    "classes": (LatentClassAnalysis(2, continuous=["e"], **BRIEF), ANSWERS),
    "classes of codes": (LatentClassAnalysis(2, **BRIEF), SYMBOLS.assign(b=SYMBOLS["a"] // 2)),
    "imputer": (GaussianImputer(add_indicator=True), WIDE),
    "imputer with limits": (GaussianImputer(
        min_value=[0, 0, -np.inf, -9], max_value=9, prior="ridge", keep_empty_features=True), GAPS),
    "imputer of nothing": (GaussianImputer(), pd.DataFrame({"a": [1.0, 1.0, np.nan]})),
    "imputer by a mixture": (GaussianMixtureImputer(2, **BRIEF), WIDE),
    "imputer by a diagonal": (GaussianMixtureImputer(2, covariance_type="diag", **BRIEF), GAPS),
    "K-means": (KMeans(3, random_state=0), X),
    "K-means from centres": (KMeans(3, init=X.to_numpy()[[0, 50, 100]], n_init=1),
                             X.to_numpy(np.float32)),
    "mixture": (GaussianMixture(3, **BRIEF), GAPS),
    "float32": (GaussianMixture(3, covariance_type="tied", **BRIEF), X.to_numpy(np.float32)),
    "spheres": (GaussianMixture(3, covariance_type="spherical", **BRIEF), GAPS),
    "letters": (GaussianMixture(3, covariance_type="VEV", covariance_prior="empirical",
                                weight_concentration=[2.0, 2.0, 1.0], **BRIEF), X),
    "noise": (GaussianMixture(2, noise=True, covariance_type="diag", **BRIEF), GAPS),
    "held": (GaussianMixture(
        2, weights_init=[0.5, 0.5], means_init=np.zeros((2, 4)) + [[0.0], [6.0]],
        fixed=("means",), init_params=("kmeans", "random"), **BRIEF), X),
}
# estimators of streams, not fitted
STREAMS = {"stream of a mixture": GaussianMixture(2, random_state=0, noise=1e-4),
           "stream of letters": GaussianMixture(2, random_state=0, covariance_type="EVE"),
           "stream of an imputer": GaussianImputer(prior="ridge"),
           "stream of K-means": KMeans(2, random_state=0)}
CLASSES = {type(model) for model, _ in MODELS.values()}


@functools.cache
def fitted(name):
    """The fit of that name, and its rows; not to be changed."""
    model, rows = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        return model.fit(rows), rows


def answers(model, rows):
    """What its methods say of the rows and what it draws, by method."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name in ("predict", "predict_proba", "score_samples", "score", "transform", "impute",
                     "decode", "bic"):
            if hasattr(model, name):
                found[name] = getattr(model, name)(rows)
        if hasattr(model, "sample"):
            imputes = hasattr(model, "transform") and hasattr(model, "log_likelihood_")
            if not imputes:
                found["sample"] = model.sample(7)
            elif len(model._columns.varying):
                found["sample"] = model.sample(rows, 2, random_state=0)
    return found


def assert_same(found, expected, where=""):
    """Values that are the same bit by bit, of the same types."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype, where
        assert found.strides == expected.strides or not found.size, where
        np.testing.assert_array_equal(found, expected, err_msg=where)
    elif hasattr(expected, "__slots__") and type(expected).__module__.startswith("emkernels"):
        for slot in expected.__slots__:
            assert_same(getattr(found, slot), getattr(expected, slot), f"{where}.{slot}")
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    elif isinstance(expected, (int, float, str, bool, frozenset, type(None), np.generic)):
        assert found == expected or (found != found and expected != expected), where
    else:
        assert_same(vars(found), vars(expected), where)


def write_files(folder):
    """Files of all of these, and what they score, for versions to come; see tests/data."""
    folder.mkdir(parents=True)
    scores = {}
    for name in MODELS:
        model, rows = fitted(name)
        model.save(folder / f"{name.replace(' ', '-')}.emk")
        scores[name] = float(model.score(rows))
    for name, model in STREAMS.items():
        model = copy.deepcopy(model).partial_fit(X[:60])
        model.save(folder / f"{name.replace(' ', '-')}.emk")
        scores[name] = float(model.partial_fit(X[60:]).score(X))
    (folder / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))
