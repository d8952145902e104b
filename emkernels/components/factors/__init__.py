"""Factors behind columns: likelihoods, posteriors, axes that can be read."""
