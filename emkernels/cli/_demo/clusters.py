"""K-means and EM on clusters that are longer than wide."""

from functools import partial

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns, times

BUDGET = 2.0
STARTS = 10


def elongated(rng, n_samples=60_000):
    """Three parallel clusters eight times as long as wide, and which row is of which."""
    truth = rng.integers(3, size=n_samples)
    along, across = rng.normal(size=(2, n_samples)) * [[2.0], [0.25]]
    across += 1.6 * truth
    turn = np.deg2rad(30)
    return np.column_stack([np.cos(turn) * along - np.sin(turn) * across,
                            np.sin(turn) * along + np.cos(turn) * across]), truth


def clusters(_, seed, n_threads):
    """compare_clusterings where the truth is known; K-means beside scikit-learn's."""
    from sklearn.cluster import KMeans as Peer
    from sklearn.datasets import load_iris, load_wine
    from sklearn.metrics import adjusted_rand_score

    iris, wine = load_iris(), load_wine()
    found, rows, records = {}, [], []
    for data, (X, truth) in (
            ("three long clusters", elongated(np.random.default_rng(seed))),
            ("iris, 3 species", (iris.data, iris.target)),
            ("wine, 3 cultivars", (wine.data, wine.target))):
        options = {"n_init": STARTS, "random_state": seed}
        result = emkernels.compare_clusterings(X, 3, n_threads=n_threads, **options)
        ours = emkernels.KMeans(3, n_threads=n_threads, **options)
        seconds, (ours, peer), n_rounds = take_turns(
            [partial(ours.fit, X), partial(Peer(3, **options).fit, X)], BUDGET)
        found[data] = result
        record = {
            "data": data, "rows": X.shape[0], "columns": X.shape[1],
            "adjusted_rand_kmeans": adjusted_rand_score(truth, result.kmeans_labels),
            "adjusted_rand_em": adjusted_rand_score(truth, result.mixture_labels),
            "soft_share": result.soft_share,
            "inertia_difference": abs(ours.inertia_ - peer.inertia_) / peer.inertia_,
            "kmeans_seconds": seconds[0], "scikit_learn_kmeans_seconds": seconds[1],
            "ratio": seconds[1] / seconds[0], "rounds": n_rounds}
        records.append(record)
        rows.append([
            data, f"{X.shape[0]} x {X.shape[1]}", f"{record['adjusted_rand_kmeans']:.3f}",
            f"{record['adjusted_rand_em']:.3f}", f"{100 * result.soft_share:.1f} %",
            duration(seconds[0]), duration(seconds[1]), times(record["ratio"])])
    picture = new_figure(11, 4.6)
    found["three long clusters"].plot(axes=picture.subplots(1, 2))
    return Section(
        "clusters", "K-means and EM on long clusters",
        f"Agreement with the truth (adjusted Rand index, ARI: 1 is the same, 0 chance), {STARTS} "
        "starts each. Soft: rows whose component is less than 90 % sure. Times: the shortest of "
        f"{rounds_said([r['rounds'] for r in records])} in turn.",
        ["data", "rows", "ARI, K-means", "ARI, EM", "soft", "our K-means", "scikit-learn's",
         "faster"],
        rows, records, left=(0, 1),
        verdict="K-means cuts long clusters in pieces, because it knows no shape; EM estimates "
                "it. The K-means of both libraries agree to "
                f"{max(r['inertia_difference'] for r in records):.0e} of the inertia.",
        pictures=[("clusters.png", "The same rows by K-means, with the borders between its "
                   "centres, and by EM, with the shapes that it found.", picture)])
