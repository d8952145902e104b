"""Every estimator in a file and back: what it holds and what it answers, bit by bit."""

import copy
import json
import os
import pickle
import resource
import signal
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from saved_models import CLASSES, MODELS, STREAMS, X, answers, assert_same, fitted
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import emkernels
from emkernels import GaussianHMM, GaussianImputer, GaussianMixture, KMeans, LatentClassAnalysis
from emkernels.models.files import ESTIMATORS

DATA = Path(__file__).parent / "data"


def held(model):
    """Attributes of an estimator, but for objects that are compared by their own."""
    return {name: value for name, value in vars(model).items()
            if name not in ("_examination", "callback")}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def test_all_estimators_are_here():
    public = {getattr(emkernels, name) for name in emkernels.__all__}
    estimators = {each for each in public
                  if isinstance(each, type) and issubclass(each, BaseEstimator)}
    assert estimators == CLASSES == {getattr(emkernels, name) for name in ESTIMATORS}


def test_there_and_back(name, tmp_path):
    model, rows = fitted(name)
    model.save(tmp_path / "model.emk")
    for loaded in (emkernels.load(tmp_path / "model.emk"),
                   type(model).load(str(tmp_path / "model.emk"))):
        assert type(loaded) is type(model)
        assert_same(held(loaded), held(model))
        assert_same(answers(loaded, rows), answers(model, rows))
    loaded.save(tmp_path / "again.emk")
    assert (tmp_path / "again.emk").read_bytes() == (tmp_path / "model.emk").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.emk", "model.emk"]


@pytest.mark.parametrize("path", sorted(DATA.glob("format-*/*.emk")), ids=lambda path: path.stem)
def test_files_of_before_are_read(path):
    scores = json.loads((path.parent / "scores.json").read_text())
    (name, expected), = [each for each in scores.items() if each[0].replace(" ", "-") == path.stem]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)        # columns that are left out
        model = emkernels.load(path)
        if name in STREAMS:
            model, rows = model.partial_fit(X[60:]), X
        else:
            rows = MODELS[name][1]
        # elsewhere other processors round otherwise
        assert model.score(rows) == pytest.approx(
            expected, rel=1e-5 if name == "float32" else 1e-9)


def test_files_say_what_they_are(tmp_path):
    fitted("K-means")[0].save(tmp_path / "model.emk")
    with zipfile.ZipFile(tmp_path / "model.emk") as archive, archive.open("header.npy") as file:
        header = json.loads(np.load(file).tobytes())
    assert (header["format"], header["version"]) == ("emkernels.KMeans", 2)
    assert header["emkernels"] == emkernels.__version__
    with pytest.raises(ValueError, match="is not a GaussianMixture saved by emkernels, or it is "
                                         "damaged: it holds emkernels.KMeans"):
        GaussianMixture.load(tmp_path / "model.emk")


def test_what_set_output_was_told(tmp_path):
    model = GaussianImputer().set_output(transform="pandas").fit(X)
    model.save(tmp_path / "model.emk")
    assert isinstance(emkernels.load(tmp_path / "model.emk").transform(X), pd.DataFrame)


def test_what_stands_for_missing(tmp_path):
    gaps = X.fillna(0).astype("Float64")
    gaps.iloc[3, 1] = pd.NA
    model = GaussianImputer(missing_values=pd.NA).fit(gaps)
    model.save(tmp_path / "model.emk")
    loaded = emkernels.load(tmp_path / "model.emk")
    assert loaded.missing_values is pd.NA
    np.testing.assert_array_equal(loaded.transform(gaps), model.transform(gaps))


