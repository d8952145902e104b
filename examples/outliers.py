"""Rows far out: noise as a component, distributions with long tails, and families of shapes."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import adjusted_rand_score

from emkernels import GaussianMixture, StudentTMixture, select_mixture
from emkernels.plotting import plot_mixture, plot_outliers, plot_selection

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
cancer = load_breast_cancer(as_frame=True)
X, diagnosis = cancer.data[["mean radius", "area error"]], cancer.target

careful = {"n_init": 10, "init_params": ("kmeans", "k-means++", "random_from_data"),
           "reg_covar": "auto", "acceleration": "squarem", "max_iter": 1000, "random_state": 0}
models = {"normal": GaussianMixture(2, init_scaling="standard", **careful),
          "normal and noise": GaussianMixture(2, noise=True, init_scaling="standard", **careful),
          "Student t": StudentTMixture(2, **careful)}
for name, model in models.items():
    model.fit(X)
    agreement = adjusted_rand_score(diagnosis, model.predict(X))
    print(f"{name:>16}: BIC {model.bic(X):.0f}, adjusted Rand index {agreement:.3f}")
noisy, robust = models["normal and noise"], models["Student t"]
print(f"{(noisy.predict(X) < 0).sum()} rows are noise, {noisy.weights_[-1]:.1%} of all")
print(f"degrees of freedom {robust.dfs_.round(1)}; "
      f"{(robust.outlier_weight(X) < 0.25).sum()} rows count less than a quarter")
ax = plot_outliers(robust, X, models["normal"])
ax.figure.savefig(folder / "outliers_student.png")
plot_mixture(noisy, X).figure.savefig(folder / "outliers_noise.png")

# one component is the robust mean and scatter: a wild row hardly moves it
benign = X[diagnosis == 1].to_numpy()
wild = np.vstack([benign, [[1000.0, -1000.0]]])
for name, model in (("mean", GaussianMixture()), ("Student t", StudentTMixture())):
    moved = np.abs(model.fit(wild).means_ - model.fit(benign).means_).max()
    print(f"one wild row moves the {name} by {moved:.2f}")

# all of mclust's families of shapes, with noise
selection = select_mixture(X, range(1, 6), "all", noise=True, n_init=5, random_state=0)
best = selection.best
print(f"of {len(selection.table)} candidates BIC chooses {best.covariance_type} with "
      f"{best.n_components} components ({best.n_parameters_} parameters)")
plot_selection(selection).figure.savefig(folder / "outliers_families.png")
