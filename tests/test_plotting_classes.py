"""Pictures of latent classes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from pictures import drawn, plt
from sklearn.exceptions import NotFittedError

from emkernels import GaussianMixture, LatentClassAnalysis
from emkernels.plotting import plot_response_probs


def answers(n=200, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.random(n) < 0.4
    return pd.DataFrame({
        "sings": np.where(rng.random(n) < np.where(kind, 0.9, 0.2), "yes", "no"),
        "grade": np.clip(rng.normal(np.where(kind, 4, 2), 1).round(), 1, 5),
        "noise": rng.integers(2, size=n),
        "age": rng.normal(np.where(kind, 60, 30), 8)})


@pytest.fixture
def model():
    return LatentClassAnalysis(2, continuous=["age"], random_state=0).fit(answers())


def bars(ax):
    """(line, left, width) of every bar."""
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return np.array([(round(p.get_y() + p.get_height() / 2), p.get_x(), p.get_width())
                     for p in found])


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_bars_are_the_probabilities(model):
    ax = plot_response_probs(model)
    assert ticks(ax.yaxis) == ["sings", "grade", "noise", "age"]
    assert [text.split("\n")[0] for text in ticks(ax.xaxis)] == ["class 0", "class 1"]
    found, scale = bars(ax), 0.92
    for y, probs in enumerate(model.response_probs_):
        for k in (0, 1):
            inside = found[(found[:, 0] == y) & (found[:, 1] >= k) & (found[:, 1] < k + 1)]
            np.testing.assert_allclose(inside[:, 2] / scale, probs[k], atol=1e-12)
            np.testing.assert_allclose(np.diff(inside[:, 1]), inside[:-1, 2], atol=1e-12)
    assert ax.get_title() == "2 classes by 3 items and 1 number"
    model.set_params(continuous=None)       # the picture is of the fit
    assert ticks(plot_response_probs(model).yaxis) == ["sings", "grade", "noise", "age"]
    written = [text.get_text() for text in ax.texts]
    assert {"yes", "no"} < set(written)
    assert {f"{mean:.4g}" for mean in model.means_[:, 0]} < set(written)
    drawn(ax)


def test_numbers_are_on_one_scale(model):
    ax = plot_response_probs(model)
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    spans = [np.ptp(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 3]
    places = np.array(dots) - [0, 1]
    scale = np.diff(places) / np.diff(model.means_[:, 0])
    np.testing.assert_allclose(spans, 2 * scale * np.sqrt(model.variances_[:, 0]))


def test_levels_that_do_not_fit_are_not_written(model):
    model.response_probs_[0][0] = [0.95, 0.05]
    ax = plot_response_probs(model, items=["sings"])
    texts = [(text.get_text(), text.get_position()[0] < 1) for text in ax.texts]
    assert ("no", True) in texts and ("yes", True) not in texts


def test_chosen_items_and_their_order(model):
    ax = plot_response_probs(model, items=["grade", 0])
    assert ticks(ax.yaxis) == ["grade", "sings"]
    assert ax.get_title() == "2 classes by 3 items and 1 number\n2 of 3 items drawn"
    ax = plot_response_probs(model, sort=True)
    assert ticks(ax.yaxis)[2:] == ["noise", "age"]


def test_many_levels_and_no_names():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(20, size=500), rng.integers(2, size=500)])
    with pytest.warns(match="has rank 39, and 41 parameters are free"):
        model = LatentClassAnalysis(2, random_state=0, n_init=2).fit(X)
    ax = plt.subplots(figsize=(12, 4))[1]
    assert plot_response_probs(model, ax=ax) is ax
    assert ticks(ax.yaxis) == ["item 0", "item 1"]
    found = bars(ax)
    assert (found[:, 0] == 0).sum() == 2 * 9
    np.testing.assert_allclose(found[found[:, 0] == 0][:9, 2].sum(), 0.92)
    assert "12 others" in [text.get_text() for text in ax.texts]
    drawn(ax)


def test_one_class_one_level_and_constant_numbers():
    frame = pd.DataFrame({"a": ["x"] * 10, "b": ["y", "n"] * 5, "c": [2.0] * 10})
    model = LatentClassAnalysis(1, continuous=["c"]).fit(frame)
    ax = plot_response_probs(model)
    assert ax.get_title() == "1 class by 2 items and 1 number"
    drawn(ax)


def test_wrong_models_and_items(model):
    with pytest.raises(TypeError, match="model must be a LatentClassAnalysis, got GaussianM"):
        plot_response_probs(GaussianMixture())
    with pytest.raises(NotFittedError, match="LatentClassAnalysis is not fitted"):
        plot_response_probs(LatentClassAnalysis())
    with pytest.raises(ValueError, match="there is no item 'age', only 'sings', 'grade', 'noise'"):
        plot_response_probs(model, items=["age"])
    with pytest.raises(ValueError, match="there is no item 3, only 3 items"):
        plot_response_probs(model, items=3)
    with pytest.raises(TypeError, match=r"must hold numbers or names of items, got 1\.5"):
        plot_response_probs(model, items=[1.5])
    with pytest.raises(ValueError, match="items must name at least one item"):
        plot_response_probs(model, items=[])
    with pytest.raises(TypeError, match="ax must be matplotlib axes"):
        plot_response_probs(model, ax=3)
