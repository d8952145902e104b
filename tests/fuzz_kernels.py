"""Cases of every public kernel: layouts, values, threads, SIMD levels, and the slow answers."""

from types import SimpleNamespace

import numpy as np
import reference
from fuzz_cases import (
    COUNTS,
    TYPES,
    Finding,
    Unchanged,
    attempt,
    compare,
    layout,
    mixture_of,
    no_nan,
    refused,
    unheard,
    values,
    weights_of,
)

from emkernels import kernels
from emkernels.kernels import dispatch

SIZES = (1, 2, 3, 5, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 257, 1000, 3001)
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 70)
MANY = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33)
DTYPES = ("f8", "f8", "f4", "f4", "i8", "u1", "?", ">f8", ">f4", "f2", "i4", "u8")
THREADS = (2, 7)
MOST = 60_000           # numbers in a case
SLOW = 5_000            # and where the reference takes long
CASES = {}


def kernel(gaps=False):
    """Names a case; gaps: X may have missing values."""
    def named(function):
        CASES[function.__name__] = (function, gaps)
        return function
    return named


class Problem(SimpleNamespace):
    """Arguments of one case, all drawn from its number."""

    @classmethod
    def of(cls, seed):
        rng = np.random.default_rng(seed)
        name = sorted(CASES)[rng.integers(len(CASES))]
        gaps = CASES[name][1]
        n, d, k = (int(rng.choice(many)) for many in (SIZES, WIDTHS, MANY))
        n = min(n, max(1, MOST // (d * k)))
        type_, dtype, wild = TYPES[rng.integers(4)], rng.choice(DTYPES), rng.random() < 0.3
        X = values(rng, (n, d), dtype) if wild else rng.normal(size=(n, d)).astype(dtype)
        finite = bool(np.isfinite(X).all())
        weights, means, factors = mixture_of(rng, k, d, type_)
        if wild and rng.random() < 0.5:
            means = values(rng, means.shape, "f8")
        if wild and rng.random() < 0.3:
            factors = values(rng, factors.shape, "f8")
        if X.dtype.kind == "f" and (gaps or rng.random() < 0.1):
            X[rng.random(X.shape) < rng.choice([0.05, 0.3, 0.8, 1])] = np.nan
            if rng.random() < 0.1:
                X[rng.integers(n), rng.integers(d)] = np.inf
        X = layout(rng, X)
        weight, ordinary = weights_of(rng, n)
        real = np.float32 if X.dtype in ("<f4", ">f4") else np.float64
        return cls(seed=seed, name=name, n=n, d=d, k=k, X=X, w=weights, m=means, f=factors,
                   type_=type_, sample_weight=weight, real=real, finite=finite,
                   exact=not wild and ordinary, level=dispatch.available_levels()[
                       rng.integers(len(dispatch.available_levels()))])

    @property
    def rng(self):
        """One for what the case itself draws, the same for every call of it."""
        return np.random.default_rng([self.seed, 1])

    def replaced(self, X):
        return Problem(**{**vars(self), "X": X})

    def model(self):
        return {"weights": self.w, "means": self.m, "precisions_cholesky": self.f,
                "covariance_type": self.type_}


# --- each kernel --------------------------------------------------------------------------------


@kernel()
def log_density(p, n):
    out = np.full((p.n, p.k), 7, p.real) if p.seed % 3 == 0 else None
    found = kernels.log_density(p.X, p.m, p.f, p.type_, out=out, n_threads=n)
    if out is not None and found is not out:
        raise Finding("log_density: out is not what came back")
    return (found,)


@kernel()
def em_statistics(p, n):
    return kernels.em_statistics(p.X, **p.model(), sample_weight=p.sample_weight, n_threads=n)


@kernel()
def e_step(p, n):
    return kernels.e_step(p.X, **p.model(), want=("resp", "log_prob_norm", "labels"), n_threads=n)


@kernel()
def responsibilities(p, n):
    weights = None if p.seed % 2 else np.log(np.full(p.d, 1 / p.d))
    return kernels.responsibilities(p.X, weights, n_threads=n)


@kernel()
def weighted_moments(p, n):
    if p.seed % 2:
        resp = p.rng.dirichlet(np.ones(p.k), p.n).astype(p.real)
    else:
        resp = p.rng.integers(-1 if p.seed % 4 else 0, p.k, p.n)
    return kernels.weighted_moments(p.X, resp, p.m, p.type_, p.sample_weight, n_threads=n)


@kernel()
def kmeans_statistics(p, n):
    return kernels.kmeans_statistics(p.X, p.m, p.sample_weight, n_threads=n)


@kernel()
def kmeans_plusplus(p, n):
    return kernels.kmeans_plusplus(p.X, p.k, sample_weight=p.sample_weight,
                                   random_state=p.seed % 1000, n_threads=n)


@kernel(gaps=True)
def missing_patterns(p, n):
    found = kernels.missing_patterns(p.X)
    again = kernels.MissingPatterns(found.n_features, found.order, found.offsets, found._bits,
                                    found.largest)
    if not np.array_equal(again.masks[np.repeat(np.arange(again.n_patterns), again.counts)],
                          np.isnan(np.asarray(p.X, float))[again.order]):
        raise Finding("missing_patterns: not those of X")
    return found.order, found.offsets, found.masks, found.largest


@kernel(gaps=True)
def incomplete_statistics(p, n):
    patterns = kernels.missing_patterns(p.X) if p.seed % 2 else None
    return kernels.incomplete_statistics(p.X, **p.model(), sample_weight=p.sample_weight,
                                         patterns=patterns, n_threads=n)


@kernel(gaps=True)
def incomplete_e_step(p, n):
    return kernels.incomplete_e_step(
        p.X, **p.model(), want=("resp", "log_prob_norm", "labels", "log_prob"), n_threads=n)


@kernel(gaps=True)
def conditional_moments(p, n):
    return kernels.conditional_moments(p.X, **p.model(), covariances=bool(p.seed % 2), n_threads=n)


@kernel(gaps=True)
def conditional_draws(p, n):
    rng, count = p.rng, int(np.isnan(np.asarray(p.X, float)).sum())
    return (kernels.conditional_draws(p.X, **p.model(), normals=rng.normal(size=count),
                                      uniforms=rng.random(p.n), n_threads=n),)


@kernel(gaps=True)
def potts_statistics(p, n):
    sides = [side for side in range(1, p.n + 1) if p.n % side == 0]
    side = sides[len(sides) // 2]
    shape = (side, p.n // side) if p.seed % 3 else (side, 1, p.n // side)
    rng = p.rng
    resp = rng.dirichlet(np.ones(p.k), p.n).astype(p.real)
    mask = None if p.seed % 2 else (rng.random(p.n) < 0.8).reshape(shape)
    found = kernels.potts_statistics(p.X, **p.model(), shape=shape, smoothness=0.7, resp=resp,
                                     mask=mask, n_threads=n)
    return (*found, resp if mask is None else resp[mask.ravel()])


@kernel(gaps=True)
def student_statistics(p, n):
    return kernels.student_statistics(
        p.X, **p.model(), dfs=p.rng.choice([0.5, 1, 4, 30, 1e6], p.k),
        sample_weight=p.sample_weight, n_threads=n)


@kernel(gaps=True)
def student_e_step(p, n):
    return kernels.student_e_step(
        p.X, **p.model(), dfs=p.rng.choice([0.5, 1, 4, 30, 1e6], p.k),
        want=("resp", "log_prob_norm", "labels", "pull"), n_threads=n)


def analysers(p):
    rng, q = p.rng, 1 + p.seed % 3
    return {"weights": p.w, "means": p.m, "components": rng.normal(size=(p.k, q, p.d)),
            "noise_variance": rng.uniform(0.2, 2, (p.k, p.d))}


@kernel()
def factor_statistics(p, n):
    return kernels.factor_statistics(p.X, **analysers(p), sample_weight=p.sample_weight,
                                     n_threads=n)


@kernel()
def factor_e_step(p, n):
    return kernels.factor_e_step(p.X, **analysers(p), want=("resp", "log_prob_norm", "labels"),
                                 n_threads=n)


def chain(p):
    """X are log densities of its states."""
    rng = p.rng
    transitions = rng.dirichlet(np.ones(p.d), p.d)
    if p.seed % 3 == 0:
        transitions = np.triu(transitions)
        transitions /= transitions.sum(axis=1, keepdims=True)
    cuts = np.sort(rng.choice(p.n, min(p.n, 1 + p.seed % 4), replace=False))
    lengths = np.diff([0, *cuts[cuts > 0], p.n])
    return (p.X, rng.dirichlet(np.ones(p.d)), transitions, lengths), rng


@kernel()
def chain_statistics(p, n):
    arguments, rng = chain(p)
    weight = rng.uniform(0, 2, len(arguments[3])) if p.seed % 2 else None
    return kernels.chain_statistics(*arguments, sequence_weight=weight, return_resp=True,
                                    n_threads=n)


@kernel()
def viterbi(p, n):
    return kernels.viterbi(*chain(p)[0], n_threads=n)


@kernel(gaps=True)
def check_finite(p, n):
    return (kernels.check_finite(p.X),)


@kernel(gaps=True)
def check_labels(p, n):
    return (kernels.check_labels(p.X[:, 0], p.n, p.k),)


@kernel(gaps=True)
def check_sample_weight(p, n):
    return (kernels.check_sample_weight(p.X[:, 0], p.n),)


# --- a case -------------------------------------------------------------------------------------


def case(seed):
    p = Problem.of(seed)
    name, call = p.name, CASES[p.name][0]
    dispatch.set_simd_level(p.level)
    unchanged = Unchanged(X=p.X, weights=p.w, means=p.m, factors=p.f, sample_weight=p.sample_weight)
    with unheard():
        first = attempt(name, lambda: call(p, 1))
        for n in THREADS:
            compare(name, first, attempt(name, lambda n=n: call(p, n)), f"{n} threads give")
        plain = p.replaced(np.ascontiguousarray(p.X))
        compare(name, first, attempt(name, lambda: call(plain, 1)), "contiguous rows give")
    unchanged.check(name)
    COUNTS[f"{name} {'refused' if refused(first) else 'done'}"] += 1
    if not refused(first):
        no_nan(name, first)
        beside_reference(p, first)


def beside_reference(p, found):
    """What the plain NumPy version gives, where it has digits to compare."""
    X = np.asarray(p.X, float)
    if (not p.exact or p.name not in REFERENCES or not p.finite
            or np.nanmax(np.abs(X), initial=0) > 1e6):      # -1 as u8: no digits in logarithms
        return
    gaps = bool(np.isnan(X).any())
    slow = p.name in ("incomplete_statistics", "conditional_moments")
    if (gaps and not slow) or (slow and p.n * p.d * p.k > SLOW):
        return
    narrow = p.real is np.float32
    rounded = p.replaced(X)
    if narrow:
        rounded.m = p.m.astype("f4").astype(float)
    with unheard():
        wanted = REFERENCES[p.name](rounded)
    rtol = 2e-3 if narrow else 1e-7
    for i, (a, b) in enumerate(zip(found, wanted)):
        a, b = np.asarray(a, float), np.asarray(b, float)
        scale = p.d if a.shape[:1] == (p.n,) else p.n * max(
            1.0, 1.0 if p.sample_weight is None else float(np.max(p.sample_weight)))
        if a.shape != b.shape:
            raise Finding(f"{p.name}: part {i} has shape {a.shape}, by the reference {b.shape}")
        far = ~((np.abs(a - b) <= rtol * (scale + np.abs(b))) | (a == b))
        if far.any():
            at = tuple(np.argwhere(far)[0])
            raise Finding(f"{p.name}: part {i} has {a[at]!r}, by the reference {b[at]!r}")
    COUNTS["beside the reference"] += 1


def _e_step(p):
    with np.errstate(divide="ignore"):
        return reference.responsibilities(
            reference.log_density(p.X, p.m, p.f, p.type_), np.log(p.w))


REFERENCES = {
    "log_density": lambda p: (reference.log_density(p.X, p.m, p.f, p.type_),),
    "em_statistics": lambda p: reference.em_statistics(
        p.X, p.w, p.m, p.f, p.type_, p.sample_weight),
    "e_step": _e_step,
    "incomplete_statistics": lambda p: reference.incomplete_statistics(
        p.X, p.w, p.m, p.f, p.type_, p.sample_weight),
    "conditional_moments": lambda p: reference.conditional_moments(
        p.X, p.w, p.m, p.f, p.type_)[:1],
    "chain_statistics": lambda p: reference.chain_statistics(
        *chain(p)[0], chain(p)[1].uniform(0, 2, len(chain(p)[0][3])) if p.seed % 2 else None)
    if p.n * p.d * p.d < SLOW else (),
}
