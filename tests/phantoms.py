"""Synthetic images with known segments, for the tests of segmentation."""

import numpy as np


def discs(noise, seed=0, shape=(48, 64)):
    """Grey discs on a dark ground: (image float64 around 0..1, true labels from dark to bright)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    truth = np.zeros(shape, int)
    truth[(y - 24) ** 2 + (x - 20) ** 2 < 15**2] = 1
    truth[(y - 20) ** 2 + (x - 48) ** 2 < 10**2] = 2
    values = np.array([0.2, 0.5, 0.8])[truth]
    return values + np.random.default_rng(seed).normal(0, noise, shape), truth


def colours(noise, seed=0, shape=(40, 60)):
    """Three upright stripes of colour."""
    truth = np.broadcast_to(np.arange(shape[1]) * 3 // shape[1], shape)
    values = np.array([[0.3, 0.1, 0.2], [0.2, 0.5, 0.3], [0.7, 0.6, 0.8]])[truth]
    return values + np.random.default_rng(seed).normal(0, noise, (*shape, 3)), truth


def ball(noise, seed=0, shape=(14, 18, 20)):
    """A bright ball in a dark volume."""
    place = np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) // 2
    truth = ((place**2).sum(axis=0) < 36).astype(int)
    return 0.3 + 0.4 * truth + np.random.default_rng(seed).normal(0, noise, shape), truth


def as_uint8(image):
    """With room for the noise: what is clipped is no Gaussian."""
    return np.clip(np.rint(130 * image + 60), 0, 255).astype(np.uint8)


def dice(labels, truth):
    """Mean over the true segments of 2 |A and B| / (|A| + |B|); labels are in the same order."""
    return np.mean([
        2 * np.sum((labels == k) & (truth == k)) / (np.sum(labels == k) + np.sum(truth == k))
        for k in np.unique(truth)])
