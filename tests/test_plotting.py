"""The module of pictures: what it imports, touches and shows, its examples and its colours."""

import inspect
import os
import subprocess
import sys
import textwrap
import warnings
from doctest import DocTestParser, DocTestRunner
from pathlib import Path

import numpy as np
import pytest
from pictures import blobs, plt

from emkernels import GaussianMixture, kernels, plotting
from emkernels.plotting import PALETTE, component_colors, plot_mixture

ROOT = str(Path(kernels.__file__).parents[2])


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def python(code):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_does_not_load_matplotlib():
    assert python("""
        import sys, emkernels.plotting
        print([name for name in sys.modules if name.startswith("matplotlib")])
    """).strip() == "[]"


def test_without_matplotlib_the_extra_is_named():
    printed = python("""
        import sys
        import numpy as np
        for name in ("matplotlib", "matplotlib.pyplot"):
            sys.modules[name] = None
        from types import SimpleNamespace
        from emkernels import (
            FactorAnalysis, GaussianHMM, GaussianMixture, LatentClassAnalysis, StudentTMixture,
            plotting, select_mixture)
        X = np.random.default_rng(0).normal(size=(50, 2))
        holes = np.where(X > 1, np.nan, X)
        model = GaussianMixture(1).fit(X)
        both = SimpleNamespace(
            X=X, kmeans=SimpleNamespace(cluster_centers_=X[:1]), mixture=model, adjusted_rand=1.0,
            kmeans_labels=np.zeros(50, int), mixture_labels=np.zeros(50, int),
            soft=np.zeros(50, bool))
        picture = np.zeros((4, 4, 3), np.uint8)
        segments = SimpleNamespace(
            labels=np.zeros((4, 4), int), n_segments=1, fractions=np.ones(1), smoothness=0.0,
            posteriors=np.ones((4, 4, 1)), method="em", displayed=lambda: picture,
            recolored=lambda: picture, overlay=lambda: picture)
        calls = {
            "plot_mixture": (model, X), "plot_responsibilities": (model, X),
            "plot_selection": (select_mixture(X, 1),), "plot_history": ([1.0],),
            "plot_missing_patterns": (X,), "plot_imputed": (holes, X),
            "plot_segmentation": (segments,), "plot_posteriors": (segments,),
            "plot_clusterings": (both,), "plot_scree": (X,),
            "plot_outliers": (StudentTMixture(df=3).fit(X), X),
            "plot_response_probs": (LatentClassAnalysis(1).fit(X > 0),),
            "plot_states": (GaussianHMM(1).fit(X), X),
            "plot_loadings": (FactorAnalysis().fit(np.c_[X, X[:, :1] + X[::-1]]),)}
        assert {name for name in plotting.__all__ if name.startswith("plot_")} == set(calls)
        for name, arguments in calls.items():
            try:
                getattr(plotting, name)(*arguments)
            except ImportError as error:
                print(error)
    """)
    line = "plotting needs matplotlib: pip install 'emkernels[plot]'"
    assert printed.splitlines() == [line] * 14


def test_given_axes_need_no_pyplot():
    """Nor a backend: nothing of matplotlib's global state is looked at."""
    assert python("""
        import sys
        import numpy as np
        from matplotlib.figure import Figure
        from emkernels import GaussianMixture
        from emkernels.plotting import plot_missing_patterns, plot_mixture
        X = np.random.default_rng(0).normal(size=(50, 2))
        axes = Figure().subplots(1, 2)
        plot_mixture(GaussianMixture(2, random_state=0).fit(X), X, density=True, ax=axes[0])
        plot_missing_patterns(X, ax=axes[1])
        print("matplotlib.pyplot" in sys.modules)
    """).strip() == "False"


def test_nothing_is_shown(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("not to be called")

    X = blobs()
    plt.figure()        # the backend is chosen
    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(plt, "switch_backend", refuse)
    before = dict(plt.rcParams)
    plot_mixture(GaussianMixture(3, random_state=0).fit(X), X)
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("name", plotting.__all__)
def test_examples(name):
    item = getattr(plotting, name)
    found = DocTestParser().get_doctest(inspect.getdoc(item) or "", {}, name, None, None)
    report = []
    with np.printoptions(), warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = DocTestRunner()
        runner.run(found, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


# --- colours -----------------------------------------------------------------------------------

def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Ottosson's perceptual space, of linear red, green and blue."""
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                      [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]])
    to_lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                       [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])
    return np.cbrt(np.clip(rgb, 0, 1) @ cones.T) @ to_lab.T


# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, IEEE TVCG 15, 2009, severity 1
VISION = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart(vision):
    seen = oklab(linear(component_colors(len(PALETTE))) @ np.array(VISION[vision]).T)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert distances[np.triu_indices(len(seen), 1)].min() > 0.07
    assert seen[:, 0].max() < 0.9      # on white


def test_more_colours_than_the_palette():
    colors = component_colors(30)
    assert colors.shape == (30, 3)
    assert len(np.unique(colors[:24], axis=0)) == 24
    np.testing.assert_array_equal(colors[24:], colors[:6])
    assert component_colors(0).shape == (0, 3)
    with pytest.raises(ValueError, match="n must not be negative"):
        component_colors(-1)