def test_what_has_no_form(tmp_path):
    path = tmp_path / "model.emk"
    model = KMeans(2, init=lambda X, k, random_state: X[:k], n_init=1).fit(X)
    with pytest.raises(TypeError, match="cannot be saved: init is or has a function"):
        model.save(path)
    levels = pd.DataFrame({"a": [b"x", b"y"] * 9, "b": [1, 2] * 9})
    with pytest.raises(TypeError, match="column 'a' has levels of type bytes"):
        LatentClassAnalysis(1).fit(levels).save(path)
    with pytest.raises(NotFittedError):
        GaussianMixture(2).save(path)
    with pytest.raises(ValueError, match="'n_components' parameter"):
        GaussianMixture(1).fit(X).set_params(n_components=-1).save(path)
    with pytest.raises(FileNotFoundError, match="there is no folder: '.*no'"):
        KMeans(2, random_state=0).fit(X).save(tmp_path / "no" / "model.emk")
    for folder in (tmp_path, "."):
        with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
            KMeans(2, random_state=0).fit(X).save(folder)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        emkernels.load(path)


def test_what_lies_where_the_file_goes(tmp_path):
    model = fitted("K-means")[0]
    path, link, folder = tmp_path / "model.emk", tmp_path / "latest.emk", tmp_path / "folder"
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink() and path.is_file()
    model.save(os.fsencode(link))       # bytes are names, too
    assert emkernels.load(os.fsencode(link)).n_clusters == 3
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        model.save(folder)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError, match="not a regular file"):
        model.save(pipe)
    longest = tmp_path / f"{'m' * 251}.emk"
    model.save(longest)
    assert sorted(tmp_path.iterdir()) == sorted([path, link, folder, pipe, longest])


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "model.emk"
    fitted("K-means")[0].save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match=f"too large: '{path}'"):
            fitted("mixture")[0].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_classes_of_ones_own(tmp_path):
    class Groups(KMeans):
        pass

    Groups(3, random_state=0).fit(X).save(tmp_path / "model.emk")
    assert type(Groups.load(tmp_path / "model.emk")) is Groups
    with pytest.raises(ValueError, match="a class of your own reads it, Groups.load"):
        emkernels.load(tmp_path / "model.emk")
    with pytest.raises(ValueError, match="is not a KMeans saved by .* it holds emkernels.Groups"):
        KMeans.load(tmp_path / "model.emk")


def test_parameters_put_in_by_hand(tmp_path):
    model = GaussianHMM(2, covariance_type="diag")
    model.startprob_, model.transmat_ = np.array([0.5, 0.5]), np.full((2, 2), 0.5)
    model.means_, model.covars_ = np.array([[0.0], [3.0]]), np.ones((2, 1, 1))
    model.n_features_in_ = 1
    model.save(tmp_path / "model.emk")
    rows = np.array([[0.1], [2.9], [0.2]])
    np.testing.assert_array_equal(
        emkernels.load(tmp_path / "model.emk").predict(rows), model.predict(rows))


# --- pickles and skops ------------------------------------------------------------------------


def test_pickles_say_which_version(name):
    model, rows = fitted(name)
    data = pickle.dumps(model)
    assert_same(answers(pickle.loads(data), rows), answers(model, rows))
    state = model.__getstate__()
    assert state["_emkernels_version"] == emkernels.__version__
    fresh = type(model).__new__(type(model))
    with pytest.warns(InconsistentVersionWarning, match=f"{type(model).__name__} was pickled by "
                      f"emkernels 9.9 and is read by {emkernels.__version__}"):
        fresh.__setstate__({**state, "_emkernels_version": "9.9"})
    del state["_emkernels_version"]
    with pytest.warns(InconsistentVersionWarning, match="of an unknown version"):
        fresh.__setstate__(state)
    assert_same(held(fresh), held(model))


def there_and_back(model):
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(emkernels.SKOPS_TYPES)
    return skops.io.loads(data, trusted=emkernels.SKOPS_TYPES)


def test_skops(name):
    model, rows = fitted(name)
    loaded = there_and_back(model)
    assert_same(held(loaded), held(model))
    assert_same(answers(loaded, rows), answers(model, rows))


@pytest.mark.parametrize("name", STREAMS)
def test_skops_of_streams(name):
    model = copy.deepcopy(STREAMS[name]).partial_fit(X[:60])
    for loaded in (there_and_back(model), pickle.loads(pickle.dumps(model))):
        one, other = loaded.partial_fit(X[60:]), copy.deepcopy(model).partial_fit(X[60:])
        assert_same(held(one), held(other))
