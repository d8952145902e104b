"""The wide section of compare.py: iterations where rows have hundreds of columns."""

import warnings

import _timing as timing
from _contenders import SklearnMixture, given_start, mixture, parity, share_that_matters
from benchmarks._cases import blobs

from emkernels import EMWarning, GaussianMixture

# covariances, rows, columns, components; how many times scikit-learn's speed was asked
SHAPES = [("full", 20_000, 256, 16, 6), ("full", 5_000, 512, 8, 4), ("full", 4_000, 784, 10, 4),
          ("diag", 30_000, 512, 32, 3), ("spherical", 30_000, 512, 32, 2),
          ("tied", 30_000, 512, 32, 20)]
TINY_SHAPES = [("full", 400, 40, 3, 6), ("diag", 400, 40, 3, 3)]
# so much that every pair of a row and a component matters: without, rows of hundreds of columns
# belong to one component each, we leave the others out, and scikit-learn multiplies subnormal
# numbers, which takes it several times as long
RIDGE = 10.0


def section_wide(run):
    """Wide rows, float64: an EM iteration against scikit-learn's."""
    # such a ridge is not part of the likelihood, which falls by it (so does scikit-learn's)
    warnings.filterwarnings("ignore", "the objective fell", EMWarning)
    rows, out = [], []
    for type_, n, d, k, bar in TINY_SHAPES if run.quick else SHAPES:
        X = blobs(n, d, k, 0.05)
        options = {"start": given_start(X, k, type_), "covariance_type": type_,
                   "reg_covar": RIDGE}
        fits = {
            "emkernels": lambda i, X=X, k=k, o=options: mixture(
                GaussianMixture, X, k, max_iter=i, n_threads=run.threads, **o),
            "scikit-learn": lambda i, X=X, k=k, o=options: mixture(
                SklearnMixture, X, k, max_iter=i, **o),
        }
        seconds, results = run.iterations(fits)
        worst = parity(f"wide {type_} {n} x {d}, K={k}", results, run.high)
        share = share_that_matters(X, results["emkernels"]) if type_ == "full" else None
        speed = seconds["scikit-learn"] / seconds["emkernels"]
        out.append({"type": type_, "shape": [n, d, k], "seconds": seconds, "ratio": speed,
                    "asked": bar, "parity": worst, "share": share})
        rows.append([type_, f"{n} x {d}, K={k}", 1e3 * seconds["emkernels"],
                     1e3 * seconds["scikit-learn"], speed, bar,
                     None if share is None else 100 * share, f"{worst:.0e}"])
    timing.table(["type", "shape", "emkernels ms", "scikit-learn", "x sklearn", "asked",
                  "% pairs", "parity"], rows)
    print(f"  whole iterations, M-step included; reg_covar {RIDGE:g} in both; pairs: of a row and "
          "a component that matter at the end, of full covariances")
    return {"rows": out}
