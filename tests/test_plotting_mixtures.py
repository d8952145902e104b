"""Pictures of mixtures: their artists against numbers computed here."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from pictures import blobs, drawn, legend_texts, plt, scatters
from scipy import stats
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture
from sklearn.mixture import GaussianMixture as Peer

from emkernels import GaussianMixture, StudentTMixture, plotting
from emkernels.plotting import component_colors, plot_mixture, plot_responsibilities

TYPES = ("full", "tied", "diag", "spherical")


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def covariance_of(model, k):
    """Of one component, (n_features, n_features), the plain way."""
    c, d = model.covariances_, model.means_.shape[1]
    return {"tied": lambda: c, "diag": lambda: np.diag(c[k]), "spherical": lambda: c[k] * np.eye(d)
            }.get(model.covariance_type, lambda: c[k])()


# --- plot_mixture ------------------------------------------------------------------------------

@pytest.mark.parametrize("covariance_type", (*TYPES, "EII", "VEI", "EEE", "VEV"))
@pytest.mark.parametrize("columns", [(0, 1), (2, 0), (-1, 1)])
def test_ellipses_are_those_of_the_marginal(covariance_type, columns):
    X = blobs(n_features=3)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    ax = plot_mixture(model, X, columns=columns, n_std=(1, 2.5))
    assert len(ax.patches) == 6
    columns = [column % 3 for column in columns]
    for k in range(3):
        part = covariance_of(model, k)[np.ix_(columns, columns)]
        values = np.linalg.eigvalsh(part)
        for patch, n in zip(ax.patches[2 * k:2 * k + 2], (2.5, 1)):
            np.testing.assert_allclose(patch.center, model.means_[k, columns])
            assert patch.width == pytest.approx(2 * n * np.sqrt(values[1]))
            assert patch.height == pytest.approx(2 * n * np.sqrt(values[0]))
            # every point of it is at n standard deviations
            outline = patch.get_patch_transform().transform(
                [[np.cos(t), np.sin(t)] for t in np.linspace(0, 6, 9)]) - model.means_[k, columns]
            distances = np.einsum("ni,ij,nj->n", outline, np.linalg.inv(part), outline)
            np.testing.assert_allclose(distances, n**2)
    drawn(ax)


def test_points_have_the_colours_of_their_components():
    X = blobs()
    model = GaussianMixture(3, random_state=0).fit(X)
    points = scatters(plot_mixture(model, X))[0]
    np.testing.assert_array_equal(points.get_offsets(), X)
    np.testing.assert_allclose(points.get_facecolors()[:, :3],
                               component_colors(3)[model.predict(X)])


def test_legend_title_and_labels():
    iris = load_iris(as_frame=True).data
    model = GaussianMixture(3, random_state=0).fit(iris)
    ax = plot_mixture(model, iris, columns=("petal width (cm)", 0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("petal width (cm)", "sepal length (cm)")
    assert ax.get_title() == "Gaussian mixture, 3 components (full)"
    assert legend_texts(ax) == [
        *(f"{k} ({100 * w:.3g} %)" for k, w in enumerate(model.weights_)), "1, 2 std. dev."]
    ax = plot_mixture(model, iris.to_numpy())        # the model knows the names
    assert ax.get_xlabel() == "sepal length (cm)"
    assert plot_mixture(model).get_ylabel() == "sepal width (cm)"
    ax = plot_mixture(GaussianMixture(3, random_state=0).fit(iris.to_numpy()), iris)
    assert ax.get_xlabel() == "sepal length (cm)"
    ax = plot_mixture(GaussianMixture(3, random_state=0).fit(iris.to_numpy()), columns=(3, 1))
    assert ax.get_xlabel() == "x3"


def test_given_axes_are_drawn_on_and_no_figure_is_made():
    X = blobs()
    model = GaussianMixture(3, random_state=0).fit(X)
    fig, (left, right) = plt.subplots(1, 2)
    assert plot_mixture(model, X, ax=left) is left
    assert plot_responsibilities(model, X, ax=right) is right
    assert left.patches and right.collections
    assert plt.get_fignums() == [fig.number]
    bare = plt.Figure()     # not of pyplot, in a part of a figure
    ax = bare.subfigures(1, 2)[0].subplots()
    assert plot_mixture(model, X, ax=ax) is ax
    assert plt.get_fignums() == [fig.number]


def test_density_contours_are_levels_of_the_mixture():
    X = blobs(n_features=3)
    model = GaussianMixture(3, random_state=0).fit(X)
    ax = plot_mixture(model, X, columns=(0, 2), density=True)
    contours = next(c for c in ax.collections if hasattr(c, "levels"))
    seen = 0
    for level, path in zip(contours.levels, contours.get_paths()):
        at = path.vertices
        if len(at) == 0:
            continue
        density = sum(
            w * multivariate_normal(m[[0, 2]], c[np.ix_([0, 2], [0, 2])]).pdf(at)
            for w, m, c in zip(model.weights_, model.means_, model.covariances_))
        # between cells the lines are interpolated
        np.testing.assert_allclose(np.log(density), level, atol=0.05)
        seen += len(at)
    assert seen > 500
    np.testing.assert_allclose(np.diff(contours.levels), np.log(10) / 2)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_one_column(covariance_type):
    X = blobs(n_features=3)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    ax = plot_mixture(model, X, columns=1)
    *curves, total = ax.lines
    assert len(curves) == 3
    summed = 0
    for k, curve in enumerate(curves):
        x, y = curve.get_data()
        variance = covariance_of(model, k)[1, 1]
        expected = model.weights_[k] * multivariate_normal(model.means_[k, 1], variance).pdf(x)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-300)
        summed = summed + expected
    np.testing.assert_allclose(total.get_ydata(), summed)
    assert np.trapezoid(summed, x) == pytest.approx(1, abs=1e-3)
    area = sum(bar.get_width() * bar.get_height() for group in ax.containers for bar in group)
    assert area == pytest.approx(1)
    # stacked: the groups have the shares of the labels
    shares = [sum(bar.get_width() * bar.get_height() for bar in group) for group in ax.containers]
    np.testing.assert_allclose(shares, np.bincount(model.predict(X)) / len(X))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x1", "density")
    assert legend_texts(ax)[-1] == "mixture"


def test_a_model_of_one_feature_and_one_component():
    X = np.random.default_rng(0).normal(size=(50, 1))
    model = GaussianMixture(1).fit(X)
    ax = plot_mixture(model, X)
    assert len(ax.lines) == 2 and ax.get_title() == "Gaussian mixture, 1 component (full)"
    assert plot_responsibilities(model, X).get_ylabel() == "largest responsibility"
    drawn(ax)
    np.testing.assert_array_equal(plot_mixture(model).patches, [])      # no rows, no bars


@pytest.mark.filterwarnings("ignore:collapsed")     # by a millionth of the variance
def test_narrow_components_are_not_missed():
    model = GaussianMixture(2, random_state=0).fit(
        np.concatenate([np.random.default_rng(0).normal(size=500) * s + m
                        for s, m in ((1e-3, 0), (100, 1000))])[:, None])
    narrow = plot_mixture(model).lines[int(model.means_[:, 0].argmin())].get_ydata()
    peak = model.weights_.max() / np.sqrt(2 * np.pi * model.covariances_.min())
    assert narrow.max() == pytest.approx(peak, rel=0.01)


def test_many_components_are_numbered():
    centres = [(8 * i, 8 * j) for i in range(4) for j in range(4)]
    X = blobs(40, centres=centres)
    model = GaussianMixture(16, random_state=0).fit(X)
    ax = plot_mixture(model, X)
    assert sorted(int(text.get_text()) for text in ax.texts) == list(range(16))
    for text in ax.texts:
        np.testing.assert_allclose(text.xy, model.means_[int(text.get_text())])
    assert legend_texts(ax) == ["1, 2 std. dev."]
    ax = plot_responsibilities(model, X)
    assert len(ax.texts) == 16 and len(legend_texts(ax)) == 1
    drawn(ax)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_float32_and_the_peer_give_the_same_picture(covariance_type):
    X = blobs().astype(np.float32)
    ours = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    peer = Peer(3, covariance_type=covariance_type, random_state=0).fit(X)
    assert ours.means_.dtype == np.float32
    one, other = plot_mixture(ours, X), plot_mixture(peer, X)
    for a, b in zip(one.patches, other.patches, strict=True):
        np.testing.assert_allclose(a.center, b.center, rtol=1e-3, atol=1e-3)
        assert a.width == pytest.approx(b.width, rel=1e-3)
    np.testing.assert_array_equal(scatters(one)[0].get_facecolors(),
                                  scatters(other)[0].get_facecolors())
    drawn(one)


def test_labels_of_models_with_another_posterior():
    """Whoever has predict_proba decides, not the densities of the parameters."""
    X = blobs(30)
    model = BayesianGaussianMixture(n_components=4, random_state=0, max_iter=500).fit(X)
    ax = plot_mixture(model, X)
    np.testing.assert_allclose(scatters(ax)[0].get_facecolors()[:, :3],
                               component_colors(4)[model.predict(X)])


def test_missing_values():
    X = blobs(n_features=3)
    X[:10, 0] = np.nan
    X[10:30, 2] = np.nan
    model = GaussianMixture(3, random_state=0).fit(X)
    ax = plot_mixture(model, X)
    points = scatters(ax)[0]
    np.testing.assert_array_equal(points.get_offsets(), X[10:, :2])
    np.testing.assert_allclose(points.get_facecolors()[:, :3],
                               component_colors(3)[model.predict(X[10:])])
    assert ax.get_title().endswith("\n10 rows with missing values left out")
    # a model that knows no missing values gets the posterior of what is observed
    peer = Peer(3, weights_init=model.weights_, means_init=model.means_, max_iter=1,
                precisions_init=model.precisions_, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(X[30:])
    ours = GaussianMixture(3)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(ours, name, getattr(peer, name))
    ours.n_features_in_ = 3
    colors = scatters(plot_mixture(peer, X))[0].get_facecolors()[:, :3]
    np.testing.assert_allclose(colors, component_colors(3)[ours.predict(X[10:])])
    with pytest.raises(ValueError, match="no row without missing values in the drawn columns"):
        plot_mixture(model, np.full((5, 3), np.nan))


def test_given_labels():
    X = blobs()
    model = GaussianMixture(3, random_state=0).fit(X)
    labels = np.arange(len(X)) % 4 - 1
    ax = plot_mixture(model, X, labels=labels)
    colors = scatters(ax)[0].get_facecolors()[:, :3]
    np.testing.assert_allclose(colors[labels >= 0], component_colors(3)[labels[labels >= 0]])
    assert len(np.unique(colors[labels < 0])) == 1      # a grey
    assert "no label" in legend_texts(ax)
    bars = plot_mixture(model, X, labels=labels, columns=0)
    assert len(bars.containers) == 4
    for wrong, message in ((labels[:-1], "labels must have shape"), (labels + 1, "labels must lie"),
                           (labels + 0.5, "labels must hold integers")):
        with pytest.raises((ValueError, TypeError), match=message):
            plot_mixture(model, X, labels=wrong)
    with pytest.raises(ValueError, match="which is not given"):
        plot_mixture(model, labels=labels)


def rows_of(ax):
    """The marks that are rows, not centres of components, nor rings around rows."""
    return [c for c in scatters(ax) if 1 <= c.get_zorder() < 4]


@pytest.mark.parametrize("function", [plot_mixture, plot_responsibilities])
def test_a_million_rows(function):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000_000, 2)) + rng.integers(0, 2, size=(1_000_000, 1)) * 5
    X[::10, 0] = np.nan
    model = GaussianMixture(2, random_state=0).fit(X[:5000])
    ax = function(model, X, max_points=7000)
    marks = rows_of(ax)
    points = np.concatenate([c.get_offsets() for c in marks])
    assert len(points) == 7000 and not np.isnan(points).any()
    assert all(c.get_rasterized() for c in marks)
    assert ax.get_title().splitlines()[1:] == [
        "7,000 of 900,000 rows drawn", "100,000 rows with missing values left out"]
    again = np.concatenate(
        [c.get_offsets() for c in rows_of(function(model, X, max_points=7000))])
    np.testing.assert_array_equal(points, again)
    assert np.isin(points[:, 1], X[:, 1]).all()
    other = scatters(function(model, X, max_points=7000, random_state=1))[0].get_offsets()
    assert not np.array_equal(other[:10], points[:10])


# --- plot_responsibilities ---------------------------------------------------------------------

def test_colours_are_mixed_by_responsibility():
    X = blobs(centres=((0, 0), (2, 1), (1, 2)))
    model = GaussianMixture(3, random_state=0).fit(X)
    resp = model.predict_proba(X)
    soft = resp.max(axis=1) < 0.8
    assert 10 < soft.sum() < len(X) - 10
    ax = plot_responsibilities(model, X, columns=(1, 0), threshold=0.8)
    clear, rings, mixed = scatters(ax)
    np.testing.assert_array_equal(rings.get_offsets(), mixed.get_offsets())
    assert len(rings.get_facecolors()) == 0 and rings.get_linewidths()[0] == 1
    assert rings.get_zorder() < min(clear.get_zorder(), mixed.get_zorder())   # buries no colour
    for marks, rows in ((clear, ~soft), (mixed, soft)):
        np.testing.assert_array_equal(marks.get_offsets(), X[rows][:, [1, 0]])
        np.testing.assert_allclose(marks.get_facecolors()[:, :3], resp[rows] @ component_colors(3))
    assert mixed.get_sizes()[0] > clear.get_sizes()[0]
    assert legend_texts(ax)[-1] == f"below 0.8\n({100 * soft.mean():.3g} % of rows)"
    along = plot_responsibilities(model, X, columns=[0], threshold=0.8)
    np.testing.assert_array_equal(scatters(along)[0].get_offsets()[:, 1], resp.max(axis=1)[~soft])
    drawn(ax)


# --- wrong input -------------------------------------------------------------------------------

@pytest.mark.parametrize("function", [plot_mixture, plot_responsibilities])
def test_wrong_input(function):
    X = blobs(n_features=3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = GaussianMixture(3, random_state=0).fit(frame)
    infinite = X.copy()
    infinite[4, 2] = np.inf
    for arguments, options, error, message in (
            ((GaussianMixture(3), X), {}, NotFittedError, "GaussianMixture is not fitted yet"),
            ((Peer(3), X), {}, NotFittedError, "not fitted yet"),
            (("model", X), {}, TypeError, "fitted GaussianMixture or StudentTMixture, got str"),
            ((model, X[:, :2]), {}, ValueError, "X has 2 columns, the model was fitted to 3"),
            ((model, frame[["a", "c", "b"]]), {}, ValueError, "names of the fit.*'c'.*'b'"),
            ((model, X[0]), {}, ValueError, "X must be a 2-d table"),
            ((model, X[:0]), {}, ValueError, "X is empty"),
            ((model, infinite), {}, ValueError, "infinity at row 4, column 'c'"),
            ((model, X), {"columns": (0, 3)}, ValueError, "no column 3, only 3 columns"),
            ((model, X), {"columns": (0, -4)}, ValueError, "no column -4"),
            ((model, X), {"columns": "d"}, ValueError, "no column 'd', only 'a', 'b', 'c'"),
            ((model, X), {"columns": (1, 1)}, ValueError, "names column 'b' twice"),
            ((model, X), {"columns": (0, 1, 2)}, ValueError, "1 to 2 columns, got 3"),
            ((model, X), {"columns": ()}, ValueError, "1 to 2 columns, got 0"),
            ((model, X), {"columns": (0, 1.0)}, TypeError, "positions or names"),
            ((model, X), {"columns": None}, TypeError, "positions or names of columns, got None"),
            ((model, X), {"max_points": 0}, ValueError, "max_points must be a whole number of at"),
            ((model, X), {"max_points": 1e4}, ValueError, "max_points must be a whole number"),
            ((model, X), {"ax": Figure().add_subplot(projection="polar")}, TypeError,
             "ax must be axes of the plane, got 'polar' axes"),
            ((model, X), {"ax": plt}, TypeError, "ax must be matplotlib axes, got module")):
        with pytest.raises(error, match=message):
            function(*arguments, **options)
    assert plt.get_fignums() == []


def test_wrong_options():
    X = blobs()
    model = GaussianMixture(2, random_state=0).fit(X)
    for n_std in (0, (1, -1), np.nan, [[1]], "wide"):
        with pytest.raises(ValueError, match="n_std must hold positive numbers"):
            plot_mixture(model, X, n_std=n_std)
    with pytest.raises(ValueError, match=r"threshold must lie in 0 \.\. 1, got 2"):
        plot_responsibilities(model, X, threshold=2)
    with pytest.raises(TypeError, match="threshold must be a number, got 'a'"):
        plot_responsibilities(model, X, threshold="a")
    with pytest.raises(TypeError, match="X must be a table of rows, got None"):
        plot_responsibilities(model, None)
    flat = GaussianMixture(2, random_state=0, covariance_type="diag").fit(X)
    flat.covariances_[1, 0] = 0
    with pytest.raises(ValueError, match="component 1 has no density over 'x0' and 'x1'"):
        plot_mixture(flat, density=True)
    assert plt.get_fignums() == []
    assert plot_mixture(flat).patches[-1].height == 0       # an ellipse that is a line


# --- Student t -----------------------------------------------------------------------------------

def heavy(n=300, n_features=3, seed=0):
    X = np.random.default_rng(seed).standard_t(2, size=(n, n_features))
    X[: n // 2] += 9
    return X


def test_outliers_have_rings_and_ellipses_are_those_of_the_scatters():
    X = heavy()
    model = StudentTMixture(2, random_state=0).fit(X)
    other = GaussianMixture(2, random_state=0).fit(X)
    ax = plotting.plot_outliers(model, X, other, columns=(0, 2), n_std=(1, 2), threshold=0.3)
    weight = model.outlier_weight(X)
    rows, rings, _ = scatters(ax)
    assert_allclose(rows.get_array(), np.minimum(weight, 1))
    assert_allclose(rings.get_offsets(), X[weight < 0.3][:, [0, 2]])
    assert len(ax.patches) == 8
    for k, patch in enumerate(ax.patches[:4:2]):
        block = model.scatters_[k][np.ix_([0, 2], [0, 2])]
        assert_allclose(patch.get_center(), model.means_[k, [0, 2]])
        assert_allclose([patch.height, patch.width], 4 * np.sqrt(np.linalg.eigvalsh(block)))
    for k, patch in enumerate(ax.patches[4::2]):
        block = other.covariances_[k][np.ix_([0, 2], [0, 2])]
        assert_allclose([patch.height, patch.width], 4 * np.sqrt(np.linalg.eigvalsh(block)))
    assert any("Gaussian mixture: 1, 2 std. dev." in text for text in legend_texts(ax))
    drawn(ax)


def test_noise_is_drawn_apart():
    X = heavy()
    X[0, 1] = np.nan
    model = GaussianMixture(2, noise=True, random_state=0).fit(X)
    other = StudentTMixture(2, random_state=0).fit(X)
    ax = plotting.plot_outliers(model, X, other, columns=(0, 2))
    rows, crosses, _ = scatters(ax)
    noise = model.predict(X) == -1
    assert 3 < noise.sum() < 100
    assert_allclose(crosses.get_offsets(), X[noise][:, [0, 2]])
    assert_allclose(rows.get_offsets(), X[~noise][:, [0, 2]])
    assert_allclose(rows.get_array(), 1 - model.predict_proba(X)[~noise, 2])
    block = model.covariances_[0][np.ix_([0, 2], [0, 2])]
    patch = ax.patches[0]
    assert_allclose([patch.height, patch.width], 4 * np.sqrt(np.linalg.eigvalsh(block)))
    share = f"({100 * noise.mean():.3g} % of rows)"
    assert [text.replace("\n", " ") for text in legend_texts(ax)] == [
        "normal: 2 std. dev.", "Student t mixture: 2 scales", f"noise {share}"]
    assert ax.get_title() == "Gaussian mixture, 2 components (full), noise"
    drawn(ax)
    ax = plotting.plot_outliers(model, X, threshold=0.9)
    few = np.isnan(X[:, 1])
    out = (model.predict_proba(X)[:, 2] > 0.1) & ~few
    assert_allclose(scatters(ax)[1].get_offsets(), X[out, :2])
    assert "weight below 0.9" in legend_texts(ax)[1]


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_mixtures_of_student_t_are_drawn(covariance_type):
    X = heavy()
    model = StudentTMixture(2, covariance_type, df=1.5, random_state=0).fit(X)
    ax = plotting.plot_mixture(model, X, density=True)
    assert len(ax.patches) == 4 and "Student t" in ax.get_title()
    drawn(ax)
    ax = plotting.plot_mixture(model, X, columns=[1])
    x, density = ax.lines[-1].get_data()
    marginal = sum(w * stats.t.pdf(x, 1.5, m[1], np.sqrt(s[1, 1])) for w, m, s in zip(
        model.weights_, model.means_, model.scatters_))
    assert_allclose(density, marginal, rtol=1e-10)
    drawn(ax)


def test_outliers_of_what_has_none():
    X = heavy()
    model = StudentTMixture(df=3).fit(X)
    with pytest.raises(TypeError, match="with noise, got GaussianMixture without noise"):
        plotting.plot_outliers(GaussianMixture().fit(X), X)
    with pytest.raises(ValueError, match="name 2 columns"):
        plotting.plot_outliers(model, X, columns=[0])
    with pytest.raises(ValueError, match="threshold"):
        plotting.plot_outliers(model, X, threshold=0)
    for threshold in "a", True, [0.5]:
        with pytest.raises(TypeError, match="threshold must be a number, got"):
            plotting.plot_outliers(model, X, threshold=threshold)
    with pytest.raises(ValueError, match="fitted to 2"):
        plotting.plot_outliers(model, X, GaussianMixture().fit(X[:, :2]))
