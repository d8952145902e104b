"""The kernels section of compare.py: full covariances, as shares of the matrix product's peak."""

import _timing as timing
import numpy as np
from benchmarks._cases import Problem, blob_means, blobs

from emkernels import kernels
from emkernels.kernels import dispatch
from emkernels.kernels.passes import em_pass

# rows, features, components: about as much work each, wide rows few
SHAPES = [(200_000, 8, 32), (200_000, 16, 32), (150_000, 20, 32), (100_000, 24, 32),
          (80_000, 32, 32), (50_000, 64, 32), (50_000, 68, 32), (20_000, 128, 32),
          (20_000, 132, 32), (6_000, 256, 32), (3_000, 512, 12)]
TINY_SHAPES = [(600, 8, 4), (300, 20, 4)]
# from so many features on: shares of the peak that were asked of moments and of the fused pass
ASKED = {256: (0.85, 0.7), 64: (0.85, 0.85), 32: (0.65, 0.7), 20: (0.45, 0.5)}
FLOAT32 = 0.92      # times that
HEAP = 0.05         # separation of means: every pair of row and component matters
# AVX2 does half of what AVX-512 does; NumPy's product takes the widest
WIDE_PRODUCTS = ("SkylakeX", "Cooperlake", "SapphireRapids")


def heap(n, d, k, dtype):
    """A problem in which nothing can be left out."""
    problem = Problem(n, d, k, "full", dtype, blobs(n, d, k, HEAP, dtype=dtype))
    means = HEAP * np.random.default_rng(2).normal(size=(k, d))
    problem.means = means.astype(dtype).astype(np.float64)
    return problem


def separate(n, d, k, dtype):
    """The same size where each row belongs to one component."""
    problem = Problem(n, d, k, "full", dtype, blobs(n, d, k, dtype=dtype))
    problem.means = blob_means(d, k, 1.0, 0).astype(dtype).astype(np.float64)
    return problem


def check(problem):
    """AssertionError unless the first rows give what matrix products give."""
    X, U, resp = problem.X[:256].astype(np.float64), problem.factors, []
    for mean, u, weight in zip(problem.means, U, problem.weights, strict=True):
        z = (X - mean) @ u
        resp.append(np.log(weight) + np.log(np.diag(u)).sum() - (z * z).sum(axis=1) / 2)
    resp = np.exp(resp - np.logaddexp.reduce(resp, axis=0))
    second = [(r[:, None] * (X - mean)).T @ (X - mean)
              for r, mean in zip(resp, problem.means, strict=True)]
    sums = kernels.em_statistics(problem.X[:256], *problem.model)
    given = kernels.weighted_moments(problem.X[:256], resp.T, problem.means)
    tolerance = 1e-9 if problem.dtype == np.float64 else 2e-4
    for found in (sums, given):
        np.testing.assert_allclose(found.counts, resp.sum(axis=1), rtol=tolerance)
        np.testing.assert_allclose(found.second, second, rtol=0, atol=tolerance * 256)


def tasks(problem, apart, threads, product):
    """What takes turns: the three kernels, and the product they are measured by."""
    X, resp, means, factors = problem.X, problem.resp, problem.means, problem.factors
    model, options = problem.model, {"n_threads": threads, "check_finite": False}
    return {
        "density": lambda: kernels.log_density(X, means, factors, **options).shape,
        "moments": lambda: kernels.weighted_moments(X, resp, means, **options).counts,
        "fused": lambda: em_pass(X, *model, n_threads=threads)[4],
        "apart": lambda: em_pass(apart.X, *apart.model, n_threads=threads)[4],
        "product": lambda: (product @ product).shape,
    }


def asked(d, dtype):
    """(moments, fused) or None."""
    for least, shares in ASKED.items():
        if d >= least and (least > 32 or d == least):
            return [share * (1 if dtype == np.float64 else FLOAT32) for share in shares]
    return None, None


def section_kernels(run):
    """Log densities, moments and the fused pass: shares of the matrix product's peak."""
    level, rows, out = dispatch.simd_level(), [], []
    product = timing.matrix_product()
    halves = level == "v3" and any(name in product for name in WIDE_PRODUCTS)
    size = 256 if run.quick else 2048
    for dtype in (np.float64, np.float32):
        square = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
        for n, d, k in TINY_SHAPES if run.quick else SHAPES:
            problem, apart = heap(n, d, k, dtype), separate(n, d, k, dtype)
            check(problem)
            check(apart)
            seconds, results = timing.alternate(
                tasks(problem, apart, run.threads, square), run.rounds, run.least)
            peak = 2 * size**3 / seconds["product"] * (0.5 if halves else 1)
            work = n * k * d * d        # of densities, and of moments: triangles
            shares = {name: flops / seconds[name] / peak for name, flops in (
                ("density", work), ("moments", work), ("fused", 2 * work))}
            bars = asked(d, dtype)
            pairs = min(1.0, results["fused"] / (n * k))       # rows of a last tile count whole
            out.append({"shape": [n, d, k], "dtype": np.dtype(dtype).name, "seconds": seconds,
                        "peak_gflops": peak / 1e9, "shares": shares, "asked": bars,
                        "pairs": pairs})
            rows.append([f"{n} x {d}, K={k}", np.dtype(dtype).name, 1e3 * seconds["fused"],
                         shares["density"], shares["moments"], bars[0], shares["fused"], bars[1],
                         peak / 1e9, 100 * pairs, 1e3 * seconds["apart"]])
    timing.table(["shape", "dtype", "fused ms", "density", "moments", "asked", "fused", "asked",
                  "peak GF/s", "% pairs", "apart ms"], rows)
    print(f"  SIMD {level}; the product by {product}" + (", halved for AVX2" if halves else "")
          + "; N K D^2 operations count for densities and as many for moments; "
            "peak: of the product in the same turns; apart: the fused pass where clusters are")
    return {"rows": out, "simd": level, "product": product}
