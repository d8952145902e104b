"""Pictures of factors: loadings and eigenvalues."""

import numpy as np
import pandas as pd
import pytest
from pictures import drawn, legend_texts, plt, scatters
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.decomposition import FactorAnalysis as Peer
from sklearn.exceptions import NotFittedError

from emkernels import FactorAnalysis, parallel_analysis, select_factors
from emkernels.em import EMWarning
from emkernels.plotting import plot_loadings, plot_scree, plot_selection
from emkernels.plotting._factors import PALE, sorted_by_factor, standardised_loadings

WINE = load_wine(as_frame=True).data


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def numbers(ax):
    """The numbers in the cells, by (row, factor)."""
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text for text in ax.texts}


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


# --- loadings -----------------------------------------------------------------------------------

def test_loadings_are_those_of_standardised_columns():
    model = FactorAnalysis(2).fit(WINE)
    whole = FactorAnalysis(2).fit((WINE - WINE.mean()) / WINE.std(ddof=0))
    ax = plot_loadings(model)
    cells = numbers(ax)
    for (i, j), text in cells.items():
        assert float(text.get_text()) == pytest.approx(abs(whole.components_[j, i]) * np.sign(
            model.components_[j, i]), abs=0.006)
        assert (text.get_color() == PALE) == (abs(whole.components_[j, i]) < 0.3)
    assert len(cells) == 26
    mesh = ax.collections[0].get_array().reshape(13, 2)
    np.testing.assert_allclose(np.abs(mesh), np.abs(whole.components_.T), atol=1e-6)
    assert ticks(ax.xaxis) == ["factor 1", "factor 2"]
    assert ticks(ax.yaxis)[:2] == ["alcohol", "malic_acid"]
    assert ticks(ax.yaxis)[11] == "od280/od315_of_diluted_\N{HORIZONTAL ELLIPSIS}"
    assert float(ticks(ax.child_axes[0].yaxis)[0]) == pytest.approx(
        (whole.components_[:, 0] ** 2).sum(), abs=0.006)
    share = 100 * (whole.components_**2).sum() / 13
    assert ax.get_title() == f"2 factors: {share:.3g} % of the variance"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    drawn(ax)


def test_columns_by_factor():
    loadings = np.array([[0.1, 0.6], [0.5, 0.2], [-0.7, 0.3], [0.2, -0.8]])
    assert sorted_by_factor(loadings).tolist() == [2, 1, 3, 0]
    model = FactorAnalysis(3).fit(WINE)
    order = sorted_by_factor(standardised_loadings(model)[0])
    names = ticks(plot_loadings(model, sort=True).yaxis)
    assert [name[:8] for name in names] == [name[:8] for name in WINE.columns[order]]


def test_oblique_factors_say_how_they_correlate():
    model = FactorAnalysis(2).fit(WINE)
    plain = standardised_loadings(model)[1]
    T = np.linalg.inv(np.array([[1, 0.5], [0, np.sqrt(0.75)]]))
    model.factor_correlation_ = np.array([[1, 0.5], [0.5, 1]])
    model.components_ = T @ model.components_
    model.rotation = "oblimin"
    np.testing.assert_allclose(standardised_loadings(model)[1], plain)
    ax = plot_loadings(model)
    assert ax.get_title().startswith("2 factors, oblimin: ")
    assert ax.get_title().endswith("\nfactors correlate by up to 0.50 (1 and 2)")


def test_heywood_columns_have_a_star_and_constant_ones_nothing():
    with pytest.warns(EMWarning, match="'hue' has one value only"):
        model = FactorAnalysis(2).fit(WINE.assign(hue=1.0))
    model.heywood_ = np.array([3])
    ax = plot_loadings(model)
    at = list(WINE.columns).index("hue")
    texts = ticks(ax.child_axes[0].yaxis)
    assert texts[3].endswith("*") and not texts[2].endswith("*") and texts[at] == "0.00"
    assert numbers(ax)[at, 0].get_text() == "0.00"
    assert ax.child_axes[0].get_ylabel() == "communality (* Heywood)"


