"""Pictures of states over time."""

import numpy as np
import pandas as pd
import pytest
from pictures import drawn, legend_texts, plt, scatters
from sklearn.exceptions import NotFittedError

from emkernels import CategoricalHMM, GaussianHMM, GaussianMixture, MixtureHMM
from emkernels.plotting import component_colors, plot_states


def signal(n=120, seed=0):
    rng = np.random.default_rng(seed)
    state = np.arange(n) // 30 % 2
    return pd.DataFrame({"a": rng.normal(4.0 * state, 1), "b": rng.normal(size=n)})


def background(ax):
    """Colours of the cells, and their edges."""
    (mesh,) = [c for c in ax.collections if type(c).__name__ == "QuadMesh"]
    return np.asarray(mesh.get_facecolors()).reshape(-1, 4), mesh.get_coordinates()[0, :, 0]


def curves(ax):
    """Lines of many points, which are the signal's."""
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


@pytest.fixture(scope="module")
def model():
    return GaussianHMM(2, n_init=2, random_state=0).fit(signal())


def test_colours_are_the_path_and_how_sure_it_is(model):
    X = signal()
    ax = plot_states(model, X)
    path, resp = model.decode(X)[1], model.predict_proba(X)
    cells, edges = background(ax)
    ax.figure.canvas.draw()
    cells = background(ax)[0]
    np.testing.assert_allclose(cells[:, :3], component_colors(2)[path], atol=1e-6)
    order = np.argsort(resp[np.arange(120), path])
    assert (np.diff(cells[order, 3]) >= -1e-9).all() and cells[order[-1], 3] > 0.4
    np.testing.assert_allclose(edges, np.arange(121) - 0.5)
    (line,) = curves(ax)
    np.testing.assert_array_equal(line.get_ydata(), X["a"])
    levels = [line for line in ax.lines if len(line.get_xdata()) == 2]
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    assert [line.get_ydata()[0] for line in levels] == [model.means_[k, 0] for k in path[starts]]
    assert levels[0].get_xdata()[0] == -0.5 and levels[-1].get_xdata()[-1] == 119.5
    assert ax.get_title() == f"GaussianHMM, 2 states: {len(starts) - 1} changes"
    assert ax.get_ylabel() == "a" and ax.get_xlabel() == "row"
    shares = np.bincount(path) / 120
    assert legend_texts(ax) == [f"{k} ({100 * share:.3g} %)" for k, share in enumerate(shares)]
    drawn(ax)


def test_sequences_by_lengths_and_as_a_list(model):
    X = signal()
    ax = plot_states(model, X, [50, 70], column="b")
    other = plot_states(model, [X.iloc[:50], X.iloc[50:]], column=1)
    third = plot_states(model, (X.iloc[:50], X.iloc[50:]), column=1)
    for each in (ax, other, third):
        assert each.get_ylabel() == "b" and each.get_title().endswith(" in 2 sequences")
        assert [len(line.get_xdata()) for line in curves(each)] == [50, 70]
        assert 49.5 in [line.get_xdata()[0] for line in each.lines if line.get_linestyle() == "--"]
    assert ax.get_title() == other.get_title()
    plt.close("all")


def test_gaps_break_the_line_and_times_are_the_axis(model):
    X = signal()
    X.iloc[10:20] = np.nan
    dates = pd.Series(pd.date_range("2020-01-01", periods=120), name="day")
    ax = plot_states(model, X, times=dates)
    assert np.isnan(curves(ax)[0].get_ydata()[10:20]).all()
    assert ax.get_xlabel() == "day"
    years = np.sort(np.random.default_rng(0).uniform(1900, 2000, 120))
    ax = plot_states(model, X, times=years)
    np.testing.assert_allclose(background(ax)[1][1:-1], (years[1:] + years[:-1]) / 2)
    # two clocks that begin anew: one after the other
    both = np.concatenate([np.arange(60), np.arange(60)])
    ax = plot_states(model, X, [60, 60], times=both)
    assert (np.diff(background(ax)[1]) > 0).all()
    drawn(ax)


