"""A mixture of irises: how many components of which shape, and rows that count several times."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from emkernels import GaussianMixture, select_mixture
from emkernels.plotting import plot_mixture, plot_selection

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
iris = load_iris(as_frame=True)
X, species = iris.data, iris.target

# BIC and ICL of every candidate, in one table
for criterion in ("bic", "icl"):
    selection = select_mixture(X, range(1, 7), ("full", "tied", "diag"), criterion,
                               n_init=5, random_state=0, tol=1e-6, max_iter=1000)
    best = selection.best
    print(f"{criterion}: {best.n_components} components, {best.covariance_type}")
print(selection)
plot_selection(selection, criterion="bic").figure.savefig(folder / "mixture_selection.png")

# three components are the three species, nearly
mixture = GaussianMixture(3, n_init=5, random_state=0).fit(X)
agreement = adjusted_rand_score(species, mixture.predict(X))
print(f"adjusted Rand index of 3 components and the species: {agreement:.3f}")
ax = plot_mixture(mixture, X, columns=("petal length (cm)", "petal width (cm)"))
ax.figure.savefig(folder / "mixture.png")

# 150 petals have 102 sizes: counted once, with weights, they give the same mixture
petals = X[["petal length (cm)", "petal width (cm)"]].to_numpy()
sizes, counts = np.unique(petals, axis=0, return_counts=True)
start = {"weights_init": [1 / 3] * 3, "means_init": petals[[0, 75, 149]],
         "precisions_init": np.repeat(np.linalg.inv(np.cov(petals.T))[None], 3, axis=0),
         "tol": 1e-8, "max_iter": 1000}
everyone = GaussianMixture(3, **start).fit(petals)
counted = GaussianMixture(3, **start).fit(sizes, sample_weight=counts)
difference = abs(everyone.means_ - counted.means_).max()
print(f"{len(petals)} rows, or {len(sizes)} with weights: means differ by {difference:.0e}")
