"""Pictures of what a fit has left: selections, histories, segmentations, clusterings."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from pictures import blobs, comparison, drawn, legend_texts, plt, scatters, segments
from scipy.spatial import Voronoi
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture as Peer

from emkernels import GaussianMixture, SelectionResult, compare_clusterings, select_mixture
from emkernels.plotting import (
    component_colors,
    plot_clusterings,
    plot_history,
    plot_posteriors,
    plot_segmentation,
    plot_selection,
)
from emkernels.plotting._clusterings import voronoi_edges


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


# --- plot_selection ----------------------------------------------------------------------------

def row(type_, n, bic, error=None, converged=True):
    return {"covariance_type": type_, "n_components": n, "bic": bic, "aic": -bic, "icl": bic + 1,
            "error": error, "converged": converged}


def test_selection():
    result = select_mixture(blobs(), range(1, 5), ("full", "diag"), random_state=0)
    ax = plot_selection(result)
    for line, type_ in zip(ax.lines, ("full", "diag"), strict=True):
        expected = [r["bic"] for r in result.table if r["covariance_type"] == type_]
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_allclose(line.get_ydata(), expected)
    best = min(result.table, key=lambda r: r["bic"])
    star = scatters(ax)[-1].get_offsets()
    np.testing.assert_allclose(star, [[best["n_components"], best["bic"]]])
    assert legend_texts(ax) == ["full", "diag", "best"]
    assert ax.get_title() == f"Best: {best['n_components']} components, {best['covariance_type']}"
    assert ax.get_ylabel() == "BIC (lower is better)"
    drawn(ax)


def test_selection_by_another_criterion_without_failed_fits():
    table = [row("tied", 3, np.inf, "collapsed"), row("tied", 2, 10.0), row("tied", 1, 20.0),
             row("spherical", 1, 12.0, converged=False), row("full", 1, np.inf, "collapsed")]
    result = SelectionResult(None, "bic", table)
    ax = plot_selection(result)
    tied, spherical = ax.lines
    assert tied.get_xydata().tolist() == [[1, 20], [2, 10]]
    assert spherical.get_xydata().tolist() == [[1, 12]]
    assert legend_texts(ax) == ["tied", "spherical", "best", "not converged", "2 failed, left out"]
    by_aic = plot_selection(result, criterion="aic")
    assert scatters(by_aic)[-1].get_offsets().tolist() == [[1, -20]]
    assert by_aic.get_title() == "Best: 1 component, tied"
    assert np.isfinite(ax.get_ylim()).all()
    hollow = scatters(ax)[1].get_facecolors()
    assert len(hollow) == 0 or hollow[0, 3] == 0
    drawn(ax)


def test_wrong_selections():
    result = select_mixture(blobs(), 1)
    with pytest.raises(TypeError, match="what select_mixture or select_factors returns, got Gauss"):
        plot_selection(result.best)
    with pytest.raises(ValueError, match="criterion must be one of bic, aic, icl, got 'loss'"):
        plot_selection(result, criterion="loss")
    with pytest.raises(ValueError, match="no candidate that was fitted"):
        plot_selection(SelectionResult(None, "bic", [row("full", 1, np.inf, "collapsed")]))
    with pytest.raises(TypeError, match="ax must be"):
        plot_selection(result, ax=3)
    assert plt.get_fignums() == []
    ax = plt.figure().subplots()
    assert plot_selection(result, ax=ax) is ax and len(plt.get_fignums()) == 1


# --- plot_history ------------------------------------------------------------------------------

def test_history():
    X = blobs()
    model = GaussianMixture(3, random_state=0, tol=1e-6).fit(X)
    ax = plot_history(model)
    np.testing.assert_array_equal(
        ax.lines[0].get_xydata(), list(enumerate(model.lower_bounds_, start=1)))
    assert ax.get_legend() is None
    assert ax.get_title() == f"GaussianMixture, {len(model.lower_bounds_)} iterations"
    peer = Peer(3, random_state=0).fit(X)
    ax = plot_history({"ours": model, "numbers": [1.0], "peer": peer}, ax=plt.figure().gca())
    assert [len(line.get_xdata()) for line in ax.lines] == [
        len(model.lower_bounds_), 1, len(peer.lower_bounds_)]
    assert legend_texts(ax) == ["ours", "numbers", "peer"]
    drawn(ax)


def test_wrong_histories():
    for model, error, message in (
            (GaussianMixture(2), NotFittedError, r"model \(GaussianMixture\) has no lower_bounds_"),
            ({"a": GaussianMixture(2)}, NotFittedError, r"model 'a' \(GaussianMixture\) has no"),
            ([], ValueError, "model has an empty history"),
            ({}, ValueError, "names no history"),
            ([1.0, np.nan], ValueError, "model has nan as objective of iteration 2"),
            ("text", TypeError, "a sequence of numbers, got str"),
            (3.0, TypeError, "a sequence of numbers, got float"),
            ([[1.0]], TypeError, "a sequence of numbers, got list")):
        with pytest.raises(error, match=message):
            plot_history(model)
    assert plt.get_fignums() == []


# --- plot_segmentation and plot_posteriors -----------------------------------------------------

@pytest.mark.parametrize("n_channels", [0, 1, 3, 5])
def test_segmentation(n_channels):
    result = segments(n_channels=n_channels, smoothness=0.5)
    axes = plot_segmentation(result)
    pictures = [ax.images[0].get_array() for ax in axes]
    for picture, expected in zip(
            pictures, (result.displayed(), result.recolored(), result.overlay()), strict=True):
        np.testing.assert_array_equal(picture, expected)
    assert [ax.get_title() for ax in axes] == [
        "Image", "3 segments by EM\nsmoothness 0.5", "Overlay"]
    assert legend_texts(axes[2]) == [
        f"{k} ({share:.3g} %)" for k, share in enumerate(100 * result.fractions)]
    for k, handle in enumerate(axes[2].get_legend().legend_handles):
        at = tuple(np.argwhere(result.labels == k)[0])
        np.testing.assert_allclose(handle.get_color(), result.recolored()[at] / 255)
    drawn(axes[0])


def test_the_middle_slice_of_a_volume():
    result = segments((5, 6, 7), n_channels=0, method="kmeans")
    axes = plot_segmentation(result)
    np.testing.assert_array_equal(axes[1].images[0].get_array(), result.recolored()[2])
    assert axes[0].get_title() == "Image\nslice 2 (of 0 to 4) along axis 0"
    assert axes[1].get_title() == "3 segments by K-means"
    maps = plot_posteriors(result)
    np.testing.assert_array_equal(maps[1].images[0].get_array(), result.posteriors[2, ..., 1])
    assert maps[0].get_title().endswith("\nslice 2 (of 0 to 4) along axis 0")
    drawn(axes[0])


@pytest.mark.parametrize("axis, index, at", [
    (0, 4, np.s_[4]), (1, 0, np.s_[:, 0]), (2, -1, np.s_[:, :, 6]), (1, None, np.s_[:, 3])])
def test_any_slice_of_a_volume(axis, index, at):
    result = segments((5, 6, 7), n_channels=0)
    result.labels[3, 2, 5] = -1
    axes = plot_segmentation(result, axis=axis, index=index)
    for ax, expected in zip(axes, (result.displayed(), result.recolored(), result.overlay())):
        np.testing.assert_array_equal(ax.images[0].get_array()[..., :3], expected[at])
    maps = plot_posteriors(result, axis=axis, index=index)
    np.testing.assert_array_equal(maps[1].images[0].get_array().data, result.posteriors[at][..., 1])
    number = index if index in (0, 4) else 6 if index else 3
    assert f"slice {number} (of 0 to {(5, 6, 7)[axis] - 1}) along axis {axis}" in (
        axes[0].get_title())
    drawn(axes[0])


def test_slices_that_there_are_not():
    for shape, options, error, message in (
            ((5, 6, 7), {"axis": 3}, ValueError, "axis must be 0, 1 or 2, got 3"),
            ((5, 6, 7), {"index": 5}, ValueError, "index=5: there are 5 slices along axis 0"),
            ((5, 6, 7), {"axis": 1.0}, TypeError, "axis must be a whole number"),
            ((5, 6, 7), {"index": "x"}, TypeError, "index must be a whole number, got 'x'"),
            ((5, 6), {"index": 1}, ValueError, "result is of an image")):
        for function in (plot_segmentation, plot_posteriors):
            with pytest.raises(error, match=message):
                function(segments(shape, n_channels=0), **options)
    assert plt.get_fignums() == []


def test_many_segments_and_one_without_pixels():
    result = segments((20, 30), n_segments=15)
    result.labels[result.labels == 4] = 5
    result = type(result)(result.image, result.labels, 15)
    texts = legend_texts(plot_segmentation(result)[2])
    assert [text.split()[0] for text in texts] == [str(k) for k in range(15)]
    assert texts[4] == "4 (0 %)"
    # too many for a legend: a colour bar with the tints and numbers
    axes = plot_segmentation(segments((40, 60), n_segments=90))
    bar = axes[0].figure.axes[-1]
    assert axes[2].get_legend() is None and bar.get_ylabel() == "segment: tint"
    assert bar.get_yticks()[0] == 0 and bar.get_yticks()[-1] == 89
    few = segments(n_segments=2)
    few = type(few)(few.image, few.labels, 3)
    axes = plot_segmentation(few)
    assert legend_texts(axes[2])[-1] == "2 (0 %)"
    assert axes[2].get_legend().legend_handles[-1].get_color() == "none"
    drawn(axes[0])


def test_posteriors_and_the_mask():
    result = segments(n_segments=5)
    result.labels[:2] = -1
    axes = plot_posteriors(result)
    assert len(axes) == 5
    for k, ax in enumerate(axes):
        shown = ax.images[0].get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), result.labels < 0)
        np.testing.assert_array_equal(shown.data[2:], result.posteriors[2:, :, k])
        assert ax.images[0].get_clim() == (0, 1) and ax.patch.get_hatch() == "////"
        assert ax.get_title() == f"segment {k} ({100 * result.fractions[k]:.3g} %)"
    figure = axes[0].figure
    assert len(figure.axes) == 6        # the maps and a colour bar: no empty ones
    drawn(axes[0])


def test_what_is_in_no_segment_is_hatched():
    result = segments()
    result.labels[:2] = -1
    result.without_data = np.zeros(result.labels.shape, bool)
    result.without_data[0] = True
    axes = plot_segmentation(result)
    # the image outside of a mask is still to be seen
    hidden = result.without_data, result.labels < 0, result.without_data
    for ax, where in zip(axes, hidden):
        np.testing.assert_array_equal(ax.images[0].get_array()[..., 3] == 0, where)
        assert ax.patch.get_hatch() == "////"
    drawn(axes[0])
    assert plot_segmentation(segments())[1].patch.get_hatch() is None


def test_titles_say_what_was_stretched_and_left_out():
    result = segments()
    result.limits, result.lines = (12.0, 34567.0), np.zeros(result.labels.shape, bool)
    axes = plot_segmentation(result)
    assert axes[0].get_title() == "Image\nblack to 12, white from 3.457e+04"
    assert axes[2].get_title() == "Overlay\nwithout lines: too many edges"
    result.lines[3, 3] = True
    assert plot_segmentation(result)[2].get_title() == "Overlay"
    drawn(axes[0])


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (3, 40)])
def test_narrow_images_are_seen(shape):
    result = segments(shape, n_channels=0)
    for axes in (plot_segmentation(result), plot_posteriors(result)):
        axes[0].figure.canvas.draw()
        boxes = [ax.get_window_extent() for ax in axes]
        assert all(box.width > 60 and box.height > 60 for box in boxes)
        assert all(ax.get_xlabel() == "not to scale" for ax in axes)
        # titles do not run into each other
        titles = [ax.title.get_window_extent() for ax in axes]
        assert all(left.x1 < right.x0 for left, right in pairwise(titles))
    plt.close("all")


def test_images_on_given_axes():
    result = segments()
    fig, axes = plt.subplots(2, 3)
    assert list(plot_segmentation(result, axes=axes[0])) == list(axes[0])
    assert list(plot_posteriors(result, axes=list(axes[1]))) == list(axes[1])
    assert plt.get_fignums() == [fig.number] and len(fig.axes) == 6
    assert all(ax.images for ax in fig.axes)
    one = plot_posteriors(segments(n_segments=1), axes=plt.figure().subplots())
    assert one.shape == (1,)
    drawn(axes[0, 0])


def test_wrong_segmentations():
    result = segments()
    axes = plt.figure().subplots(1, 2)
    before = plt.get_fignums()
    for function in (plot_segmentation, plot_posteriors):
        for arguments, axes_, error, message in (
                (result.labels, None, TypeError, "a segmentation, got ndarray without labels"),
                (result, axes, ValueError, "axes must hold 3 axes, got 2"),
                (result, axes[0], ValueError, "axes must hold 3 axes, got 1"),
                (result, [*axes, 1], TypeError, r"axes\[2\] must be matplotlib axes, got int")):
            with pytest.raises(error, match=message):
                function(arguments, axes=axes_)
    result.posteriors = None
    with pytest.raises(ValueError, match="result has no posteriors"):
        plot_posteriors(result)
    result.labels = np.zeros((2, 2, 2, 2), int)
    with pytest.raises(ValueError, match="the labels of result have 4"):
        plot_segmentation(result)
    assert plt.get_fignums() == before


# --- plot_clusterings --------------------------------------------------------------------------

def fitted_pair(X, k, names=None):
    """K-means and a mixture that begins at its centres, so that the numbers correspond."""
    kmeans = KMeans(k, n_init=1, random_state=0).fit(X)
    mixture = GaussianMixture(k, means_init=kmeans.cluster_centers_, random_state=0,
                              max_iter=500).fit(X)
    return comparison(X, k, kmeans.labels_, kmeans.cluster_centers_, mixture, names)


def test_clusterings_of_two_features():
    X = blobs(centres=((0, 0), (4, 0), (1, 5), (7, 6)))
    both = fitted_pair(X, 4)
    assert 0 < both.soft.sum() < len(X)
    left, right = plot_clusterings(both)
    for ax, labels in ((left, both.kmeans_labels), (right, both.mixture_labels)):
        points = scatters(ax)[0]
        np.testing.assert_array_equal(points.get_offsets(), X)
        np.testing.assert_allclose(points.get_facecolors()[:, :3], component_colors(4)[labels])
    np.testing.assert_allclose(scatters(left)[1].get_offsets(), both.kmeans.cluster_centers_)
    for k in range(4):
        variances = np.linalg.eigvalsh(both.mixture.covariances_[k])
        large, small = right.patches[2 * k:2 * k + 2]
        assert large.height == pytest.approx(4 * np.sqrt(variances[0]))
        assert small.width == pytest.approx(2 * np.sqrt(variances[1]))
    rings = scatters(right)[-1].get_offsets()
    np.testing.assert_array_equal(rings, X[both.soft])
    assert legend_texts(right)[-1] == f"below 0.9\n({100 * both.soft.mean():.3g} % of rows)"
    assert left.get_title() == "K-means, 4 clusters"
    assert right.get_title() == "EM, 4 components\nagreement with K-means (adjusted Rand) 0.500"
    assert (left.get_xlabel(), left.get_ylabel()) == ("x0", "x1")
    drawn(left)


def test_boundaries_lie_between_the_nearest_centres():
    X = blobs(centres=((0, 0), (4, 0), (1, 5), (7, 6)))
    both = fitted_pair(X, 4)
    left, _ = plot_clusterings(both)
    lines = next(c for c in left.collections if isinstance(c, LineCollection)).get_segments()
    centres = both.kmeans.cluster_centers_
    at = np.concatenate([np.linspace(*ends, 51)[1:-1] for ends in lines])
    distances = np.sort(np.linalg.norm(at[:, None] - centres, axis=2), axis=1)
    np.testing.assert_allclose(distances[:, 0], distances[:, 1], rtol=1e-9)
    assert np.ptp(X, axis=0).max() < np.ptp(at, axis=0).max()     # beyond the picture
    assert np.abs(left.get_xlim()).max() < 50                     # and the limits do not follow
    # columns the other way round: the same lines
    turned, _ = plot_clusterings(both, columns=(1, 0))
    other = next(c for c in turned.collections if isinstance(c, LineCollection)).get_segments()
    np.testing.assert_allclose(np.sort(np.array(other)[..., ::-1].ravel()),
                               np.sort(np.array(lines).ravel()))


@pytest.mark.parametrize("shift", [0, 1e6])
def test_edges_are_those_of_the_voronoi_diagram(shift):
    centres = np.random.default_rng(3).uniform(size=(12, 2)) + shift
    edges = voronoi_edges(centres, 1e3)
    diagram = Voronoi(centres - shift)
    assert len(edges) == len(diagram.ridge_points)
    ends = np.concatenate(edges) - shift
    for vertex in diagram.vertices:     # three edges meet in each
        near = np.linalg.norm(ends - vertex, axis=1) < 1e-5 * max(1, np.abs(vertex).max())
        assert near.sum() == 3


def test_edges_of_special_centres():
    assert voronoi_edges(np.array([[1.0, 2.0]]), 10) == []
    assert voronoi_edges(np.array([[1.0, 2.0], [1.0, 2.0]]), 10) == []
    (edge,) = voronoi_edges(np.array([[0.0, 0.0], [2.0, 0.0]]), 10)
    assert sorted(map(tuple, edge)) == [(1, -10), (1, 10)]
    # on a line: only neighbours have an edge
    assert len(voronoi_edges(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]), 10)) == 2


def test_principal_axes_of_more_features():
    X = blobs(n_features=4) + 100
    both = fitted_pair(X, 3, ["a", "b", "c", "d"])
    left, right = plot_clusterings(both)
    centred = X - X.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    for i, offsets in enumerate(scatters(left)[0].get_offsets().T):
        sign = np.sign(axes[i, np.abs(axes[i]).argmax()])
        np.testing.assert_allclose(offsets, sign * centred @ axes[i], atol=1e-9)
        axes[i] *= sign
    share = singular**2 / (singular**2).sum()
    assert left.get_xlabel() == f"principal axis 1 ({100 * share[0]:.3g} % of variance)"
    for k in range(3):
        patch = right.patches[2 * k + 1]
        projected = axes[:2] @ both.mixture.covariances_[k] @ axes[:2].T
        np.testing.assert_allclose(
            patch.center, axes[:2] @ (both.mixture.means_[k] - X.mean(axis=0)), atol=1e-9)
        np.testing.assert_allclose((patch.height / 2, patch.width / 2),
                                   np.sqrt(np.linalg.eigvalsh(projected)))
    assert not any(isinstance(c, LineCollection) for c in left.collections)
    left, right = plot_clusterings(both, columns=("d", 1))
    assert (right.get_xlabel(), right.get_ylabel()) == ("d", "b")
    np.testing.assert_array_equal(scatters(right)[0].get_offsets(), X[:, [3, 1]])
    drawn(left)


def widths(*axes):
    axes[0].figure.canvas.draw()
    return [ax.get_position().width for ax in axes]


def test_clusterings_that_leave_no_doubt():
    both = fitted_pair(blobs(n_features=1, centres=((0,), (60,))), 2, ["length"])
    assert not both.soft.any()
    left, right = plot_clusterings(both)
    assert min(widths(left, right)) > 0.3
    assert len(right.lines) == 3        # two densities, the mixture, no rows in doubt


def test_weights_count_in_histograms():
    X = np.repeat([[0.0], [10.0]], 50, axis=0) + np.random.default_rng(0).normal(size=(100, 1))
    weight = np.repeat([19.0, 1.0], 50)
    both = compare_clusterings(X, 2, sample_weight=weight, random_state=0)
    for ax in plot_clusterings(both):
        area = sum(bar.get_width() * bar.get_height() for bar in ax.patches if bar.get_x() > 5)
        assert area == pytest.approx(0.05)


@pytest.mark.filterwarnings("ignore:collapsed")        # four points, each five times
def test_borders_where_centres_repeat():
    X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.1, 1.0]]).repeat(5, axis=0)
    both = fitted_pair(X, 3)
    expected = drawn_borders(plot_clusterings(both)[0])
    both.kmeans.cluster_centers_ = both.kmeans.cluster_centers_[[0, 1, 2, 2, 0]]
    again = drawn_borders(plot_clusterings(both)[0])
    assert len(expected) > 1
    np.testing.assert_allclose(np.sort(again, axis=None), np.sort(expected, axis=None))


def drawn_borders(ax):
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    return np.array(lines.get_segments())


def test_clusterings_of_one_feature():
    X = blobs(n_features=1, centres=((0,), (6,), (12,)))
    both = fitted_pair(X, 3, ["length"])
    both.soft[[3, 9]] = True
    left, right = plot_clusterings(both)
    centres = np.sort(both.kmeans.cluster_centers_[:, 0])
    vertical = sorted(line.get_xdata()[0] for line in left.lines)
    np.testing.assert_allclose(
        vertical, np.sort(np.concatenate([centres, (centres[1:] + centres[:-1]) / 2])))
    assert len(right.lines) == 5        # three densities, the mixture, the rows in doubt
    np.testing.assert_array_equal(right.lines[-1].get_xdata(), X[both.soft, 0])
    assert left.get_xlabel() == "length"
    drawn(left)


def test_one_cluster_float32_and_many_rows():
    X = np.random.default_rng(0).normal(size=(30_000, 2)).astype(np.float32)
    both = fitted_pair(X, 1)
    left, right = plot_clusterings(both, max_points=1000)
    assert len(scatters(left)[0].get_offsets()) == 1000
    assert left.get_title() == "K-means, 1 cluster\n1,000 of 30,000 rows drawn"
    np.testing.assert_array_equal(scatters(left)[0].get_offsets(), scatters(right)[0].get_offsets())
    drawn(left)


def test_clusterings_on_given_axes_and_wrong_input():
    X = blobs()
    both = fitted_pair(X, 3)
    fig, axes = plt.subplots(1, 2)
    assert list(plot_clusterings(both, axes=axes)) == list(axes)
    assert axes[0].collections and axes[1].patches
    for given, options, error, message in (
            (X, {}, TypeError, "two clusterings, got ndarray without X"),
            (both, {"axes": axes[:1]}, ValueError, "axes must hold 2 axes, got 1"),
            (both, {"columns": (0, 5)}, ValueError, "there is no column 5"),
            (both, {"columns": "z"}, ValueError, "there is no column 'z', only 'x0', 'x1'"),
            (both, {"n_std": -1}, ValueError, "n_std must hold positive"),
            (SimpleNamespace(**{**vars(both), "mixture": GaussianMixture(3)}), {}, NotFittedError,
             "not fitted")):
        with pytest.raises(error, match=message):
            plot_clusterings(given, **options)
    assert plt.get_fignums() == [fig.number]


def test_clusterings_of_a_frame():
    X = pd.DataFrame(blobs(), columns=["a", "b"])
    both = fitted_pair(X.to_numpy(), 3)
    both.X = X
    assert plot_clusterings(both)[0].get_xlabel() == "a"
