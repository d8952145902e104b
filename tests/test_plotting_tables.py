"""Pictures of missing and imputed values."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from pictures import drawn, legend_texts, plt, scatters

from emkernels import GaussianImputer, GaussianMixture
from emkernels.data import Rows
from emkernels.plotting import plot_imputed, plot_missing_patterns, plot_mixture

N = np.nan


@pytest.fixture(autouse=True)
def no_figure_is_left():
    plt.close("all")        # of other files
    yield
    plt.close("all")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) + 5
    X[rng.random(300) < 0.3, 1] = np.nan
    X[rng.random(300) < 0.1, 2] = np.nan
    return X


# --- plot_missing_patterns ---------------------------------------------------------------------

@pytest.mark.parametrize("n_features", [4, 8, 12, 31, 60])
@pytest.mark.parametrize("width", [3.0, 6.0])
def test_the_shares_do_not_lie_over_each_other(n_features, width):
    X = np.random.default_rng(0).normal(size=(237, n_features))
    X[:1] = X[5:50, ::3] = N      # shares of five letters
    figure, ax = plt.subplots(figsize=(width, 4))
    top = plot_missing_patterns(X, ax=ax).child_axes[2]
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in top.texts]
    assert len(boxes) in (1, n_features)
    assert len(boxes) == n_features or n_features > 12
    assert not any(one.x1 > other.x0 for one, other in pairwise(boxes))


def read_patterns(ax):
    """Masks, counts and shares as the picture has them."""
    matrix, side, top = ax.child_axes
    mesh = next(c for c in matrix.collections if isinstance(c, QuadMesh))
    return (np.asarray(mesh.get_array(), bool), [bar.get_width() for bar in side.patches],
            [bar.get_height() for bar in top.patches])


def counted(X):
    """Patterns with their counts, in plain Python."""
    rows = [tuple(row) for row in np.asarray(pd.isna(X))]
    return {row: rows.count(row) for row in rows}


def test_patterns(table):
    masks, counts, shares = read_patterns(plot_missing_patterns(table))
    assert {tuple(mask): n for mask, n in zip(masks, counts)} == counted(table)
    assert counts == sorted(counts, reverse=True)
    np.testing.assert_allclose(shares, np.isnan(table).mean(axis=0))


def test_the_most_frequent_patterns(table):
    ax = plot_missing_patterns(table, max_patterns=2)
    _, counts, shares = read_patterns(ax)
    assert counts == sorted(counted(table).values(), reverse=True)[:2]
    np.testing.assert_allclose(shares, np.isnan(table).mean(axis=0))        # of all rows
    share = np.isnan(table).mean()
    assert ax.get_title() == (f"4 patterns, {100 * share:.3g} % of the values missing\n"
                              f"the 2 most frequent: {100 * sum(counts) / 300:.3g} % of the rows")
    drawn(ax)


def test_patterns_on_given_axes(table):
    fig, axes = plt.subplots(1, 2)
    assert plot_missing_patterns(table, ax=axes[1]) is axes[1]
    assert plt.get_fignums() == [fig.number]
    fig.canvas.draw()
    place = axes[1].get_position()
    for child in axes[1].child_axes:        # within the place of the axes
        box = child.get_position()
        assert place.x0 - 1e-9 <= box.x0 and box.x1 <= place.x1 + 1e-9
        assert place.y0 - 1e-9 <= box.y0 and box.y1 <= place.y1 + 1e-9


def test_patterns_of_texts_dates_and_integers():
    frame = pd.DataFrame({
        "name": ["a", None, "c"], "when": pd.to_datetime(["2020-01-01", None, None]),
        "n": pd.array([1, None, 2], dtype="Int64"), "x": [1.0, np.inf, N]})
    ax = plot_missing_patterns(frame)
    masks, counts, _ = read_patterns(ax)
    assert {tuple(mask): n for mask, n in zip(masks, counts)} == counted(frame)
    assert [t.get_text() for t in ax.child_axes[0].get_xticklabels()] == list(frame.columns)
    assert [t.get_text() for t in ax.child_axes[1].texts] == ["1", "1", "1"]
    objects = plot_missing_patterns(frame.to_numpy(dtype=object))
    np.testing.assert_array_equal(read_patterns(objects)[0], masks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_patterns_of_complete_tables(dtype):
    ax = plot_missing_patterns(np.ones((5, 2), dtype))
    assert ax.get_title() == "No missing values"
    assert read_patterns(ax)[1] == [5]
    drawn(ax)


def test_patterns_of_one_column_and_of_many():
    masks, counts, _ = read_patterns(plot_missing_patterns([[N], [1.0], [N]]))
    assert masks.tolist() == [[True], [False]] and counts == [2, 1]
    X = np.zeros((50, 300))
    X[np.arange(50), np.arange(50)] = np.nan
    ax = plot_missing_patterns(X, max_patterns=100)
    labels = [t.get_text() for t in ax.child_axes[0].get_xticklabels()]
    assert len(labels) <= 60 and labels[1] == "x5"
    drawn(ax)


def test_names_do_not_run_into_each_other():
    frame = pd.DataFrame(np.ones((4, 4)), columns=[f"a name of length 2{i}" for i in range(4)])
    wide, narrow = plot_missing_patterns(frame), plt.subplots(1, 2)[1][0]
    plot_missing_patterns(frame, ax=narrow)
    for ax, rotation in ((wide, 0), (narrow, 90)):
        ax.figure.canvas.draw()
        labels = ax.child_axes[0].get_xticklabels()
        assert {label.get_rotation() for label in labels} == {rotation}
        boxes = [label.get_window_extent() for label in labels]
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    long = plot_missing_patterns(pd.DataFrame({"x" * 80: [1.0, N]}))
    assert len(long.child_axes[0].get_xticklabels()[0].get_text()) == 24


def test_wrong_tables():
    for X, message in (([1.0, 2.0], "2-d table, got 1 dimension"), (np.empty((0, 2)), "X is empty"),
                       (np.empty((2, 0)), "X is empty")):
        with pytest.raises(ValueError, match=message):
            plot_missing_patterns(X)
    with pytest.raises(ValueError, match="max_patterns must be a whole number of at least 1"):
        plot_missing_patterns([[N]], max_patterns=0)
    with pytest.raises(TypeError, match="ax must be matplotlib axes, got list"):
        plot_missing_patterns([[N]], ax=[1])
    assert plt.get_fignums() == []


# --- plot_imputed ------------------------------------------------------------------------------

def test_one_column(table):
    full = GaussianImputer().fit_transform(table)
    ax = plot_imputed(table, full, column=2)
    missing = np.isnan(table[:, 2])
    assert legend_texts(ax) == [f"observed ({(~missing).sum()})", f"imputed ({missing.sum()})"]
    bars = ax.containers[0] if ax.containers else ax.patches[:-1]
    edges = np.array([bar.get_x() for bar in bars] + [bars[-1].get_x() + bars[-1].get_width()])
    expected = np.histogram(table[~missing, 2], edges, density=True)[0]
    np.testing.assert_allclose([bar.get_height() for bar in bars], expected)
    steps = ax.patches[-1].get_path().vertices      # the outline of the imputed ones
    expected = np.histogram(full[missing, 2], edges, density=True)[0]
    inside = steps[1:1 + 2 * len(expected):2]
    np.testing.assert_allclose(inside[:, 1], expected)
    np.testing.assert_allclose(inside[:, 0], edges[:-1])
    assert ax.get_xlabel() == "x2"
    drawn(ax)


def test_the_column_with_most_missing_values(table):
    assert plot_imputed(table, np.nan_to_num(table)).get_xlabel() == "x1"


def test_several_tables(table):
    imputer = GaussianImputer().fit(table)
    tables = imputer.sample(table, 3, random_state=0)       # one array
    ax = plot_imputed(table, tables, column=1)
    missing = int(np.isnan(table[:, 1]).sum())
    assert legend_texts(ax)[1] == f"imputed ({missing},\n3 tables)"
    n_bars = len(ax.containers[0]) if ax.containers else len(ax.patches) - 4
    assert len(ax.patches) == n_bars + 4        # a line for each table and one for all
    listed = plot_imputed(pd.DataFrame(table), [pd.DataFrame(t) for t in tables], column=1)
    np.testing.assert_allclose(listed.patches[-1].get_path().vertices,
                               ax.patches[-1].get_path().vertices)


def test_a_pair(table):
    frame = pd.DataFrame(table, columns=["a", "b", "c"])
    full = GaussianImputer().fit_transform(frame)
    ax = plot_imputed(frame, full, columns=("c", "b"))
    missing = np.isnan(table)
    kinds = {"both observed": ~missing[:, 1] & ~missing[:, 2],
             "c imputed": ~missing[:, 1] & missing[:, 2],
             "b imputed": missing[:, 1] & ~missing[:, 2],
             "both imputed": missing[:, 1] & missing[:, 2]}
    assert legend_texts(ax) == list(kinds)
    for marks, rows in zip(scatters(ax), kinds.values(), strict=True):
        np.testing.assert_allclose(marks.get_offsets(), full[rows][:, [2, 1]])
    n = int((missing[:, 1] | missing[:, 2]).sum())
    assert ax.get_title() == f"{n} rows with imputed values"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("c", "b")
    drawn(ax)


def test_a_pair_of_a_million_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000_000, 2)).astype(np.float32)
    X[::4, 1] = np.nan
    full = np.where(np.isnan(X), np.float32(0.5), X)
    ax = plot_imputed(X, [full, full], columns=(0, 1), max_points=3000)
    observed, imputed = (marks.get_offsets() for marks in scatters(ax))
    assert len(observed) == len(imputed) == 3000
    assert (imputed[:, 1] == 0.5).all() and not (observed[:, 1] == 0.5).any()
    assert ax.get_title().splitlines() == [
        "250,000 rows with imputed values in 2 tables",
        "observed: 3,000 of 750,000 rows drawn", "imputed: 3,000 of 500,000 rows drawn"]
    again = plot_imputed(X, [full, full], columns=(0, 1), max_points=3000)
    np.testing.assert_array_equal(scatters(again)[1].get_offsets(), imputed)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e9])
def test_a_constant_column(value):
    X = np.full((20, 1), value)
    X[3] = np.nan
    ax = plot_imputed(X, np.full((20, 1), value))
    heights = [patch.get_height() for patch in ax.patches[:-1]]
    assert np.isfinite(heights).all() and np.count_nonzero(heights) == 1
    drawn(ax)


def test_imputed_on_given_axes(table):
    fig, axes = plt.subplots(1, 2)
    full = np.nan_to_num(table)
    assert plot_imputed(table, full, column="x1", ax=axes[0]) is axes[0]
    assert plot_imputed(table, full, columns=(0, 1), ax=axes[1]) is axes[1]
    assert plt.get_fignums() == [fig.number]
    assert axes[0].patches and axes[1].collections


def test_wrong_imputed_tables(table):
    full = np.nan_to_num(table)
    row = int(np.isnan(table[:, 1]).argmax())
    infinite = full.copy()
    infinite[7, 1] = np.inf
    single, empty = full.copy(), table.copy()
    single[0, 1] = np.nan
    empty[:, 1] = np.nan
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1.0, N]})
    for X, imputed, options, error, message in (
            (table, full[:, :2], {}, ValueError, r"imputed has shape \(300, 2\), X has \(300, 3\)"),
            (table, [full, full[1:]], {}, ValueError, r"imputed\[1\] has shape \(299, 3\)"),
            (table, table, {}, ValueError, f"imputed has NaN at row {row}, column 'x1'"),
            (table, [full, table], {}, ValueError, rf"imputed\[1\] has NaN at row {row}"),
            (table, infinite, {}, ValueError, "imputed has an infinity at row 7, column 'x1'"),
            (full, full, {}, ValueError, "X has no missing value$"),
            (single, full, {"columns": (0, 2)}, ValueError, "no missing value in 'x0' and 'x2'"),
            (table, full, {"column": 0}, ValueError, "X has no missing value in 'x0'"),
            (empty, full, {}, ValueError, "X has no observed value in column 'x1'"),
            (table, full, {"column": 3}, ValueError, "column: there is no column 3"),
            (table, full, {"column": (0, 1)}, ValueError, "column must name 1 column, got 2"),
            (table, full, {"columns": 1}, ValueError, "columns must name 2 columns, got 1"),
            (table, full, {"columns": (0, "z")}, ValueError, "there is no column 'z'"),
            (table, full, {"column": 1, "columns": (0, 1)}, TypeError, "not both"),
            (frame, full, {}, ValueError, "column 'a' of X is not numeric: 'x' at row 0"),
            (table, full, {"ax": "here"}, TypeError, "ax must be matplotlib axes, got str")):
        with pytest.raises(error, match=message):
            plot_imputed(X, imputed, **options)
    assert plt.get_fignums() == []


# --- rows that were read before ----------------------------------------------------------------

def pixels(ax):
    ax.figure.canvas.draw()
    found = np.array(ax.figure.canvas.buffer_rgba())
    plt.close("all")
    return found


def test_rows_are_drawn_as_their_table_is(table):
    frame = pd.DataFrame(table, columns=["a", "b", "c"], index=[f"row {i}" for i in range(300)])
    rows, completed = Rows.read(frame), GaussianImputer().fit_transform(frame)
    model = GaussianMixture(2, random_state=0).fit(frame)
    draw = {"patterns": plot_missing_patterns,
            "imputed": lambda X: plot_imputed(X, completed, column="b"),
            "mixture": lambda X: plot_mixture(model, X, columns=["a", "c"])}
    for name, plot in draw.items():
        found, expected = [pixels(plot(X)) for X in (rows, frame)]
        assert np.array_equal(found, expected), name
        assert len(np.unique(found)) > 10, name
