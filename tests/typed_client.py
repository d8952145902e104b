"""What a type checker is to say of the package: ci/types.sh has pyright and mypy read this.

A line with `pyright: ignore` or `type: ignore` is one that must be refused: where it is not, the
comment is unnecessary, and that is an error.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

import emkernels
from emkernels import (
    CategoricalHMM,
    FactorAnalysis,
    GaussianHMM,
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    LatentClassAnalysis,
    MixtureOfFactorAnalyzers,
    SelectionResult,
    StudentTMixture,
    SufficientStatistics,
    kernels,
)
from emkernels.data import Chunks, Rows
from emkernels.em import EMResult, EMState, run_em

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

X = np.zeros((100, 4))
nested: list[list[float | None]] = [[1.0, 2.0], [3.0, None]]
answers: list[list[str | None]] = [["a", "b"], ["a", None]]

assert_type(emkernels.__version__, str)

# --- mixtures ----------------------------------------------------------------------------

gm = GaussianMixture(3, covariance_type="VVE", random_state=np.random.default_rng(0))
assert_type(gm.fit(X), GaussianMixture)
assert_type(gm.fit(nested), GaussianMixture)
assert_type(gm.n_components, int)
assert_type(gm.means_, Reals)
assert_type(gm.converged_, bool)
assert_type(gm.lower_bounds_, list[float])
assert_type(gm.n_parameters_, int)
assert_type(gm.predict(X), Ints)
assert_type(gm.predict_proba(X), Reals)
assert_type(gm.bic(X), float)
assert_type(gm.condition([0], [1.0]), GaussianMixture)
assert_type(gm.regress(["height", 1], X), tuple[Floats, Floats])
assert_type(gm.sample(5), tuple[Floats, Ints])
assert_type(gm.set_params(tol=1e-4).fit(X).means_, Reals)
assert_type(GaussianMixture(2).fit_chunks("rows.parquet", columns=["a", "b"]), GaussianMixture)
assert_type(GaussianMixture(2).fit_chunks(lambda: iter([X, X])).n_rows_, int)
assert_type(gm.predict_chunks([X, X]), Iterator[Ints])
assert_type(gm.predict_chunks(X, "labels.npy"), str)

given = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[1.0, 1.0]], "diag", tol=1e-4)
assert_type(given, GaussianMixture)
assert_type(given.predict(X), Ints)
assert_type(gm.set_output(transform="polars"), GaussianMixture)
GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], "VVX")   # type: ignore  # pyright: ignore

GaussianMixture("three")                        # type: ignore  # pyright: ignore
GaussianMixture(3, covariance_type="VVX")       # type: ignore  # pyright: ignore
GaussianMixture(3, "full")                      # type: ignore  # pyright: ignore
GaussianMixture(3, acceleration="anderson")     # type: ignore  # pyright: ignore
GaussianMixture(3).fit("rows.csv")              # type: ignore  # pyright: ignore
GaussianMixture(3).fit(X, weights=X[:, 0])      # type: ignore  # pyright: ignore
gm.transform_chunks(X)                          # pyright: ignore[reportAttributeAccessIssue]
print(gm.mean_)                                 # pyright: ignore[reportAttributeAccessIssue]


def fill(out: Floats) -> Floats:
    return gm.predict_proba_chunks(X, out)


def watch(state: EMState) -> bool:
    return state.n_iter > 10 and state.change < 1e-3


def wrong(state: int) -> bool:
    return state > 1


GaussianMixture(callback=watch)
GaussianMixture(callback=wrong)                 # type: ignore  # pyright: ignore

student = StudentTMixture(2, df="shared").fit(X)
assert_type(student.dfs_, Floats)
assert_type(student.outlier_weight(X), Reals)
analysers = MixtureOfFactorAnalyzers(3, 2).fit(X)
assert_type(analysers.components_, Floats)
assert_type(analysers.transform(X), Reals)

# --- files, and scikit-learn's own -------------------------------------------------------

gm.save(Path("mixture.emk"))
assert_type(GaussianMixture.load("mixture.emk"), GaussianMixture)
assert_type(GaussianImputer.load(Path("imputer.emk")).covariance_, Floats)
emkernels.load("mixture.emk").predict(X)        # of a class that the file says
assert_type(emkernels.SKOPS_TYPES, tuple[str, ...])
gm.save(b"mixture.emk")                         # type: ignore  # pyright: ignore
assert_type(GaussianMixture.from_sklearn(gm.to_sklearn()), GaussianMixture)
assert_type(KMeans.from_sklearn(KMeans(3).fit(X).to_sklearn()), KMeans)
analysers.to_sklearn()                          # pyright: ignore[reportAttributeAccessIssue]

# --- K-means, choices --------------------------------------------------------------------

kmeans = KMeans(3, n_init="auto").fit(X)
assert_type(kmeans.labels_, NDArray[np.int32])
assert_type(kmeans.inertia_, float)
assert_type(kmeans.fit_predict(X), NDArray[np.int32])
KMeans(3, n_init="often")                       # type: ignore  # pyright: ignore

chosen = emkernels.select_mixture(X, range(1, 6), ("full", "tied"), criterion="icl")
assert_type(chosen.best, GaussianMixture)
assert_type(chosen.table, list[dict[str, Any]])
assert_type(chosen.chosen, dict[str, Any] | None)
assert_type(chosen.to_pandas(), pd.DataFrame)
emkernels.select_mixture(X, criterion="dic")    # type: ignore  # pyright: ignore
emkernels.select_mixture(X, n_jobs="all")       # type: ignore  # pyright: ignore


def tell(done: int, total: int, text: str) -> None:
    print(f"{done} of {total}: {text}")


assert_type(emkernels.select_mixture(X, n_jobs=-1, progress=tell), SelectionResult)
emkernels.select_mixture(X, progress=watch)     # type: ignore  # pyright: ignore
assert_type(emkernels.select_factors(X).best, FactorAnalysis)
assert_type(emkernels.compare_clusterings(X, 3).kmeans, KMeans)
assert_type(emkernels.compare_clusterings(X, 3).to_pandas(), pd.DataFrame)

# --- missing values ----------------------------------------------------------------------

imputer = GaussianImputer(prior=("ridge", 0.1)).fit(X)
assert_type(imputer.covariance_, Floats)
assert_type(imputer.transform(X), Reals)
assert_type(imputer.standard_errors(X).location, Floats)
assert_type(imputer.set_output(transform="pandas"), GaussianImputer)
assert_type(GaussianMixtureImputer(3).fit(X).log_likelihood_, float)
imputer.set_output(transform="arrow")           # type: ignore  # pyright: ignore
assert_type(emkernels.pool([1.0, 2.0], [0.1, 0.1]).estimate, float)
assert_type(emkernels.pool(X, X).fmi, Floats)


class Fitted:
    """As those of statsmodels."""

    params = pd.Series([1.0, 2.0], ["const", "x"])

    def cov_params(self) -> pd.DataFrame:
        return pd.DataFrame(np.eye(2), self.params.index, self.params.index)


pooled = emkernels.pool([Fitted(), Fitted()], confidence=0.9)
assert_type(pooled.estimate, Floats)
assert_type(pooled.total_covariance, Floats | None)
assert_type(pooled.names, tuple[str, ...])
assert_type(pooled.to_pandas(), pd.DataFrame)
assert_type(emkernels.missing_data_summary(X).to_pandas(), tuple[pd.DataFrame, pd.DataFrame])
assert_type(emkernels.little_mcar_test(X).p_value, float)

# --- factors, classes, chains ------------------------------------------------------------

fa = FactorAnalysis(2, rotation="varimax").fit(X)
assert_type(fa.communalities_, Floats)
assert_type(fa.get_covariance(), Floats)
FactorAnalysis(2, rotation="equamax")           # type: ignore  # pyright: ignore

lca = LatentClassAnalysis(3, continuous=["age"]).fit(answers)
assert_type(lca.response_probs_, list[Floats])
assert_type(lca.covariates(X, X, method="bch").coef, Floats)
assert_type(lca.bivariate_residuals(answers).names, list[str] | None)
assert_type(lca.bivariate_residuals(answers).to_pandas(), pd.DataFrame)
assert_type(lca.standard_errors(answers).to_pandas(), pd.DataFrame)
assert_type(emkernels.blrt(X, 3).log_likelihoods, tuple[float, float])

hmm = GaussianHMM(2, "full").fit([X, X])
assert_type(hmm.decode(X, lengths=[60, 40]), tuple[float, Ints])
assert_type(hmm.score(X, [60, 40]), float)
assert_type(CategoricalHMM(2).fit(X).emissionprob_, Floats)

# --- pictures, statistics, kernels, own models ---------------------------------------------

assert_type(emkernels.segment_image(X, 5).model, GaussianMixture)
assert_type(emkernels.segment_image(X, 5, "kmeans").model, KMeans)
assert_type(emkernels.segment_image(X, method="kmeans").labels, NDArray[np.int32])

total = SufficientStatistics.zeros("full", gm.means_)
assert_type(total + total, SufficientStatistics)
assert_type(total.covariances(), Floats)
assert_type(kernels.em_statistics(X, gm.weights_, gm.means_, gm.precisions_cholesky_).counts,
            Floats)


class Scale:
    def accumulate(self, rows: Rows, variance: float) -> SufficientStatistics:
        return SufficientStatistics.from_data(rows, [1.0], [[0.0]], [[variance**-0.5]], "diag")

    def objective(self, statistics: SufficientStatistics, variance: float) -> float:
        return statistics.log_likelihood / statistics.weight

    def maximise(self, statistics: SufficientStatistics, variance: float) -> float:
        return float(statistics.covariances().mean())


assert_type(run_em(Scale(), Rows.read(X), lambda i: 1.0), EMResult)
assert_type(run_em(Scale(), Chunks([X, X]), lambda i: 1.0, tol=1e-8).history, list[float])
run_em(GaussianMixture(), Rows.read(X), lambda i: 1.0)      # pyright: ignore[reportArgumentType]
