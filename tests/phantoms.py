"""Synthetic images with known segments, for the tests of segmentation."""

import numpy as np
from scipy.ndimage import gaussian_filter


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


def tissue(noise, inhomogeneity, seed=0, shape=(40, 48, 12)):
    """A volume of three tissues with unequal shares (10, 49 and 41 %), the rarest one dark and
    beside the second, noise in parts of the brightest, under a smooth field that multiplies
    within 1 +- inhomogeneity / 2; partial volume as of a small blur: (image, truth)."""
    y, x, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    distance = np.hypot(y, x) + 0.12 * np.sin(5 * np.arctan2(y, x)) + 0.1 * z
    truth = np.where(distance < 0.74, 2, 1)
    truth[np.abs(distance - 1.02) < 0.04] = 0
    truth[np.hypot(y, x) < 0.12] = 0
    clean = sum(value * gaussian_filter((truth == k).astype(float), 0.4)
                for k, value in enumerate((50.0, 100.0, 140.0)))
    field = 0.9 * y + 0.7 * x + 0.4 * z + 0.6 * y * x - 0.7 * y**2 + 0.5 * x**2
    field = (field - field.min()) / (field.max() - field.min()) - 0.5
    rng = np.random.default_rng(seed)
    image = clean * (1 + inhomogeneity * field)
    return np.hypot(image + rng.normal(0, 140 * noise, shape),
                    rng.normal(0, 140 * noise, shape)), truth


def as_uint8(image):
    """With room for the noise: what is clipped is no Gaussian."""
    return np.clip(np.rint(130 * image + 60), 0, 255).astype(np.uint8)


def dice(labels, truth):
    """Mean over the true segments of 2 |A and B| / (|A| + |B|); labels are in the same order."""
    return np.mean([
        2 * np.sum((labels == k) & (truth == k)) / (np.sum(labels == k) + np.sum(truth == k))
        for k in np.unique(truth)])
