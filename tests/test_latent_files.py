"""Files of latent models that are damaged in all kinds of ways: named when they are read."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_wine

from emkernels import (
    FactorAnalysis,
    GaussianHMM,
    MixtureHMM,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
)
from emkernels.models import archives

X = load_wine().data
MODELS = {"mixture": MixtureOfFactorAnalyzers(2, random_state=0, max_iter=500),
          "factors": FactorAnalysis(1), "chain": GaussianHMM(2, random_state=0),
          "chain of mixtures": MixtureHMM(2, 1, random_state=0),
          "student": StudentTMixture(2, df=5.0, random_state=0)}


@pytest.fixture(scope="module", params=MODELS)
def saved(request, tmp_path_factory):
    model = MODELS[request.param].fit(X)
    path = tmp_path_factory.mktemp("files") / "model.npz"
    model.save(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    return type(model), header, arrays


def states(header, arrays):
    """What is wrong, and the file with it."""
    for name, value in header["state"].items():
        kept = {k: v for k, v in header["state"].items() if k != name}
        if name not in ("heywood_", "covariances_", "degenerate_components_"):
            yield f"{name} is not there", kept, arrays
        array = isinstance(value, dict) and value.get("array")
        if array and arrays[array].dtype == float and name not in ("covariances_",):
            spoiled = np.full_like(arrays[array], np.nan)
            yield f"{name} is NaN", header["state"], {**arrays, array: spoiled}
        if name.startswith("_") or name == "n_features_in_":
            yield f"{name} is nothing", {**kept, name: None}, arrays


def test_what_is_damaged_is_not_loaded(saved, tmp_path):
    cls, header, arrays = saved
    loaded = []
    for what, state, values in states(header, arrays):
        archives.write_archive(tmp_path / "bad.npz", {**header, "state": state}, values)
        try:
            cls.load(tmp_path / "bad.npz")
            loaded.append(what)
        except ValueError as error:
            assert f"is not a {cls.__name__} saved by emkernels, or it is damaged" in str(error)
    assert not loaded
    archives.write_archive(tmp_path / "good.npz", header, arrays)
    assert np.isfinite(cls.load(tmp_path / "good.npz").score(X))


def test_a_file_of_one_array(saved, tmp_path):
    np.save(tmp_path / "array.npy", X)
    with pytest.raises(ValueError, match="it holds one array"):
        saved[0].load(tmp_path / "array.npy")
