"""Results of statsmodels, pooled: a logistic regression on 20 imputed tables, with its names."""

import sys
from pathlib import Path

import numpy as np
import statsmodels.formula.api as smf
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes

from emkernels import GaussianImputer, pool

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
full = load_diabetes(as_frame=True, scaled=False).frame[["age", "bmi", "bp", "s5", "target"]]
formula = "severe ~ age + bmi + bp + s5"


def regression(table):
    """Whether the disease has gone far, by four measurements."""
    return smf.logit(formula, table.assign(severe=(table["target"] > 200).astype(int))).fit(disp=0)


# two measurements are often left out where the disease is far: at random given the target
rng = np.random.default_rng(0)
X = full.copy()
chance = 0.7 / (1 + np.exp(-(X["target"] - 200) / 20))
for name in ("bmi", "s5"):
    X.loc[rng.random(len(X)) < chance, name] = np.nan
print(f"{X.notna().all(axis=1).sum()} of {len(X)} rows are complete")

# frames in, frames out: an analysis sees the columns by their names
imputer = GaussianImputer().set_output(transform="pandas").fit(X)
pooled = pool([regression(table) for table in imputer.sample(X, 20, random_state=0)])
print(pooled)

found = pooled.to_pandas()
truth, alone = regression(full), regression(X.dropna())
print(f"\n{'':<10} {'nothing missing':>17} {'complete rows':>17} {'imputed, pooled':>17}")
for name in found.index:
    print(f"{name:<10}", *(f"{b:8.3f} +- {error:5.3f}" for b, error in (
        (truth.params[name], truth.bse[name]), (alone.params[name], alone.bse[name]),
        (found.loc[name, "estimate"], found.loc[name, "standard_error"]))))

slopes = found.drop("Intercept")
units = full[slopes.index].std()
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for at, (label, b, low, high) in enumerate((
        ("nothing missing", truth.params, *truth.conf_int().T.to_numpy()),
        ("complete rows", alone.params, *alone.conf_int().T.to_numpy()),
        ("imputed, pooled", found["estimate"], found["low"].to_numpy(), found["high"].to_numpy()))):
    where = np.arange(len(slopes)) + 0.2 * (at - 1)
    b, low, high = (np.asarray(each)[1:] * units for each in (b, low, high))
    ax.errorbar(b, where, xerr=[b - low, high - b], fmt="o", label=label)
ax.set(yticks=range(len(slopes)), yticklabels=slopes.index, xlabel="log odds by a deviation")
ax.legend()
fig.savefig(folder / "statsmodels_pooled.png")
