"""The threads section of compare.py: how work is dealt out, and what that makes of an iteration."""

import math
import time

import _timing as timing
import numpy as np
from _contenders import given_start, mixture
from benchmarks._cases import blobs

from emkernels import GaussianMixture, kernels
from emkernels.kernels.passes import em_pass
from emkernels.kernels.planning import plan_of, shares
from emkernels.latent.mixture import Mixture

COUNTS = (8, 16, 32, 48, 60, 64, 96, 128)
PLANNED = [("full", 60_000, 64, 256, 0), ("full", 20_000, 128, 256, 0),
           ("diag", 100_000, 64, 1024, 0), ("full", 20_000, 256, 16, 0),
           ("full", 4_000, 784, 10, 0), ("full", 200_000, 16, 32, 0),
           ("full", 1_000_000, 2, 8, 0), ("full", 20_000, 784, 1, 78),
           ("full", 20_000, 784, 10, 78)]
MODELLED = [(200_000, 16, 32), (20_000, 64, 256), (4_000, 784, 10)]
TINY_SHAPES = [(2_000, 8, 4), (500, 70, 40)]
MODEL_COUNTS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128)
SLICE = 1024        # sums that a thread merges at a time
WORTH = 1.2         # what twice as many threads should gain at least


def name_of(type_, n, d, k, missing=0):
    return f"{type_} {n} x {d}, K={k}" + (f", {missing} missing" if missing else "")


def planned():
    """Rows of the planner's table: efficiencies of a pass on so many threads."""
    for type_, n, d, k, missing in PLANNED:
        cells, at_32 = [], plan_of(n, d, k, type_, n_threads=32, missing=missing)
        for count in COUNTS:
            plan = plan_of(n, d, k, type_, n_threads=count, missing=missing)
            cells.append(shares(plan, count).efficiency)
        yield name_of(type_, n, d, k, missing), at_32, cells


class Watched:
    """Median seconds of the E-steps, the M-steps and whole iterations of fits in the block."""

    def __enter__(self):
        self.kept = {name: getattr(Mixture, name) for name in ("accumulate", "maximise")}
        self.seen = {name: [] for name in self.kept}
        for name, method in self.kept.items():
            setattr(Mixture, name, self.timed(name, method))
        return self

    def timed(self, name, method):
        def call(*arguments):
            began = time.perf_counter()
            result = method(*arguments)
            self.seen[name].append((began, time.perf_counter()))
            return result
        return call

    def __exit__(self, *exception):
        for name, method in self.kept.items():
            setattr(Mixture, name, method)
        self.median = {name: float(np.median([end - began for began, end in times]))
                       for name, times in self.seen.items()}
        # from one E-step to the next
        begins = [began for began, _ in self.seen["accumulate"]]
        self.median["iteration"] = float(np.median(np.diff(begins)))


def measured(X, k, threads, run):
    """Median seconds of an iteration and of its parts on so many threads."""
    start = given_start(X, k)
    covariances = np.linalg.inv(start["precisions_init"])
    # (upper factors of precisions, as scikit-learn keeps them)
    factors = np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1).copy()
    model = start["weights_init"], start["means_init"], factors, "full"
    resp = kernels.e_step(X, *model, want=["resp"])[0]
    parts, _ = timing.alternate({
        "pass": lambda: em_pass(X, *model, n_threads=threads)[3],
        "moments": lambda: kernels.weighted_moments(
            X, resp, model[1], n_threads=threads, check_finite=False).counts,
    }, run.rounds, run.least)
    with Watched() as watched:
        mixture(GaussianMixture, X, k, start, run.high, reg_covar=1e-2, n_threads=threads)
    found = watched.median
    # the E-step of the fit, in the proportions of the kernels by themselves
    share = min(1.0, parts["moments"] / parts["pass"])
    return {"densities": found["accumulate"] * (1 - share),
            "moments": found["accumulate"] * share, "m_step": found["maximise"],
            "python": found["iteration"] - found["accumulate"] - found["maximise"],
            "iteration": found["iteration"]}


