"""Gaussian components: statistics, parameters, structures of covariances, priors, densities."""
