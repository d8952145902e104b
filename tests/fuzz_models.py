"""Cases of every estimator and every function of rows: data, layouts, weights, threads, blocks."""

import warnings

import numpy as np
from fuzz_cases import (
    COUNTS,
    TYPES,
    Finding,
    Unchanged,
    attempt,
    compare,
    layout,
    refused,
    told,
    values,
    weights_of,
)

import emkernels
from emkernels.kernels import dispatch

ROWS = (2, 3, 5, 10, 40, 150, 400)
WIDTHS = (1, 2, 3, 5, 9, 17)
DTYPES = ("f8", "f8", "f4", "i4", ">f8", "f2", "u1")
LETTERED = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV",
            "EVV", "VVV")
CASES = {}


def named(function):
    CASES[function.__name__] = function
    return function


class Data:
    """Rows of one case, all drawn from its number."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.seed, self.name = seed, sorted(CASES)[rng.integers(len(CASES))]
        self.level = rng.choice(dispatch.available_levels())
        n, d = int(rng.choice(ROWS)), int(rng.choice(WIDTHS))
        dtype = rng.choice(DTYPES)
        wild = rng.random() < 0.3
        X = values(rng, (n, d), dtype) if wild else (rng.normal(size=(n, d)) * 3).astype(dtype)
        if X.dtype.kind == "f" and rng.random() < 0.4:
            X[rng.random(X.shape) < rng.choice([0.05, 0.3, 0.8])] = np.nan
        self.X = layout(rng, X)
        self.k, self.type = int(rng.integers(1, 5)), TYPES[rng.integers(4)]
        self.weight = weights_of(rng, n)[0] if rng.random() < 0.5 else None

    def pick(self, *choices, by=1):
        return choices[self.seed // by % len(choices)]

    @property
    def rng(self):
        return np.random.default_rng([self.seed, 1])

    def answers(self, n_levels=4, gaps=True):
        """Whole numbers for models of answers."""
        codes = self.rng.integers(0, n_levels, self.X.shape).astype(float)
        if gaps:
            codes[self.rng.random(codes.shape) < 0.1] = np.nan
        return codes

    def lengths(self):
        n = len(self.X)
        cuts = np.sort(self.rng.choice(n, min(n, 1 + self.seed % 3), replace=False))
        return np.diff([0, *cuts[cuts > 0], n])


def text(value):
    return np.frombuffer(str(value).encode(), np.uint8)


# --- mixtures -----------------------------------------------------------------------------------


def _mixture(data, n):
    return emkernels.GaussianMixture(
        data.k, covariance_type=data.pick(data.type, data.type, data.type, LETTERED[
            data.seed // 7 % 14]), random_state=data.seed % 99, n_threads=n, max_iter=15,
        reg_covar=data.pick(1e-6, 0, 1e-3, "auto"), acceleration=data.pick(None, "squarem", by=2),
        covariance_prior=data.pick(None, None, "empirical", by=3),
        init_params=data.pick("kmeans", "k-means++", "random", "random_from_data", by=4),
        convergence=data.pick("lower_bound", "distance", by=5), noise=data.pick(
            None, None, None, True, by=6))


@named
def gaussian_mixture(data, X, n):
    gm = _mixture(data, n).fit(X, sample_weight=data.weight)
    return [gm.weights_, gm.means_, gm.covariances_, gm.predict_proba(X), gm.score_samples(X),
            gm.bic(X), gm.impute(X), gm.sample(5)[0]]


@named
def gaussian_mixture_chunks(data, X, n):
    gm = _mixture(data, n).fit_chunks(np.array_split(X, 1 + data.seed % 3))
    return [gm.weights_, gm.means_, gm.covariances_, gm.predict(X)]


@named
def gaussian_mixture_stream(data, X, n):
    gm = _mixture(data, n)
    for batch in np.array_split(X, 1 + data.seed % 3):
        gm.partial_fit(batch)
    labels = gm.predict(X)      # few rows make no start: not fitted yet
    return [gm.weights_, gm.means_, gm.covariances_, labels]


@named
def conditionals(data, X, n):
    gm = _mixture(data, n).fit(X)
    d = X.shape[1]
    given = gm.condition([0], [float(np.nanmean(np.asarray(X, float)[:, 0]))]) if d > 1 else gm
    return [gm.marginal([d - 1]).means_, given.means_]


@named
def student(data, X, n):
    model = emkernels.StudentTMixture(
        data.k, data.type, data.pick(None, 4.0, by=2), random_state=data.seed % 99, n_threads=n,
        max_iter=15, acceleration=data.pick(None, "squarem", by=3))
    model.fit(X, sample_weight=data.weight)
    return [model.weights_, model.means_, model.predict_proba(X), model.score_samples(X),
            model.outlier_weight(X), model.impute(X)]


@named
def select_mixture(data, X, n):
    return [text(emkernels.select_mixture(
        X, range(1, 3), (data.type,), random_state=0, n_threads=n, max_iter=10))]


@named
def kmeans(data, X, n):
    model = emkernels.KMeans(data.k, random_state=data.seed % 99, n_threads=n, n_init=1,
                             max_iter=20, init=data.pick("k-means++", "random"))
    model.fit(X, sample_weight=data.weight)
    return [model.cluster_centers_, model.labels_, model.inertia_, model.predict(X),
            model.transform(X)]


@named
def kmeans_chunks(data, X, n):
    model = emkernels.KMeans(data.k, random_state=0, n_threads=n, n_init=1, max_iter=10)
    model.fit_chunks(np.array_split(X, 1 + data.seed % 3))
    return [model.cluster_centers_, model.inertia_, model.predict(X)]


@named
def kmeans_stream(data, X, n):
    model = emkernels.KMeans(data.k, random_state=0, n_threads=n, n_init=1)
    for batch in np.array_split(X, 1 + data.seed % 2):
        model.partial_fit(batch)
    labels = model.predict(X)
    return [model.cluster_centers_, labels]


@named
def compare_clusterings(data, X, n):
    emkernels.compare_clusterings(X, data.k, sample_weight=data.weight, random_state=0)
    return [np.zeros(1)]        # it tells wall times


# --- missing values -----------------------------------------------------------------------------


@named
def gaussian_imputer(data, X, n):
    model = emkernels.GaussianImputer(
        prior=data.pick(None, "ridge"), n_threads=n, max_iter=40,
        acceleration=data.pick(None, "squarem", by=2), keep_empty_features=data.pick(True, False))
    model.fit(X, sample_weight=data.weight)
    return [model.transform(X), model.location_, model.covariance_]


@named
def imputations(data, X, n):
    model = emkernels.GaussianImputer(n_threads=n, max_iter=40).fit(X)
    return [np.asarray(model.sample(X, 2, random_state=1, burn_in=5,
                                    method=data.pick("bootstrap", "augmentation")))]


@named
def imputer_stream(data, X, n):
    model = emkernels.GaussianImputer(n_threads=n, max_iter=40)
    for batch in np.array_split(X, 1 + data.seed % 2):
        model.partial_fit(batch)
    return [model.transform(X)]


@named
def mixture_imputer(data, X, n):
    model = emkernels.GaussianMixtureImputer(
        data.k, covariance_type=data.type, n_threads=n, random_state=0, max_iter=30)
    return [model.fit(X, sample_weight=data.weight).transform(X)]


@named
def little_mcar_test(data, X, n):
    found = emkernels.little_mcar_test(X)
    return [text(found), found.statistic]


@named
def missing_data_summary(data, X, n):
    return [text(emkernels.missing_data_summary(X))]


@named
def pool(data, X, n):
    estimates = np.asarray(X, float)
    return [text(emkernels.pool(estimates, np.abs(estimates)))]


# --- images, factors, classes, chains -----------------------------------------------------------


@named
def segment_image(data, X, n):
    found = emkernels.segment_image(
        X, data.k, data.pick("em", "kmeans"), random_state=0, n_threads=n, max_iter=15,
        smoothness=0 if data.seed % 2 else data.pick(0, 0.7, by=2))
    return [found.labels, found.sizes]


@named
def factor_analysis(data, X, n):
    model = emkernels.FactorAnalysis(
        min(data.k, X.shape[1]), n_threads=n, max_iter=50, random_state=0, n_init=2,
        noise=data.pick("diagonal", "isotropic", by=2), rotation=data.pick(
            None, "varimax", by=3), method=data.pick("newton", "em", by=5))
    model.fit(X, sample_weight=data.weight)
    return [model.components_, model.noise_variance_, model.transform(X), model.score_samples(X)]


@named
def factor_mixture(data, X, n):
    model = emkernels.MixtureOfFactorAnalyzers(
        data.k, 1 + data.seed % 2, n_threads=n, random_state=0, max_iter=15)
    model.fit(X, sample_weight=data.weight)
    return [model.weights_, model.means_, model.predict_proba(X), model.score_samples(X),
            model.transform(X)]


@named
def parallel_analysis(data, X, n):
    return [text(emkernels.parallel_analysis(X, n_draws=5, n_threads=n))]


@named
def latent_classes(data, X, n):
    rows = data.answers()
    model = emkernels.LatentClassAnalysis(data.k, n_init=3, max_iter=50, random_state=0,
                                          n_threads=n)
    model.fit(rows, sample_weight=data.weight)
    return [model.weights_, model.predict_proba(rows), model.score_samples(rows)]


@named
def latent_profiles(data, X, n):
    """Numbers beside the answers."""
    rows = np.column_stack([data.answers()[:, 0], np.asarray(X, float)])
    model = emkernels.LatentClassAnalysis(
        data.k, continuous=list(range(1, rows.shape[1])), n_init=3, max_iter=50, random_state=0,
        n_threads=n)
    model.fit(rows, sample_weight=data.weight)
    return [model.weights_, model.predict_proba(rows)]


@named
def gaussian_hmm(data, X, n):
    model = emkernels.GaussianHMM(data.k, data.type, n_init=2, max_iter=10, random_state=0,
                                  n_threads=n)
    lengths = data.lengths()
    model.fit(X, lengths=lengths)
    return [model.startprob_, model.transmat_, model.means_, model.predict(X, lengths),
            model.predict_proba(X, lengths), model.score(X, lengths=lengths)]


@named
def categorical_hmm(data, X, n):
    symbols, lengths = data.answers(gaps=False).astype(int)[:, :1], data.lengths()
    model = emkernels.CategoricalHMM(data.k, n_init=2, max_iter=10, random_state=0, n_threads=n)
    model.fit(symbols, lengths=lengths)
    return [model.transmat_, model.emissionprob_, model.predict(symbols, lengths)]


@named
def mixture_hmm(data, X, n):
    lengths = data.lengths()
    model = emkernels.MixtureHMM(data.k, 1 + data.seed % 2, covariance_type=data.type, n_init=2,
                                 max_iter=8, random_state=0, n_threads=n)
    model.fit(X, lengths=lengths)
    return [model.transmat_, model.means_, model.predict(X, lengths)]


# --- rows far beyond those of the fit -----------------------------------------------------------


def _fitted(data, X, n):
    """Any model of numbers, fitted to tame rows."""
    k, options = 1 + data.seed % 3, {"random_state": 0, "n_threads": n}
    return data.pick(
        emkernels.GaussianMixture(
            k, covariance_type=data.type, noise=data.seed % 5 == 0, **options),
        emkernels.StudentTMixture(k, covariance_type=data.type, max_iter=20, **options),
        emkernels.FactorAnalysis(min(2, X.shape[1]), rotation=data.pick(
            None, "varimax", "promax", by=3) if X.shape[1] > 1 else None, **options),
        emkernels.MixtureOfFactorAnalyzers(k, 1, max_iter=20, **options),
        emkernels.GaussianHMM(k, data.type, max_iter=10, **options),
        emkernels.MixtureHMM(k, 2, covariance_type=data.type, max_iter=10, **options),
        emkernels.GaussianImputer(n_threads=n),
        emkernels.GaussianMixtureImputer(k, covariance_type=data.type, **options),
        emkernels.KMeans(k, **options), by=7).fit(X)


@named
def far_rows(data, X, n):
    rng = data.rng
    near = rng.normal(size=(60, X.shape[1])) @ rng.normal(size=(X.shape[1], X.shape[1]))
    model = _fitted(data, near, n)
    far = near[:9] * 10.0 ** rng.uniform(0, 308, size=(9, 1))
    far[rng.random(far.shape) < 0.2] *= 1e-100
    far = np.clip(np.nan_to_num(far), -1.7e308, 1.7e308)
    if not isinstance(model, emkernels.KMeans):
        far[rng.random(far.shape) < data.pick(0, 0.3)] = np.nan
    found = []
    for method in ("predict", "predict_proba", "score_samples", "transform", "impute", "score"):
        if not hasattr(model, method):
            continue
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                values = getattr(model, method)(far)
            except ValueError as error:
                COUNTS[f"    far rows: {error!s:.70}"] += 1
                continue
        if any(issubclass(each.category, RuntimeWarning) for each in heard):
            raise Finding(f"{method} of a {type(model).__name__}: {heard[-1].message}")
        values = values if isinstance(values, tuple) else (values,)
        if any(np.isnan(each).any() for each in values):
            raise Finding(f"{method} of a {type(model).__name__} gives NaN")
        if (method in ("impute", "transform") and not isinstance(model, emkernels.KMeans)
                and np.isinf(values[0]).any()):
            raise Finding(f"{method} of a {type(model).__name__} gives infinities")
        found += values
    return found


# --- a case -------------------------------------------------------------------------------------


def case(seed):
    data = Data(seed)
    name, call = data.name, CASES[data.name]
    dispatch.set_simd_level(str(data.level))
    unchanged = Unchanged(X=data.X, sample_weight=data.weight)

    def answer(X, n):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            found = attempt(name, lambda: call(data, X, n))
        return found, bool(heard)

    first, warned = answer(data.X, 1)
    for n in (3, 7):
        compare(name, first, answer(data.X, n)[0], f"{n} threads give")
    plain = np.ascontiguousarray(data.X)
    compare(name, first, answer(plain, 2)[0], "contiguous rows give")
    unchanged.check(name)
    COUNTS[f"{name} {'refused' if refused(first) else 'done'}"] += 1
    if refused(first):
        COUNTS[f"    {name}: {told(first):.70}"] += 1
        return
    for i, a in enumerate(first):
        if np.asarray(a).dtype.kind == "f" and np.isnan(a).any() and not warned:
            raise Finding(f"{name}: NaN in part {i} of the answer, and no warning")
