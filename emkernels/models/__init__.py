"""Estimators on the kernels, one file a model."""
