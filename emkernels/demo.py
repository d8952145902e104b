"""Mixtures of real data beside scikit-learn: the same likelihood, the time of both."""

import time
import warnings

import numpy as np

import emkernels
from emkernels.kernels import _core


class MissingExtra(ImportError):
    """A package of an extra is not installed."""


def data_sets():
    """(name, rows, n_components, covariance types) of data that scikit-learn ships."""
    from sklearn.datasets import load_iris, load_sample_image, load_wine

    yield "iris", load_iris().data, 3, ("full", "tied", "diag", "spherical")
    yield "wine", load_wine().data, 3, ("full", "diag")
    try:
        image = load_sample_image("china.jpg")
    except ImportError as error:
        raise MissingExtra(
            "the demo reads a photograph with Pillow: pip install 'emkernels[demo]'"
        ) from error
    yield "china.jpg pixels", image.reshape(-1, 3) / 255.0, 8, ("full", "diag")


def _timed_fit(model, X, repeats):
    """The fitted model and the shortest of some times, in seconds."""
    best = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # iteration limits are part of the table
        for _ in range(repeats):
            began = time.perf_counter()
            model.fit(X)
            best = min(best, time.perf_counter() - began)
    return model, best


def compare(n_threads=None):
    """Fit every data set with both libraries; a dict for each row of the table."""
    from sklearn.mixture import GaussianMixture as Peer

    for name, X, n_components, types in data_sets():
        for type_ in types:
            options = {"covariance_type": type_, "random_state": 0, "max_iter": 200}
            repeats = 5 if len(X) < 10_000 else 2
            ours, our_time = _timed_fit(
                emkernels.GaussianMixture(n_components, n_threads=n_threads, **options), X, repeats)
            peer, peer_time = _timed_fit(Peer(n_components, **options), X, min(repeats, 3))
            yield {
                "data": name, "rows": X.shape[0], "columns": X.shape[1],
                "components": n_components, "type": type_,
                "iterations": ours.n_iter_, "peer iterations": peer.n_iter_,
                "log-likelihood": ours.score(X), "peer log-likelihood": peer.score(X),
                "ms": our_time * 1e3, "peer ms": peer_time * 1e3,
            }


def run_demo(n_threads=None):
    """Print the table of :func:`compare`."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError as error:
        raise MissingExtra(
            "the demo prints its table with rich: pip install 'emkernels[demo]'") from error
    import sklearn


    console = Console()
    if not console.is_terminal:
        console = Console(width=130)      # a file has room for the table
    console.print(
        f"emkernels {emkernels.__version__} ({_core.simd_level()}, "
        f"{n_threads or _core.effective_n_threads()} threads) beside scikit-learn "
        f"{sklearn.__version__}\nGaussian mixtures of real data: whole fits, k-means start "
        "included, same seed", highlight=False)
    table = Table(show_edge=False, pad_edge=False)
    for title, justify in (("data", "left"), ("rows", "right"), ("K", "right"), ("type", "left"),
                           ("iterations", "right"), ("log-likelihood / row", "right"),
                           ("difference", "right"), ("emkernels", "right"),
                           ("scikit-learn", "right"), ("faster", "right")):
        table.add_column(title, justify=justify, no_wrap=True)
    ratios, worst = [], 0.0
    with console.status("fitting ..."):
        for row in compare(n_threads):
            ratios.append(row["peer ms"] / row["ms"])
            difference = abs(row["log-likelihood"] - row["peer log-likelihood"])
            worst = max(worst, difference)
            iterations = str(row["iterations"])
            if row["iterations"] != row["peer iterations"]:
                iterations += f" ({row['peer iterations']})"
            table.add_row(
                f"{row['data']}", f"{row['rows']} x {row['columns']}", str(row["components"]),
                row["type"], iterations, f"{row['log-likelihood']:.6f}", f"{difference:.0e}",
                f"{row['ms']:.1f} ms", f"{row['peer ms']:.1f} ms", f"{ratios[-1]:.1f}x")
    console.print(table)
    mean = float(np.exp(np.mean(np.log(ratios))))
    console.print(
        f"Log-likelihoods agree to {worst:.0e}; {mean:.1f}x faster in the geometric mean.",
        highlight=False)
