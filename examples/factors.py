"""Wines: how many factors are behind thirteen measures, which they are, and holes in the table."""

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

from emkernels import FactorAnalysis, parallel_analysis, select_factors
from emkernels.plotting import plot_loadings, plot_scree

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
wine = load_wine(as_frame=True)
full = wine.data

# a tenth of all cells is lost; every row takes part by what it has
holes = np.random.default_rng(0).random(full.shape) < 0.1
X = full.mask(holes)

# how many: more than chance has, and by an information criterion
parallel = parallel_analysis(X)
print(parallel)
plot_scree(parallel).figure.savefig(folder / "scree.png")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")     # a column without noise of its own: the table says which
    print("", select_factors(X, range(1, 7), acceleration="squarem"), sep="\n")

# which: loadings on oblique axes, the fit being the same as on any others
model = FactorAnalysis(parallel.n_components, rotation="oblimin").fit(X)
plot_loadings(model, sort=True).figure.savefig(folder / "loadings.png")
print(f"\ncorrelations of the factors:\n{model.factor_correlation_.round(2)}")

# the holes have cost little: factors of the whole table, beside those of what was left
whole = FactorAnalysis(parallel.n_components, rotation="oblimin").fit(full)
for j, (one, other) in enumerate(zip(model.components_ / X.std().to_numpy(),
                                     whole.components_ / full.std().to_numpy())):
    alike = abs(one @ other) / np.sqrt((one @ one) * (other @ other))
    print(f"factor {j + 1} with and without holes: congruence {alike:.3f}")
filled = model.impute(X)
error = ((filled - full.to_numpy()) / full.std().to_numpy())[holes]
print(f"holes filled in by the factors: {np.sqrt(np.mean(error**2)):.3f} standard deviations away")
