"""The section of compare.py about latent classes and hidden Markov models.

Peers: StepMix, hmmlearn with either of its implementations. Each begins where ours does and takes
as many iterations; priors are off, and log-likelihoods are compared after the last. An iteration is
the difference of two counts of them, so that reading, starts and closing passes do not count.
"""

import contextlib
import io
import json
import time
import warnings
from functools import partial
from importlib.resources import files

import _timing as timing
import numpy as np
from _contenders import differences
from benchmarks.bench_discrete import answers, gaussian_sequences, sticky, symbol_sequences

from emkernels import LatentClassAnalysis
from emkernels.data.items import Items

try:
    from hmmlearn import hmm as hmmlearn
except ImportError:
    hmmlearn = None
try:
    from stepmix.stepmix import StepMix
except ImportError:
    StepMix = None

PARITY = 1e-9       # of log-likelihoods of a row, relative
LANES = 8           # doubles of a vector register, at most


def apart(what, found):
    """How far log-likelihoods of a row are apart; noted where it is more than rounding."""
    values = list(found.values())
    worst = max(abs(value - values[0]) / abs(values[0]) for value in values)
    if not worst < PARITY:
        differences.append((what, worst))
    return worst


# --- latent classes ----------------------------------------------------------------------------

def start_of_stepmix(X, n_levels, n_classes, seed):
    """Weights and response probabilities that StepMix begins with: from random posteriors."""
    resp = np.random.RandomState(seed).uniform(size=(len(X), n_classes))
    resp = np.clip(resp / resp.sum(axis=1)[:, None], 1e-15, 1 - 1e-15)
    probs = []
    for j in range(X.shape[1]):
        table = np.stack([resp[X[:, j] == level].sum(axis=0) for level in range(n_levels)], axis=1)
        probs.append(table / table.sum(axis=1, keepdims=True))
    return np.full(n_classes, 1 / n_classes), probs


def stepmix(X, n_classes, seed, n_iter, **options):
    """A fit of StepMix, whose tolerances are 0 unless given."""
    kind = "categorical_nan" if np.isnan(X).any() else "categorical"
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        return StepMix(n_classes, measurement=kind, random_state=seed, max_iter=n_iter,
                       **{"abs_tol": 0, "progress_bar": 0, **options}).fit(X)


