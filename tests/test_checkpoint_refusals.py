"""Checkpoints of other fits, and files that are none."""

import os
import pickle

import numpy as np
import pytest
from checkpointed import (  # noqa: F401
    RNG,
    ROWS,
    Counted,
    X,
    assert_same,
    file_of_a_fit_left,
    mixture,
    only,
    path_of_a_file,
    refused,
    the_fit,
)

from emkernels import GaussianMixture
from emkernels.data import Rows
from emkernels.data import journal as journals


def test_no_file_is_overwritten(left):
    assert refused(left, "resume=True", resume=False).n_passes == 0


@pytest.mark.parametrize("options, match", [
    ({"n_components": 2}, "n_components=3, and now it is 2"),
    ({"random_state": 4}, "random_state=3, and now it is 4"),
    ({"random_state": None}, "random_state=3, and now it is None"),
    ({"random_state": np.random.RandomState(3)}, "now it is 'RandomState of MT19937'"),
    ({"covariance_type": "diag"}, "covariance_type='full', and now it is 'diag'"),
    ({"n_init": 3}, "n_init=2, and now it is 3"),
    ({"acceleration": None}, "acceleration='squarem', and now it is None"),
    ({"means_init": np.zeros((3, 3))}, r"None, and now it is an array of shape \(3, 3\)"),
    ({"convergence": "parameters"}, "convergence"),
    ({"init_params": ("random", "kmeans")}, "init_params"),
], ids=lambda value: "" if isinstance(value, str) else next(iter(value)))
def test_other_parameters(left, options, match):
    assert refused(left, match, model=mixture(**options)).n_passes == 0


def test_numbers_that_are_the_same(left, expected):
    model = mixture(n_components=np.int64(3), reg_covar=np.float64(1e-6), fixed=[])
    assert_same(model.fit_chunks(Counted(), checkpoint=left, resume=True), expected)


def test_another_class(left):
    class Other(GaussianMixture):
        pass

    refused(left, "GaussianMixture, and this is .*Other", model=Other(**mixture().get_params()))


@pytest.mark.parametrize("change, match", [
    (lambda X: X[:, :2], "3 columns of float64, and these have 2"),
    (lambda X: X.astype(np.float32), "float64, and these have 3 columns of float32"),
    (lambda X: X[:-1], r"block 11: it had 100 rows, .*now has the shape \(99, 3\)"),
    (lambda X: X[:-ROWS], "block 11: it is not there, and there were 12 blocks"),
    (lambda X: np.concatenate([X, X[:2]]), "block 12: there were 12 blocks"),
    (lambda X: np.concatenate([X[:550], X[550:] + 1e-9]), "block 5: its values are others"),
    (lambda X: np.where(np.arange(len(X))[:, None] == 730, np.nan, X),
     "block 7: its values are others"),
], ids=range(7))
def test_other_rows(left, change, match):
    refused(left, match, Counted(change(X)))


def test_other_weights_and_columns(path):
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame(X[i:i + ROWS], columns=list("abc"))
              for i in range(0, len(X), ROWS)]
    weights = [np.full(ROWS, 2.0) for _ in frames]
    mixture().fit_chunks(frames, sample_weight=weights, checkpoint=path)
    model = mixture().fit_chunks(frames, sample_weight=weights, checkpoint=path, resume=True)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    refused(path, "block 0 has other values or weights", frames)
    weights[4] = weights[4] * 1.5
    refused(path, "block 4 has other values or weights", frames, sample_weight=weights)
    named = [frame.rename(columns={"b": "x"}) for frame in frames]
    refused(path, r"\('a', 'b', 'c'\), and these have .*'x'", named, sample_weight=weights)


def test_rows_of_which_some_are_known_or_weigh(path):
    """Each by itself: blocks need not have the same company."""
    known = np.where(X[:, 0] > 6, 2, -1)

    def parts(known):
        return [X[:200], Rows.read(X[200:500]).labelled(known[200:500]),
                Rows.read(X[500:]).weighed(np.full(len(X) - 500, 1.5))]

    model = mixture(init_params="random_from_data")
    expected = mixture(init_params="random_from_data").fit_chunks(parts(known))
    for resume in (False, True):
        assert_same(model.fit_chunks(parts(known), checkpoint=path, resume=resume), expected)
    refused(path, "block 1 has other values", parts(-np.ones(len(X), int)),
            model=mixture(init_params="random_from_data"))


def test_another_version(left, monkeypatch):
    monkeypatch.setattr(journals, "__version__", "99.1")
    refused(left, "has version .*, that of this emkernels is 99.1")


def test_what_went_on_from_another_fit(path):
    warm = mixture(warm_start=True).fit_chunks(Counted())
    warm.fit_chunks(Counted(), checkpoint=path)
    refused(path, "warm_start", model=mixture(warm_start=True))


def test_damaged_files(left):
    written = left.read_bytes()
    places = sorted({*range(40), *RNG.integers(len(written), size=60).tolist(),
                     *range(len(written) - 50, len(written))})
    for at in places:
        damaged = bytearray(written)
        damaged[at] ^= 1 << int(RNG.integers(8))
        left.write_bytes(damaged)
        refused(left, "no checkpoint of emkernels, or it is damaged")
    for end in [*range(0, 100, 7), *RNG.integers(len(written), size=40).tolist(),
                len(written) - 1]:
        left.write_bytes(written[:end])
        refused(left, "damaged")
    for foreign in (written + b"\0", b"", b"PK\3\4" * 100, pickle.dumps([1, 2]), written * 2):
        left.write_bytes(foreign)
        assert refused(left, "damaged").n_passes == 0


@pytest.mark.parametrize("path, kind, match", [
    ("nowhere/fit.ckpt", ValueError, "checkpoint .* no folder"),
    (".", ValueError, "checkpoint .* is a folder"), (3, TypeError, "checkpoint must be a path"),
    (True, TypeError, "checkpoint must be a path"),
    ("x\0", ValueError, "the checkpoint .* is no path"),
    ("", ValueError, "checkpoint .* is a folder")])
def test_paths_that_cannot_be(tmp_path, monkeypatch, path, kind, match):
    monkeypatch.chdir(tmp_path)
    source = Counted()
    with pytest.raises(kind, match=match):
        mixture().fit_chunks(source, checkpoint=path)
    assert source.n_passes == 0 and os.listdir(tmp_path) == []


def test_resume_needs_a_path_and_no_file(path, expected):
    with pytest.raises(ValueError, match="resume=True goes on with a checkpoint"):
        mixture().fit_chunks(Counted(), resume=True)
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), expected)
    assert only(path)


@pytest.mark.parametrize("resume", ["no", 1, None])
def test_resume_is_true_or_false(resume, left):
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        mixture().fit_chunks(Counted(), resume=resume)
    written = left.read_bytes()
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        mixture().fit_chunks(Counted(), checkpoint=left, resume=resume)
    assert left.read_bytes() == written and only(left)
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        journals.Journal(left, mixture(), resume)


def test_a_fit_that_cannot_begin_leaves_no_file(path):
    for source, options in ((Counted(X[:2]), {}), (Counted(), {"means_init": np.zeros((2, 2))}),
                            (lambda: iter(()), {}), (Counted(X * np.inf), {})):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError):
            mixture(**options).fit_chunks(source, checkpoint=path)
        assert os.listdir(path.parent) == []
