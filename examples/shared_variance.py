"""A covariance structure of one's own: spheres that share one variance, whole and in chunks."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris

from emkernels import GaussianMixture, KMeans
from emkernels.components.gaussian import GaussianComponents, Gaussians
from emkernels.components.gaussian.structures import Spherical
from emkernels.data import Chunks, Rows
from emkernels.em import run_em
from emkernels.latent import Mixture, MixtureParameters


class SharedVariance(Spherical):
    """One variance, repeated for every component, as the kernel of spheres takes them."""

    name = "shared variance"

    def n_parameters(self, n_components, n_features):
        return 1

    def divided(self, scatter, counts, n_features):
        return np.full(len(counts), max(scatter.sum(), 0)), counts.sum() * n_features, 2

    def log_prior(self, factors, n_features):
        return super().log_prior(factors[:1], n_features)

    def to_vector(self, factors):
        return super().to_vector(factors[:1])

    def from_vector(self, vector, shape):
        one = super().from_vector(vector, (1,))
        return None if one is None else np.repeat(one, shape)


X, k = load_iris().data, 3
structure = SharedVariance(reg_covar=0.0)
mixture = Mixture(GaussianComponents(structure))
covariances, seeds = structure.repeated(np.cov(X.T), k), KMeans(k, random_state=0).fit(X)
start = MixtureParameters(np.full(k, 1 / k), Gaussians(
    structure, seeds.cluster_centers_, covariances, structure.factors(covariances)))

for name, rows in {"whole": Rows.read(X), "in 4 chunks": Chunks(np.array_split(X, 4))}.items():
    result = run_em(mixture, rows, lambda i: start, max_iter=1000, tol=1e-12,
                    acceleration="squarem")
    found = result.parameters
    print(f"{name}: {result.n_iter} passes, log-likelihood {result.lower_bound * len(X):.6f}, "
          f"one variance of {found.covariances[0]:.6f} cm2, weights {found.weights.round(3)}")

# the same by SciPy's densities, and what it costs in BIC that the spheres must be equal
log_prob = [multivariate_normal(mean, variance).logpdf(X)
            for mean, variance in zip(found.means, found.covariances)]
print(f"by SciPy: {logsumexp(np.log(found.weights)[:, None] + log_prob, axis=0).sum():.6f}")
n_parameters = k - 1 + k * X.shape[1] + structure.n_parameters(k, X.shape[1])
bic = n_parameters * np.log(len(X)) - 2 * result.lower_bound * len(X)
each = GaussianMixture(k, covariance_type="spherical", random_state=0).fit(X).bic(X)
print(f"BIC: one variance {bic:.1f}, a variance each {each:.1f}")
