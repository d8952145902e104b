"""Parameters put into fitted models by hand: of any type and layout, of no other shape."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saved_models import MODELS, answers, fitted
from sklearn.datasets import load_iris

from emkernels import GaussianMixture

X = load_iris().data
GAPS = X.copy()
GAPS[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan


def _laid_out(values, how):
    if how in ("f4", ">f8"):
        return values.astype(how)
    if how == "unaligned":
        out = np.frombuffer(bytearray(values.nbytes + 1), np.float64, values.size, offset=1)
        out = out.reshape(values.shape)
    else:
        out = np.empty([2 * n for n in values.shape])[(slice(None, None, 2),) * values.ndim]
    out[...] = values
    return out


@pytest.mark.parametrize("how", ["f4", ">f8", "strided", "unaligned"])
@pytest.mark.parametrize("name", MODELS)
def test_parameters_put_in_by_hand_in_any_type_and_layout(name, how):
    model, rows = fitted(name)
    expected, other = answers(model, rows), copy.deepcopy(model)
    for attribute, value in vars(model).items():
        parts = value if isinstance(value, list) else [value]
        if attribute.endswith("_") and all(
                isinstance(part, np.ndarray) and part.dtype == np.float64 for part in parts):
            parts = [_laid_out(part, how) for part in parts]
            setattr(other, attribute, parts if isinstance(value, list) else parts[0])
    found = answers(other, rows)
    for method in ("score_samples", "transform", "predict_proba"):
        if method in found:     # (of a chain the density of the rows, and the posteriors)
            one, two = (each if isinstance(each, tuple) else (each,) for each in (
                found[method], expected[method]))
            for a, b in zip(one, two, strict=True):
                assert_allclose(a, b, rtol=1e-2 if how == "f4" else 0,
                                atol=1e-3 if how == "f4" else 0)


def test_arrays_of_a_pickle_that_are_not_aligned_are_copied():
    model = GaussianMixture(2, random_state=0).fit(X)
    state = model.__getstate__()
    state["means_"] = _laid_out(model.means_, "unaligned")
    other = GaussianMixture.__new__(GaussianMixture)
    other.__setstate__(state)
    assert other.means_.flags.aligned and not state["means_"].flags.aligned
    assert_array_equal(other.means_, model.means_)


@pytest.mark.parametrize(("name", "attribute", "change", "message"), [
    ("t", "dfs_", lambda a: np.float64(30), r"dfs has shape \(\), and \(2,\) is needed"),
    ("t", "weights_", lambda a: a[:1], "weights has shape"),
    ("t", "precisions_cholesky_", lambda a: a[:1], "precisions_cholesky has shape"),
    ("classes", "weights_", lambda a: np.ones(2000) / 2000, "probs has shape"),
    ("classes", "response_probs_", lambda a: [p[:, :2] for p in a], "probs has shape"),
    ("classes", "means_", lambda a: a[:1], "means has shape"),
    ("K-means", "cluster_centers_", lambda a: a[:, :3], "features|shape"),
    ("chain", "means_", lambda a: a[:, :3], "shape|dimension"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_parameters_of_another_shape_are_refused(name, attribute, change, message):
    """Kernels would read beyond their ends."""
    model, rows = fitted(name)
    other = copy.deepcopy(model)
    setattr(other, attribute, change(getattr(model, attribute)))
    with pytest.raises(ValueError, match=message):
        other.predict(rows)


@pytest.mark.parametrize("rows", [X, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize("attribute", ["weights_", "means_", "covariances_",
                                       "precisions_cholesky_"])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "VEV"])
def test_mixtures_of_another_shape_are_refused(covariance_type, attribute, rows):
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    for short in (getattr(model, attribute)[:-1], getattr(model, attribute)[..., :-1]):
        other = copy.deepcopy(model)
        setattr(other, attribute, short)
        if attribute == "covariances_":     # not needed for the densities
            other.predict(rows)
        else:
            with pytest.raises(ValueError, match=r"shape|broadcast|dimension"):
                other.predict(rows)
