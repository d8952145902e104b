"""Irises with holes: a mixture of what is left, filling in, and whether the holes are random."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from emkernels import GaussianImputer, GaussianMixture, little_mcar_test, missing_data_summary
from emkernels.plotting import plot_imputed, plot_missing_patterns

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
iris = load_iris(as_frame=True)
full, species = iris.data, iris.target

# a fifth of all cells is lost, whatever they hold
holes = np.random.default_rng(0).random(full.shape) < 0.2
X = full.mask(holes)
print(missing_data_summary(X))
plot_missing_patterns(X).figure.savefig(folder / "missing_patterns.png")

# the likelihood is that of the observed values; every row takes part
mixture = GaussianMixture(3, n_init=5, random_state=0).fit(X)
print("\nadjusted Rand index of a mixture and the species: "
      f"{adjusted_rand_score(species, mixture.predict(X)):.3f}, without holes "
      f"{adjusted_rand_score(species, GaussianMixture(3, random_state=0).fit_predict(full)):.3f}")

# three ways to fill in, and how far they are from what was there
filled = {
    "means of the columns": X.fillna(X.mean()).to_numpy(),
    "GaussianImputer": GaussianImputer().fit_transform(X),
    "the mixture": mixture.impute(X),
}
for name, table in filled.items():
    error = np.sqrt(np.mean((table - full.to_numpy())[holes] ** 2))
    print(f"error of {name}: {error:.3f} cm")
ax = plot_imputed(X, filled["the mixture"], columns=("petal length (cm)", "petal width (cm)"))
ax.figure.savefig(folder / "imputed.png")

# holes that depend on nothing, and holes where another column is large
print("\nlost by chance:", little_mcar_test(X))
X = full.copy()
X.loc[X["petal length (cm)"] > 5, "sepal width (cm)"] = np.nan
print("lost from large petals:", little_mcar_test(X))