def test_many_columns_have_no_numbers():
    X = np.random.default_rng(0).normal(size=(200, 130))
    ax = plot_loadings(FactorAnalysis(1).fit(X), cutoff=0)
    assert not ax.texts and len(ticks(ax.yaxis)) == 44
    drawn(ax)


def test_scikit_learns_factors_and_given_axes():
    ax = plt.subplots()[1]
    assert plot_loadings(Peer(2, rotation="varimax").fit(WINE), ax=ax) is ax
    assert ax.get_title().startswith("2 factors, varimax: ")
    drawn(ax)


def test_wrong_models():
    with pytest.raises(TypeError, match="model must be a FactorAnalysis, got PCA"):
        plot_loadings(PCA(2).fit(WINE))
    with pytest.raises(NotFittedError, match="FactorAnalysis is not fitted"):
        plot_loadings(FactorAnalysis(2))
    with pytest.raises(ValueError, match="cutoff must be 0 or more, got -1"):
        plot_loadings(FactorAnalysis(1).fit(WINE), cutoff=-1)
    with pytest.raises(TypeError, match="cutoff must be a number, got 'x'"):
        plot_loadings(FactorAnalysis(1).fit(WINE), cutoff="x")
    with pytest.raises(TypeError, match="ax must be matplotlib axes"):
        plot_loadings(FactorAnalysis(1).fit(WINE), ax=3)


# --- eigenvalues ----------------------------------------------------------------------------------

def test_scree():
    result = parallel_analysis(WINE, n_draws=20, percentile=90)
    ax = plot_scree(result)
    means, thresholds, eigenvalues = (each.get_ydata() for each in ax.lines)
    np.testing.assert_array_equal(means, result.means)
    np.testing.assert_array_equal(thresholds, result.thresholds)
    np.testing.assert_array_equal(eigenvalues, result.eigenvalues)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.arange(1, 14))
    assert result.n_components == 3
    assert (scatters(ax)[0].get_facecolors()[:, 3] > 0).tolist() == 3 * [True] + 10 * [False]
    assert ax.get_title() == "3 components above 90 % of 20 draws"
    assert legend_texts(ax) == ["eigenvalue", "90 % of draws", "mean of draws", "not kept"]
    drawn(ax)


def test_scree_of_a_table():
    ax = plt.subplots()[1]
    assert plot_scree(WINE, kind="factors", n_draws=20, ax=ax) is ax
    assert ax.get_title() == "6 factors above 95 % of 20 draws"
    assert ax.get_xlabel() == "factor"
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 50)))
    ax = plot_scree(wide, n_draws=5)
    assert len(ax.lines[0].get_xdata()) == 40
    assert ax.get_title().endswith("\n40 of 50 drawn")
    with pytest.raises(TypeError, match="n_draws is for a table"):
        plot_scree(parallel_analysis(WINE, n_draws=5), n_draws=5)
    with pytest.raises(ValueError, match="kind must be one of"):
        plot_scree(WINE, kind="x")


@pytest.mark.filterwarnings("ignore:column.*Heywood")
def test_selections_of_factors():
    """Numbers of factors that are not identified have no fit, and are left out."""
    result = select_factors(WINE.iloc[:, :6], range(1, 5))
    ax = plot_selection(result)
    rows = result.table[:3]
    assert result.table[3]["error"] is not None
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [row["bic"] for row in rows])
    star = scatters(ax)[-1].get_offsets()[0]
    assert star.tolist() == [result.best.n_components, result.chosen["bic"]]
    assert legend_texts(ax) == ["factor analysis", "best", "1 failed, left out"]
    assert ax.get_xlabel() == "number of factors"
    assert plot_selection(result, criterion="aic").get_ylabel() == "AIC (lower is better)"
    with pytest.raises(ValueError, match="criterion must be one of bic, aic, got 'icl'"):
        plot_selection(result, criterion="icl")
    drawn(ax)