def test_symbols_are_points():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (90, 1)) + 2 * (np.arange(90)[:, None] // 30 % 2)
    model = CategoricalHMM(2, n_init=2, random_state=0).fit(X)
    ax = plot_states(model, X)
    (points,) = scatters(ax)
    np.testing.assert_array_equal(points.get_offsets()[:, 1], X[:, 0])
    assert not curves(ax) and ax.get_ylim() == (-0.5, 3.5)
    drawn(ax)


def test_long_sequences_are_drawn_in_bins(model):
    X = pd.concat([signal()] * 100, ignore_index=True)
    X.iloc[5000:5010] = np.nan
    ax = plot_states(model, X)
    cells, edges = background(ax)
    assert len(edges) == 4001 and "12,000 rows in bins of 3" in ax.get_title()
    drawn(ax)


def test_of_many_sequences_the_first_are_drawn(model):
    X = signal()
    ax = plot_states(model, X, [10] * 12, max_sequences=3)
    assert ax.get_title().endswith(" in 3 sequences\n3 of 12 sequences drawn")
    parts = [X[at:at + 10] for at in range(0, 120, 10)]
    other = plot_states(model, parts, max_sequences=3)
    assert other.get_title() == ax.get_title()
    for each in (ax, other):
        np.testing.assert_array_equal(
            np.concatenate([line.get_ydata() for line in curves(each)]), X["a"][:30])
    np.testing.assert_array_equal(background(ax)[0], background(other)[0])
    with pytest.raises(ValueError, match="max_sequences must be a whole number of at least 1"):
        plot_states(model, X, max_sequences=0)
    plt.close("all")


def test_mixtures_states_have_one_mean_and_axes_may_be_given():
    X = signal()
    model = MixtureHMM(2, 2, n_init=1, max_iter=20, tol=1e-3, random_state=0).fit(X)
    ax = plt.subplots()[1]
    assert plot_states(model, X, ax=ax) is ax
    levels = {line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 2}
    means = (model.weights_[:, :, None] * model.means_).sum(axis=1)[:, 0]
    assert levels <= set(means.tolist())
    drawn(ax)


def test_one_row_and_one_state():
    model = GaussianHMM(1).fit(signal())
    assert plot_states(model, signal()[:1]).get_title() == "GaussianHMM, 1 state: 0 changes"
    plt.close("all")


@pytest.mark.parametrize("copies", [1, 2000])
def test_impossible_sequences_have_no_colours(copies):
    model = CategoricalHMM(2)
    model.startprob_, model.transmat_ = [0, 1], [[1, 0], [0.01, 0.99]]
    model.emissionprob_ = [[0.1, 0.9, 0], [0, 0, 1]]
    X = np.array([[0], [0], [0], [2], [2], [0]] * copies)
    ax = plot_states(model, X, [3] * 2 * copies, max_sequences=4000)
    ax.figure.canvas.draw()
    opacity = background(ax)[0][:, 3]
    assert (opacity[0] == 0) and (opacity > 0.05).any()
    lost = "1 sequence impossible" if copies == 1 else "2,000 sequences impossible"
    assert lost in ax.get_title() and legend_texts(ax)[0] == "0 (16.7 %)"
    drawn(ax)


def test_wrong_models_and_times(model):
    X = signal()
    with pytest.raises(TypeError, match="model must be a hidden Markov model, got GaussianMixture"):
        plot_states(GaussianMixture(2), X)
    with pytest.raises(NotFittedError, match="GaussianHMM is not fitted"):
        plot_states(GaussianHMM(2), X)
    with pytest.raises(ValueError, match="there is no column 'c', only 'a', 'b'"):
        plot_states(model, X, column="c")
    with pytest.raises(ValueError, match="lengths must be positive and sum to the 120 rows"):
        plot_states(model, X, [50, 60])
    with pytest.raises(ValueError, match="lengths are those of one array: X is a list"):
        plot_states(model, [X.to_numpy()], [120])
    with pytest.raises(ValueError, match="times must hold one for each of the 120 rows"):
        plot_states(model, X, times=[1, 2])
    with pytest.raises(ValueError, match="times must be finite, and ascend within each sequence"):
        plot_states(model, X, times=np.arange(120)[::-1])