def classes(run):
    """An EM iteration of latent classes, complete rows and with a tenth of the answers missing."""
    n, n_items, n_levels, c = (500, 6, 3, 2) if run.quick else (20_000, 30, 4, 5)
    peak = timing.matmul_peak(n=256 if run.quick else 2048)
    rows, out = [], []
    for share, asked in ((0.0, 10), (0.1, 30)):
        X = answers(n, n_items, n_levels, c, missing=share)
        weights, probs = start_of_stepmix(X, n_levels, c, seed=1)
        fits = {"emkernels": lambda m: LatentClassAnalysis(
            c, n_init=1, weights_init=weights, response_probs_init=probs, tol=0, max_iter=m,
            acceleration=None, n_threads=run.threads).fit(X)}
        if StepMix is not None:
            fits["StepMix"] = partial(stepmix, X, c, 1)
        # reading and looking for equal rows take as long as dozens of iterations
        high = run.low + (1 if run.quick else 8) * (run.high - run.low)
        seconds, found = timing.per_iteration(fits, run.low, high, run.rounds, run.least)
        bounds = {name: float(model.lower_bound_) for name, model in found.items()}
        worst = apart(f"latent classes, {share:.0%} missing", bounds)
        ratio = seconds["StepMix"] / seconds["emkernels"] if StepMix is not None else None
        # a load and an addition a group of items, on the way to the posteriors and back, at the
        # rate at which a matrix product of all threads does them
        groups = len(Items.read(X).grouped()[0].members)
        vectors = 2 * n * groups * -(-c // LANES)
        limit = vectors / (peak / (2 * LANES))
        out.append({"shape": [n, n_items, n_levels, c], "missing": share, "seconds": seconds,
                    "ratio": ratio, "of_limit": limit / seconds["emkernels"], "bounds": bounds})
        rows.append([f"{n} x {n_items}, C={c}, {100 * share:.0f} % missing",
                     1e3 * seconds["emkernels"],
                     1e3 * seconds["StepMix"] if StepMix is not None else None, ratio, asked,
                     100 * limit / seconds["emkernels"], f"{worst:.0e}"])
    timing.table(["an iteration of latent classes", "emkernels ms", "StepMix", "x StepMix", "asked",
                  "% of limit", "apart"], rows)
    print("  limit: a load and an addition for each group of items and direction, at the rate of "
          "the matrix product")
    return out


def votes():
    """Sixteen votes of 435 members, coded, NaN where nobody knows."""
    lines = files("emkernels.cli._demo").joinpath("votes.csv").read_text("utf-8").splitlines()[1:]
    code = {"no": 0.0, "yes": 1.0, "": np.nan}
    return np.array([[code[cell] for cell in line.split(",")[1:]] for line in lines])


def starts(run):
    """Whole fits from fifty random starts: of votes, and of made-up answers."""
    tables = [("votes, 435 x 16", votes(), 4, 2),
              ("2,000 x 8", answers(2_000, 8, 4, 3), 3, 4)]
    if run.quick:
        tables = [("votes, 435 x 16", votes(), 2, 2)]
    n_init, tol = (3, 1e-5) if run.quick else (50, 1e-8)
    rows, out = [], []
    for name, X, c, n_levels in tables:
        fits = {"emkernels": lambda: LatentClassAnalysis(
            c, n_init=n_init, tol=tol, max_iter=1000, convergence="lower_bound", random_state=0,
            n_threads=run.threads).fit(X)}
        if StepMix is not None:
            fits["StepMix"] = lambda: stepmix(X, c, 0, 1000, n_init=n_init, abs_tol=tol)
        best, found = timing.alternate(fits, 1 if run.quick else 2, run.least)
        bounds = {key: float(model.lower_bound_) * len(X) for key, model in found.items()}
        ratio = best["StepMix"] / best["emkernels"] if StepMix is not None else None
        out.append({"table": name, "classes": c, "starts": n_init, "seconds": best, "ratio": ratio,
                    "log_likelihood": bounds})
        rows.append([f"{name}, C={c}", 1e3 * best["emkernels"],
                     1e3 * best["StepMix"] if StepMix is not None else None, ratio,
                     *(f"{bounds[key]:.3f}" if key in bounds else None
                       for key in ("emkernels", "StepMix"))])
    timing.table([f"{n_init} random starts", "emkernels ms", "StepMix", "x StepMix (asked 50)",
                  "log-likelihood", "of StepMix"], rows)
    print("  every start of StepMix goes on to the end; ours all run a while, the best five go on; "
          f"both stop where a row gains less than {tol:g}")
    return out


# --- hidden Markov models -----------------------------------------------------------------------

def of_hmmlearn(kind, implementation, start, X, lengths, n_iter):
    """hmmlearn's model after so many iterations, without priors."""
    options = {"implementation": implementation, "n_iter": n_iter, "tol": -np.inf,
               "init_params": ""}
    if kind == "symbols":
        model = hmmlearn.CategoricalHMM(len(start["transmat"]), **options)
        model.emissionprob_ = start["emissionprob"]
        model.n_features = start["emissionprob"].shape[1]
    else:
        model = hmmlearn.GaussianHMM(len(start["transmat"]), kind, covars_prior=0, covars_weight=0,
                                     min_covar=0, **options)
        model.means_, model.covars_ = start["means"], start["covars"]
    model.startprob_, model.transmat_ = start["startprob"], start["transmat"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, lengths)


def ours(kind, start, X, lengths, n_threads, n_iter):
    """Our model after so many iterations."""
    from emkernels import CategoricalHMM, GaussianHMM

    given = {f"{name}_init": value for name, value in start.items()}
    k = len(start["transmat"])
    options = {"tol": 0, "max_iter": n_iter, "n_threads": n_threads, **given}
    if kind == "symbols":
        return CategoricalHMM(k, **options).fit(X, lengths=lengths)
    if kind == "diag":      # hmmlearn has the variances alone
        options["covars_init"] = np.stack([np.diag(v) for v in start["covars"]])
    return GaussianHMM(k, covariance_type=kind, reg_covar=0, **options).fit(X, lengths=lengths)


def given_start(kind, X, k, seed=0):
    """A start that has every state at some rows of X."""
    rng = np.random.default_rng(seed)
    start = {"startprob": np.full(k, 1 / k), "transmat": sticky(k, 0.8)}
    if kind == "symbols":
        start["emissionprob"] = rng.dirichlet(np.full(int(X.max()) + 1, 5.0), k)
        return start
    start["means"] = X[rng.choice(len(X), (k, 16))].mean(axis=1)
    variances = np.repeat(X.var(axis=0)[None], k, axis=0)
    start["covars"] = variances if kind == "diag" else np.stack([np.diag(v) for v in variances])
    return start


def chains(run):
    """An EM iteration of hidden Markov models beside both of hmmlearn's implementations."""
    cases = [("full", "100 x 1,000 x 4", (100, 1000, 4), 8, (30, 10)),
             ("diag", "100 x 1,000 x 4", (100, 1000, 4), 8, (30, 8)),
             ("diag", "1 x 1,000,000 x 1", (1, 1_000_000, 1), 4, (10, 5)),
             ("symbols", "200 x 500, 20 symbols", (200, 500, 20), 16, (30, 8))]
    if run.quick:
        cases = [("full", "3 x 50 x 2", (3, 50, 2), 2, (30, 10)),
                 ("diag", "1 x 400 x 1", (1, 400, 1), 2, (10, 5)),
                 ("symbols", "3 x 50, 4 symbols", (3, 50, 4), 3, (30, 8))]
    peak = timing.matmul_peak(n=256 if run.quick else 2048)
    low, high = (2, 4) if run.quick else (2, 5)
    rows, out = [], []
    for kind, name, (n_sequences, length, width), k, asked in cases:
        make = symbol_sequences if kind == "symbols" else gaussian_sequences
        X, lengths = make(n_sequences, length, width, k)
        start = given_start(kind, X, k)
        fits = {"emkernels": partial(ours, kind, start, X, lengths, run.threads)}
        if hmmlearn is not None:
            fits.update({each: partial(of_hmmlearn, kind, each, start, X, lengths)
                         for each in ("log", "scaling")})
        seconds, found = timing.per_iteration(fits, low, high, run.rounds, run.least)
        bounds = {each: float(model.lower_bounds_[-1]) if each == "emkernels" else
                  model.monitor_.history[-1] / len(X) for each, model in found.items()}
        worst = apart(f"{kind} {name}", bounds)
        ratios = [seconds[each] / seconds["emkernels"] if each in seconds else None
                  for each in ("log", "scaling")]
        flops = 6 * k**2 * len(X) / seconds["emkernels"]
        out.append({"kind": kind, "shape": [n_sequences, length, width, k], "seconds": seconds,
                    "ratios": ratios, "gflops": flops / 1e9, "of_peak": flops / peak,
                    "bounds": bounds})
        rows.append([f"{kind} {name}, K={k}", 1e3 * seconds["emkernels"],
                     *(1e3 * seconds[each] if each in seconds else None
                       for each in ("log", "scaling")), *ratios, "{} / {}".format(*asked),
                     1e9 * seconds["emkernels"] / len(X), 100 * flops / peak, f"{worst:.0e}"])
    timing.table(["an iteration of", "emkernels ms", "log", "scaling", "x log", "x scaling",
                  "asked", "ns a step", "% peak", "apart"], rows)
    print("  log and scaling: hmmlearn's, without its priors; % peak: 6 K^2 flops a step (forward, "
          f"backward, pairs of states) of a matrix product's {peak / 1e9:.0f} GF/s")
    return out


def two_threads(run):
    """One long sequence on one thread and on two, in turn."""
    n, k = (5_000, 2) if run.quick else (1_000_000, 4)
    X, lengths = gaussian_sequences(1, n, 1, k)
    start = given_start("diag", X, k)
    low, high = 2, 4 if run.quick else 8
    best = {(threads, m): np.inf for threads in (1, 2) for m in (low, high)}
    bounds = {}
    for turn in range(2 if run.quick else 3 * run.rounds):
        for threads, m in best if turn % 2 else reversed(best):
            began = time.perf_counter()
            model = ours("diag", start, X, lengths, threads, m)
            best[threads, m] = min(best[threads, m], time.perf_counter() - began)
            bounds[threads] = model.lower_bounds_[-1]
    seconds = {t: (best[t, high] - best[t, low]) / (high - low) for t in (1, 2)}
    gain = seconds[1] / seconds[2]
    assert bounds[1] == bounds[2], "the bits depend on the number of threads"
    timing.table([f"one sequence of {n:,}, K={k}", "one thread ms", "two threads", "gain",
                  "asked"], [["diag", 1e3 * seconds[1], 1e3 * seconds[2], gain, 1.6]])
    return {"seconds": {str(t): s for t, s in seconds.items()}, "gain": gain}


def discrete(run):
    """All of it, for the section of latent variables."""
    if StepMix is None:
        print("StepMix left out: pip install stepmix")
    if hmmlearn is None:
        print("hmmlearn left out: pip install hmmlearn")
    return json.loads(json.dumps({
        "classes": classes(run), "starts": starts(run), "chains": chains(run),
        "threads": two_threads(run)}, default=float))
