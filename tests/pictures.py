"""What the tests of the pictures share: data, stand-ins of results, and readings of axes."""

from types import SimpleNamespace

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection


def blobs(n=200, n_features=2, centres=((0, 0), (6, 1), (1, 7)), seed=0):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(len(centres), n_features, n_features))
    shift = [np.resize(centre, n_features) for centre in centres]
    return np.concatenate([rng.normal(size=(n, n_features)) @ m + s for m, s in zip(mix, shift)])


def scatters(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def legend_texts(ax):
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def drawn(ax):
    """Draw the figure, so that every artist has been asked for its picture, and close it."""
    ax.figure.canvas.draw()
    plt.close("all")


class Segments:
    """A segmentation as the pictures read it."""

    def __init__(self, image, labels, n_segments, method="em", smoothness=0.0):
        self.image, self.n_segments = image, n_segments
        self.labels = labels.astype(np.int32)
        self.method, self.smoothness = method, smoothness
        values = image.reshape(*labels.shape, -1).astype(float)
        sizes = np.array([(labels == k).sum() for k in range(n_segments)])
        self.colors = np.array([
            values[labels == k].mean(axis=0) if sizes[k] else np.zeros(values.shape[-1])
            for k in range(n_segments)])
        self.fractions = sizes / sizes.sum()
        self.posteriors = (labels[..., None] == np.arange(n_segments)).astype(np.float32)

    def _rgb(self, values):
        values = values.astype(np.uint8)
        return values[..., :3] if values.shape[-1] >= 3 else np.repeat(values[..., :1], 3, axis=-1)

    def displayed(self):
        return self._rgb(self.image.reshape(*self.labels.shape, -1))

    def recolored(self):
        return np.where((self.labels >= 0)[..., None], self._rgb(self.colors[self.labels]),
                        np.uint8(128))

    def overlay(self):
        return self.displayed() // 2


def segments(shape=(8, 12), n_channels=3, n_segments=3, seed=0, **options):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, n_channels) if n_channels else shape, dtype=np.uint8)
    return Segments(image, rng.integers(0, n_segments, shape), n_segments, **options)


def comparison(X, k, kmeans_labels, centres, mixture, names=None):
    resp = mixture.predict_proba(X)
    return SimpleNamespace(
        X=X, kmeans=SimpleNamespace(cluster_centers_=centres), mixture=mixture,
        kmeans_labels=kmeans_labels, mixture_labels=resp.argmax(axis=1), adjusted_rand=0.5,
        soft=resp.max(axis=1) < 0.9, feature_names=names)
