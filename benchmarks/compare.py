"""emkernels side by side with scikit-learn and oneDAL, in one process, taking turns.

    python benchmarks/compare.py                 # every section, about half an hour
    python benchmarks/compare.py full memory     # two of them
    python benchmarks/compare.py --quick         # tiny sizes: does it still run?

Quiet machine wanted. An iteration is timed by the difference of two iteration counts of
whole fits from given starts; every contender does the same iterations, and their results are
compared. Exit code 1 when they differ or a section fails, after the others have run; limits
missed are only printed.
"""

import argparse
import importlib
import importlib.metadata
import json
import platform
import sys
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import _timing as timing
import numpy as np
from _contenders import (
    PARITY,
    contenders,
    daal4py,
    differences,
    given_start,
    mixture,
    parity,
    share_that_matters,
)
from benchmarks._cases import CASES, TYPES, Problem, blob_means, blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from threadpoolctl import threadpool_limits

import emkernels
from emkernels import GaussianMixture
from emkernels._config import config
from emkernels.em import DegenerateWarning
from emkernels.kernels.passes import em_pass

FULL_SHAPES = [(10**6, 2, 8), (2 * 10**5, 8, 16), (2 * 10**5, 16, 32), (5 * 10**4, 32, 32),
               (5 * 10**4, 64, 64)]
TINY_SHAPES = [(3000, 2, 3), (2000, 8, 4)]


# --- small helpers ------------------------------------------------------------------------

def ratio(seconds, peer):
    return seconds[peer] / seconds["emkernels"] if peer in seconds else None


def ms(seconds, name):
    return 1e3 * seconds[name] if name in seconds else None


