"""What the user knows beforehand: the segments of some pixels, or the means of segments."""

import numpy as np

from emkernels.components.gaussian.structures import structure_of
from emkernels.image._nodata import CHUNK


def check_seeds(several, labels, means_init, coordinates):
    """ValueError where seeds do not go with other arguments."""
    name = "labels" if labels is not None else "means_init"
    if several:
        raise ValueError(f"{name} need one n_segments, which says how many there are")
    if means_init is not None and coordinates > 0:
        raise ValueError(
            "means_init are colours: with coordinates > 0 the features are also places. labels "
            "can be used there")


def read_labels(labels, raster, n_segments):
    """Segments of the pixels of a raster as int32, -1 where unknown or outside."""
    if np.ma.isMaskedArray(labels):
        hidden = np.ma.getmaskarray(labels)
        labels = np.where(hidden, -1, labels.data)
    labels = np.asarray(labels)
    if labels.shape != raster.shape or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape {raster.shape}, the image's without channels, -1 "
            f"where unknown; got {labels.dtype} of shape {labels.shape}")
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high >= n_segments:
        place = np.argwhere((labels < -1) | (labels >= n_segments))[0]
        raise ValueError(
            f"labels must be from 0 to {n_segments - 1}, or -1 where unknown, but pixel "
            f"{tuple(place.tolist())} has {labels[tuple(place)]}")
    out = np.array(labels.reshape(-1), np.int32)
    if raster.inside is not None:
        out[~raster.inside] = -1
    if not (out >= 0).any():
        raise ValueError("labels are -1 for every pixel that takes part: no segment is known")
    return out


def check_means(means_init, n_segments, raster):
    """Means in the image's units, float64 (n_segments, n_channels)."""
    means = np.asarray(means_init)
    n_channels = raster.values.shape[1]
    if means.dtype.kind not in "buif":
        raise TypeError(f"means_init must be numbers, got {means.dtype}")
    means = np.array(means, dtype=np.float64)
    if means.ndim == 1 and n_channels == 1:
        means = means[:, None]
    if means.shape != (n_segments, n_channels):
        raise ValueError(
            f"means_init must have shape ({n_segments}, {n_channels}), a row for each of "
            f"n_segments={n_segments} and a column for each channel; got {means.shape}")
    if not np.isfinite(means).all():
        raise ValueError("means_init contains NaN or infinity")
    return means


def start_from(means, pixels, covariance_type, reg_covar):
    """Parameters of a mixture that begins with given means: the shares of the pixels that are
    nearest to each, and the covariance within these groups, one for all."""
    n_features = means.shape[1]
    scatter, counts = np.zeros((n_features, n_features)), np.zeros(len(means))
    for first in range(0, len(pixels.rows), CHUNK):
        part = slice(first, first + CHUNK)
        rows = pixels.rows[part].astype(np.float64)
        weight = None if pixels.weight is None else pixels.weight[part]
        complete = ~np.isnan(rows).any(axis=1)
        if not complete.all():
            rows = rows[complete]
            weight = None if weight is None else weight[complete]
        distances = np.stack([((rows - mean) ** 2).sum(axis=1) for mean in means])
        nearest = distances.argmin(axis=0)
        gaps = rows - means[nearest]
        scatter += (gaps if weight is None else gaps * weight[:, None]).T @ gaps
        counts += np.bincount(nearest, weight, len(means))
    total = max(counts.sum(), 1.0)
    least = max(reg_covar, 1e-12 * max(float(np.trace(scatter)) / total, 1e-300))
    covariance = scatter / total + least * np.eye(n_features)
    structure = structure_of(covariance_type)
    factors = structure.factors(structure.repeated(covariance, len(means)))
    return {"weights_init": (counts + 1) / (counts + 1).sum(), "means_init": means,
            "precisions_init": structure.precisions(factors)}
