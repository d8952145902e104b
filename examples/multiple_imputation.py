"""A regression with missing values: complete rows alone, and 30 imputed tables, pooled."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from emkernels import GaussianImputer, pool
from emkernels.plotting import plot_imputed

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
columns = ["age", "bmi", "bp", "s5", "target"]
names = ["intercept", *columns[:-1]]
full = load_diabetes(as_frame=True, scaled=False).frame[columns]


def regression(table):
    """Coefficients of the last column on the others, and their covariance matrix."""
    table = np.asarray(table)
    A, y = np.column_stack([np.ones(len(table)), table[:, :-1]]), table[:, -1]
    inverse = np.linalg.inv(A.T @ A)
    coefficients = inverse @ (A.T @ y)
    variance = ((y - A @ coefficients) ** 2).sum() / (len(y) - A.shape[1])
    return coefficients, variance * inverse


# two measurements are often left out where the disease is far: at random given the target
rng = np.random.default_rng(0)
X = full.copy()
chance = 0.7 / (1 + np.exp(-(X["target"] - 200) / 20))
for name in ("bmi", "s5"):
    X.loc[rng.random(len(X)) < chance, name] = np.nan
complete = X.dropna()
print(f"{len(complete)} of {len(X)} rows are complete")

tables = GaussianImputer().fit(X).sample(X, 30, random_state=0)
results = [regression(table) for table in tables]
pooled = pool(pd.DataFrame([r[0] for r in results], columns=names), [r[1] for r in results],
              complete_df=len(X) - len(names))
print(pooled)

print(f"\n{'':<10} {'nothing missing':>20} {'complete rows':>20} {'imputed, pooled':>20}")
(truth, truth_covariance), (alone, alone_covariance) = regression(full), regression(complete)
for j, name in enumerate(names):
    cells = [(truth[j], truth_covariance[j, j] ** 0.5), (alone[j], alone_covariance[j, j] ** 0.5),
             (pooled.estimate[j], pooled.standard_error[j])]
    print(f"{name:<10}", *(f"{value:10.3f} +- {error:6.3f}" for value, error in cells))
plot_imputed(X, tables, column="bmi").figure.savefig(folder / "multiple_imputation.png")