def positive(text):
    """The type of options that count something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def shape_text(shape):
    return f"{shape[0]:g} x {shape[1]}, K={shape[2]}"


# --- the sections ------------------------------------------------------------------------

def section_full(run):
    """Full covariance, float64: an EM iteration."""
    shapes = TINY_SHAPES if run.quick else FULL_SHAPES
    peak = timing.matmul_peak(n=256 if run.quick else 2048)
    measured = []
    for n, d, k in shapes:
        X = blobs(n, d, k)
        fits = contenders(X, k, "full", run.threads)
        seconds, results = run.iterations(fits)
        worst = parity(f"full {shape_text((n, d, k))}", results, run.high)
        share = share_that_matters(X, results["emkernels"])
        measured.append(((n, d, k), seconds, worst, share))
    peak = max(peak, timing.matmul_peak(n=256 if run.quick else 2048))     # clocks drift
    rows, out = [], []
    for (n, d, k), seconds, worst, share in measured:
        flops = 2 * n * k * d**2 / seconds["emkernels"]
        row = {"shape": [n, d, k], "seconds": seconds, "parity": worst, "gflops": flops / 1e9,
               "of_peak": flops / peak, "scikit-learn": ratio(seconds, "scikit-learn"),
               "oneDAL": ratio(seconds, "oneDAL"), "share": share}
        out.append(row)
        rows.append([shape_text((n, d, k)), ms(seconds, "emkernels"), ms(seconds, "scikit-learn"),
                     ms(seconds, "oneDAL"), row["scikit-learn"], row["oneDAL"], flops / 1e9,
                     100 * flops / peak, 100 * share, f"{worst:.0e}"])
    timing.table(["shape", "emkernels ms", "scikit-learn", "oneDAL", "x sklearn", "x oneDAL",
                  "GF/s", "% peak", "% pairs", "parity"], rows)
    means = {name: timing.geometric_mean([r[name] for r in out])
             for name in ("scikit-learn", "oneDAL")}
    print(f"  matrix product {peak / 1e9:.0f} GF/s; GF/s count 2 N K D^2. "
          "Asked: >= 60 % at D >= 32")
    print(f"  geometric mean x scikit-learn {timing.cell(means['scikit-learn'], 3)} (asked 20, no "
          f"shape below 6), x oneDAL {timing.cell(means['oneDAL'], 3)} (asked 2, none below 1.3)")
    print("  pairs: of a row and a component that matter (responsibility above 1e-19) at the end")
    print(f"  parity: largest relative difference of means and log-likelihood after {run.high} "
          f"iterations (allowed {PARITY:g})")
    return {"rows": out, "geometric_mean": means, "peak_gflops": peak / 1e9}


def section_float32(run):
    """float32 against float64 of emkernels: an EM iteration."""
    rows, out = [], []
    for n, d, k in TINY_SHAPES if run.quick else FULL_SHAPES:
        X = blobs(n, d, k)
        start = given_start(X, k)
        narrow = X.astype(np.float32)
        fits = {str(data.dtype): partial(
            mixture, GaussianMixture, data, k, start, n_threads=run.threads)
            for data in (X, narrow)}
        seconds, results = run.iterations(fits)
        off = abs(results["float32"].lower_bound_ - results["float64"].lower_bound_)
        speed = seconds["float64"] / seconds["float32"]
        out.append({"shape": [n, d, k], "seconds": seconds, "ratio": speed})
        rows.append([shape_text((n, d, k)), ms(seconds, "float64"), ms(seconds, "float32"), speed,
                     f"{off:.0e}"])
    timing.table(["shape", "float64 ms", "float32 ms", "ratio", "lower bound differs"], rows)
    return {"rows": out}


def section_types(run):
    """Diag, tied, spherical: an EM iteration."""
    shapes = TINY_SHAPES if run.quick else [(10**6, 2, 8), (2 * 10**5, 16, 32), (5 * 10**4, 64, 64)]
    rows, out = [], []
    for type_ in ("diag", "tied", "spherical"):
        for n, d, k in shapes:
            X = blobs(n, d, k)
            fits = contenders(X, k, type_, run.threads)
            seconds, results = run.iterations(fits)
            worst = parity(f"{type_} {shape_text((n, d, k))}", results, run.high)
            speed = ratio(seconds, "scikit-learn")
            out.append({"type": type_, "shape": [n, d, k], "seconds": seconds, "ratio": speed,
                        "parity": worst})
            rows.append([type_, shape_text((n, d, k)), ms(seconds, "emkernels"),
                         ms(seconds, "scikit-learn"), speed, f"{worst:.0e}"])
    timing.table(["type", "shape", "emkernels ms", "scikit-learn", "x sklearn", "parity"], rows)
    means = {t: timing.geometric_mean([r["ratio"] for r in out if r["type"] == t])
             for t in TYPES[1:]}
    print("  geometric mean " + ", ".join(
        f"{t} {timing.cell(v, 3)}" for t, v in means.items()) + " (asked 8)")
    return {"rows": out, "geometric_mean": means}


def section_default(run):
    """GaussianMixture(k, random_state=0).fit(X), initialisation included: the whole fit."""
    shapes = TINY_SHAPES if run.quick else [
        (2 * 10**5, 2, 8), (10**5, 8, 8), (10**5, 16, 16), (2 * 10**4, 32, 16)]
    rows, out = [], []
    for n, d, k in shapes:
        X = blobs(n, d, k)
        best, fitted = timing.alternate({
            "emkernels": lambda: GaussianMixture(k, random_state=0, n_threads=run.threads).fit(X),
            "scikit-learn": lambda: SklearnMixture(k, random_state=0).fit(X),
        }, run.rounds, run.least)
        a, b = fitted["emkernels"], fitted["scikit-learn"]
        speed = ratio(best, "scikit-learn")
        out.append({"shape": [n, d, k], "seconds": best, "ratio": speed,
                    "n_iter": [a.n_iter_, b.n_iter_],
                    "lower_bound": [float(a.lower_bound_), float(b.lower_bound_)]})
        rows.append([shape_text((n, d, k)), best["emkernels"], best["scikit-learn"], speed,
                     f"{a.n_iter_} / {b.n_iter_}", f"{a.lower_bound_:.5f} / {b.lower_bound_:.5f}"])
    timing.table(["shape", "emkernels s", "scikit-learn", "x sklearn", "n_iter_ ours / theirs",
                  "lower_bound_ ours / theirs"], rows)
    mean = timing.geometric_mean([r["ratio"] for r in out])
    print(f"  geometric mean {timing.cell(mean, 3)} (asked 15)")
    return {"rows": out, "geometric_mean": mean}


def section_skip(run):
    """Work left out: separated against overlapping blobs, and what looking for it costs."""
    n, d, k = (2000, 16, 8) if run.quick else (5 * 10**4, 64, 64)
    far, unit, heap = (blobs(n, d, k, separation) for separation in (3.0, 1.0, 0.05))
    cases = {       # data and start; separation 3 from afar leaves components singular
        "separation 3, true start": (far, given_start(far, k, means=blob_means(d, k, 3.0))),
        "separation 1, true start": (unit, given_start(unit, k, means=blob_means(d, k))),
        "separation 1": (unit, given_start(unit, k)),
        "one heap (0.05)": (heap, given_start(heap, k)),
    }
    fits = {name: partial(mixture, GaussianMixture, X, k, start, n_threads=run.threads)
            for name, (X, start) in cases.items()}
    seconds, results = run.iterations(fits)
    timing.table(["data " + shape_text((n, d, k)), "ms", "% pairs that matter"],
                 [[name, ms(seconds, name), 100 * share_that_matters(X, results[name])]
                  for name, (X, _) in cases.items()])
    gain = seconds["separation 1"] / seconds["separation 3, true start"]
    cost = looking_in_vain(heap, k, run)
    print(f"  overlapping (separation 1) takes {timing.cell(gain, 3)} times as long as separated "
          f"(asked 3); looking in vain costs {cost:.1f} %")
    return {"seconds": seconds, "gain": gain, "cost_percent": cost}


def looking_in_vain(X, k, run):
    """Per cent that the look for skippable work adds to a pass over data without any: median
    of passes taking turns. Known components, of which no row has one, switch it off."""
    n, d = X.shape
    model = (np.full(k, 1 / k), 0.05 * X[:k],
             np.repeat(np.eye(d)[None], k, axis=0), "full")
    nothing = np.full(n, -1, np.int32)
    seconds = {True: [], False: []}
    for turn in range(4 if run.quick else 30):
        for looking in ((True, False) if turn % 2 else (False, True)):
            began = time.perf_counter()
            em_pass(X, *model, known=None if looking else nothing, n_threads=run.threads)
            seconds[looking].append(time.perf_counter() - began)
    return 100 * (np.median(seconds[True]) / np.median(seconds[False]) - 1)


MEMORY = """
import json, sys, warnings
warnings.simplefilter("ignore")
from _timing import PeakMemory
from benchmarks._cases import blobs
from threadpoolctl import threadpool_limits
from _contenders import GaussianMixture, SklearnMixture, given_start, mixture
name, init, n, d, k, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
cls = GaussianMixture if name == "emkernels" else SklearnMixture
more = {"n_threads": threads} if name == "emkernels" else {}
def fit(X, start):
    mixture(cls, X, k, start, 4, reg_covar=1e-6, random_state=0, **more)
