"""A photograph in segments: EM, K-means and EM with smoothing."""

from functools import partial

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns, times

BUDGET = 2.0
SEGMENTS = 5
SMOOTHNESS = 1.0


def photograph_in_segments(photograph, seed, n_threads):
    """segment_image beside scikit-learn's estimators on the pixels."""
    from sklearn.cluster import KMeans as PeerKMeans
    from sklearn.mixture import GaussianMixture as PeerMixture

    pixels = photograph.reshape(-1, 3) / 255.0
    options = {"random_state": seed, "n_threads": n_threads}
    cases = (
        ("EM", {}, PeerMixture(SEGMENTS, random_state=seed)),
        ("K-means", {"method": "kmeans"}, PeerKMeans(SEGMENTS, random_state=seed)),
        ("EM, smoothed", {"smoothness": SMOOTHNESS}, None))
    results, rows, records = {}, [], []
    for name, how, peer in cases:
        contenders = [partial(emkernels.segment_image, photograph, SEGMENTS, **how, **options)]
        if peer is not None:
            contenders.append(partial(peer.fit_predict, pixels))
        seconds, found, n_rounds = take_turns(contenders, BUDGET)
        results[name] = result = found[0]
        record = {"method": name, "segments": SEGMENTS, "seconds": seconds[0],
                  "iterations": result.n_iter, "edges": edges(result.labels),
                  "scikit_learn_seconds": None, "scikit_learn_iterations": None, "ratio": None,
                  "rounds": n_rounds}
        if peer is not None:
            record.update(scikit_learn_seconds=seconds[1], scikit_learn_iterations=peer.n_iter_,
                          ratio=seconds[1] / seconds[0])
        records.append(record)
        rows.append([
            name, str(result.n_iter), duration(seconds[0]),
            "" if peer is None else str(peer.n_iter_),
            "" if peer is None else duration(seconds[1]),
            "" if peer is None else times(record["ratio"]), f"{100 * record['edges']:.1f} %"])
    pictures = []
    for name, file in (("EM", "photograph-em.png"), ("K-means", "photograph-kmeans.png"),
                       ("EM, smoothed", "photograph-smoothed.png")):
        figure = new_figure(12, 2.9)
        results[name].plot(axes=figure.subplots(1, 3))
        lines = " with the lines between them" if results[name].lines.any() else (
            "; lines between so many small ones would hide the tints")
        pictures.append((file, f"{name}: the photograph, its segments in their mean colours, "
                               f"and tinted by segment{lines}.", figure))
    height, width = photograph.shape[:2]
    return Section(
        "photograph", "A photograph in segments",
        f"china.jpg, {width} x {height} pixels, in {SEGMENTS} segments by colour; scikit-learn's "
        "estimators on the same pixels. Edges: neighbours with different labels. Times: the "
        f"shortest of {rounds_said([r['rounds'] for r in records])} in turn.",
        ["method", "steps", "emkernels", "steps", "scikit-learn", "faster", "edges"],
        rows, records,
        verdict="Smoothing (a Potts prior) lets neighbours agree: "
                f"{100 * records[2]['edges']:.1f} % edges instead of "
                f"{100 * records[0]['edges']:.1f} %.",
        pictures=pictures)


def edges(labels):
    """Share of the pairs of neighbouring pixels whose labels differ."""
    differ = [(labels[1:] != labels[:-1]).ravel(), (labels[:, 1:] != labels[:, :-1]).ravel()]
    return float(np.concatenate(differ).mean())