def merging(plan, run):
    """Seconds to add up all copies of the sums: what NumPy takes for as many."""
    if plan.n_groups == 1:
        return 0.0
    sums = np.ones((plan.n_groups, plan.sum_bytes // 8 // plan.n_groups))
    best, _ = timing.alternate({"sum": lambda: sums.sum(axis=0)[0]}, run.rounds, run.least)
    return best["sum"]


def modelled(shape, run):
    """Times of an iteration that the parts of one thread let one expect, by number of threads, and
    what two threads take in fact."""
    n, d, k = shape
    X = blobs(n, d, k, 0.05)
    one, two = (measured(X, k, threads, run) for threads in (1, 2))
    merge = merging(plan_of(n, d, k, n_threads=1), run)
    densities, moments = one["densities"], max(0.0, one["moments"] - merge)
    # of the M-step what a second thread takes away, twice, is shared out by components
    spread = min(one["m_step"], max(0.0, 2 * (one["m_step"] - two["m_step"])))
    serial = one["python"] + one["m_step"] - spread
    times = {}
    for count in MODEL_COUNTS:
        plan = plan_of(n, d, k, n_threads=count)
        dealt = (densities + moments) / shares(plan, count).efficiency / count
        slices = max(1, min(count, plan.sum_bytes // 8 // plan.n_groups // SLICE))
        times[count] = dealt + merge / slices + serial + spread / min(count, k)
    return {"shape": list(shape), "densities": densities, "moments": moments, "merge": merge,
            "m_step_shared": spread, "serial": serial, "python": one["python"], "times": times,
            "measured_one": one["iteration"], "measured_two": two["iteration"]}


def end_of(times):
    """The last number of threads that is worth having, by twice as many gaining WORTH."""
    for count in times:
        twice = [each for each in times if each >= 2 * count]
        if twice and times[count] < WORTH * min(times[c] for c in twice if c == twice[0]):
            return count
    return None


def section_threads(run):
    """The planner's table, and a model of an iteration on 1 to 128 threads."""
    plans = list(planned())
    timing.table(
        ["efficiency on threads", "sums MB", "32: scratch", "panel", *map(str, COUNTS)],
        [[name, plan.sum_bytes / 1e6, plan.scratch_bytes / 1e6, plan.panel_bytes / 1e6,
          *(f"{cell:.2f}" for cell in cells)] for name, plan, cells in plans])
    print("  work over threads times what the busiest has")
    shapes = TINY_SHAPES if run.quick else MODELLED
    models = [modelled(shape, run) for shape in shapes]
    timing.table(
        ["one thread, ms", "densities", "moments", "merge", "M-step, shared", "serial",
         "measured 1", "model 1", "measured 2", "model 2", "off %"],
        [[name_of("full", *m["shape"]), *(1e3 * m[part] for part in (
            "densities", "moments", "merge", "m_step_shared", "serial", "measured_one")),
          1e3 * m["times"][1], 1e3 * m["measured_two"], 1e3 * m["times"][2],
          100 * (m["times"][2] / m["measured_two"] - 1)] for m in models])
    timing.table(
        ["speed on threads", *map(str, MODEL_COUNTS), "limit", "ends at"],
        [[name_of("full", *m["shape"]), *(m["times"][1] / t for t in m["times"].values()),
          m["times"][1] / m["serial"] if m["serial"] else math.inf,
          str(end_of(m["times"]) or "beyond")] for m in models])
    print(f"  ends where twice as many threads gain less than {WORTH}; limit: all but the serial "
          "part gone. Clocks that fall, and the bandwidth of the memory, are not in the model")
    return {"planned": [{"name": name, "efficiency": dict(zip(COUNTS, cells, strict=True)),
                         "plan": plan._replace(steps=None)._asdict()}
                        for name, plan, cells in plans], "modelled": models}