with threadpool_limits(threads):
    small = blobs(20 * k, d, k)
    fit(small, given_start(small, k) if init == "given" else {})    # modules and pools are loaded
    X = blobs(n, d, k)
    start = given_start(X, k) if init == "given" else {}
    with PeakMemory() as memory:
        fit(X, start)
print(json.dumps([memory.extra, X.nbytes, memory.exact]))
"""


def section_memory(run):
    """Peak extra memory of a fit, as a share of X."""
    n, d, k = (50_000, 16, 4) if run.quick else (10**6, 16, 32)
    rows, out = [], []
    for init in ("given", "kmeans"):
        shares = []
        for name in ("emkernels", "scikit-learn"):
            extra, size, exact = timing.child(MEMORY, name, init, n, d, k, run.threads)
            shares.append(extra / size)
            out.append({"name": name, "init": init, "extra": extra, "size": size, "exact": exact})
        rows.append([init, out[-2]["extra"] / 1e6, 100 * shares[0], 100 * shares[1]])
    timing.table(["start", "emkernels MB", "% of X", "scikit-learn % of X"], rows)
    print(f"  X: {shape_text((n, d, k))}, {size / 1e6:.0f} MB; asked < 10 %")
    return {"rows": out}


IMPORT = """
import json, sys, time, importlib
start = time.perf_counter()
importlib.import_module(sys.argv[1])
print(json.dumps(time.perf_counter() - start))
"""


def section_tiny(run):
    """Tiny data: fits, kernel calls, imports."""
    X, rounds = blobs(200, 2, 2, 3.0), 3 if run.quick else 9
    best, _ = timing.alternate({
        "emkernels": lambda: GaussianMixture(2, random_state=0, n_threads=run.threads).fit(X),
        "scikit-learn": lambda: SklearnMixture(2, random_state=0).fit(X)}, rounds, run.least)
    fit = ratio(best, "scikit-learn")
    timing.table(["fit of 200 x 2, K=2", "emkernels ms", "scikit-learn", "x sklearn (asked 5)"],
                 [["default", 1e3 * best["emkernels"], 1e3 * best["scikit-learn"], fit]])
    calls = {}
    for name, case in CASES.items():
        problem = Problem(10, 2, 2)
        case.check(problem)
        more = {} if name == "check_finite" else {"n_threads": run.threads}
        if name == "kmeans_plusplus":
            # seeding a generator from an integer takes numpy longer than all kernels together
            more["random_state"] = np.random.RandomState(0)
        calls[name] = 1e6 * timing.per_call(case.call(problem, **more), run.least / 4)
    timing.table(["call on 10 x 2, K=2", "us (asked < 15)"], calls.items())
    imports = {}
    for module in ("numpy", "emkernels", "emkernels.kernels", "emkernels.models.mixture",
                   "sklearn.mixture"):
        imports[module] = 1e3 * min(timing.child(IMPORT, module) for _ in range(rounds // 2 + 1))
    timing.table(["import", "ms"], imports.items())
    return {"fit_seconds": best, "ratio": fit, "call_us": calls, "import_ms": imports}


def section_squarem(run):
    """SQUAREM against plain EM, to the same tolerance, on overlapping data."""
    shapes = TINY_SHAPES[:1] if run.quick else [
        (10**5, 2, 4), (5 * 10**4, 8, 8), (2 * 10**4, 16, 8)]
    rows, out = [], []
    for n, d, k in shapes:
        X = blobs(n, d, k)
        options = {"tol": 1e-4 if run.quick else 1e-7, "n_threads": run.threads}
        fits = {name or "plain": partial(mixture, GaussianMixture, X, k, given_start(X, k),
                                         5000, acceleration=name, **options)
                for name in (None, "squarem")}
        best, results = timing.alternate(fits, run.rounds, run.least)
        a, b = results["plain"], results["squarem"]
        out.append({"shape": [n, d, k], "seconds": best, "n_iter": [a.n_iter_, b.n_iter_],
                    "lower_bound": [float(a.lower_bound_), float(b.lower_bound_)]})
        rows.append([shape_text((n, d, k)), a.n_iter_, b.n_iter_, best["plain"], best["squarem"],
                     best["plain"] / best["squarem"], float(b.lower_bound_ - a.lower_bound_)])
    timing.table(["shape", "plain n_iter_", "squarem", "plain s", "squarem s", "ratio",
                  "lower_bound_ gained"], rows)
    return {"rows": out, "tol": options["tol"]}


# Those of other modules are imported when they are run: nobody needs what only others need
ELSEWHERE = {
    "chunks": "_chunks", "dask": "_distributed", "embeddings": "_embeddings",
    "digits": "_factor_mixture", "kernels": "_kernels", "kmeans": "_kmeans", "lloyd": "_kmeans",
    "latent": "_latent", "imputers": "_missing", "missing": "_missing", "patterns": "_missing",
    "seeding": "_seeding", "phantoms": "_segmentation", "photo": "_segmentation",
    "threads": "_threads", "wide": "_wide"}
SECTIONS = ELSEWHERE | {name[len("section_"):]: value for name, value in list(globals().items())
                        if name.startswith("section_")}


def section_of(name):
    """Its function.

    Raises
    ------
    ImportError
        Where it needs a package that is not there, with what brings it.
    """
    section = SECTIONS[name]
    if not isinstance(section, str):
        return section
    try:
        return getattr(importlib.import_module(section), f"section_{name}")
    except ImportError as error:
        raise ImportError(f"{error} (pip install 'emkernels[bench]' brings what sections need)"
                          ) from error


# --- the whole ---------------------------------------------------------------------------

class Run:
    """The options, and how an iteration is timed under them."""

    def __init__(self, options):
        self.quick, self.threads = options.quick, options.threads
        self.rounds = 1 if self.quick else options.rounds
        self.least = 0.01 if self.quick else timing.LEAST
        # from the third iteration on emkernels may visit the rows sorted by component
        self.low, self.high = 3, 5 if self.quick else 3 + options.iterations

    def iterations(self, fits):
        return timing.per_iteration(fits, self.low, self.high, self.rounds, self.least)


def facts():
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines
                     if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    found = config() | {"cpu": model, "product": timing.matrix_product()}
    for package in ("daal", "scikit-learn-intelex", "scipy", "hmmlearn", "stepmix", "faiss-cpu"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sections", nargs="*", metavar="section",
                        help=f"of {', '.join(SECTIONS)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, no meaningful times")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--rounds", type=positive, default=3, help="turns of each contender")
    parser.add_argument("--iterations", type=positive, default=5, help="iterations timed")
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for expected in (ConvergenceWarning, DegenerateWarning):    # a few iterations of blobs
        warnings.simplefilter("ignore", expected)
    found = facts()
    emkernels.show_config()
    for name in ("scipy", "daal", "cpu", "product"):
        print(f"{name:<15} {found[name]}")
    print(f"every contender on {options.threads} threads" + ("; QUICK" if options.quick else ""))
    if daal4py is None:
        print("oneDAL left out: pip install scikit-learn-intelex brings daal4py")
    else:
        daal4py.daalinit(options.threads)
    run, results, failed = Run(options), {}, {}

    def write():
        """As far as it has come: half an hour is not lost to a Ctrl-C either."""
        if options.json:
            report = {"facts": found, "options": vars(options), "sections": results,
                      "differences": differences}
            text = json.dumps(timing.finite(report), indent=1, default=float)
            Path(options.json).write_text(text)

    try:
        write()
    except OSError as error:
        parser.error(f"argument --json: {error}")
    with threadpool_limits(options.threads):
        for name in SECTIONS:
            if options.sections and name not in options.sections:
                continue
            try:
                section = section_of(name)
                print(f"\n{name}: {section.__doc__.strip()}", flush=True)
                results[name] = section(run)
            except Exception as error:
                failed[name] = results[name] = {"error": f"{type(error).__name__}: {error}"}
                traceback.print_exc()
            write()
    for what, much in differences:
        print(f"\nDIFFERENT RESULTS: {what}: {much}")
    for name, result in failed.items():
        print(f"\nFAILED: {name}: {result['error'].splitlines()[-1]}")
    return 1 if differences or failed else 0


if __name__ == "__main__":
    timing.unpin()
    sys.exit(main())
