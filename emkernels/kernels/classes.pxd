"""Latent classes, fused: log probabilities of answers by lookups, posteriors, sums of an M-step."""
