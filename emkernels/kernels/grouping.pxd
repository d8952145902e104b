"""Patterns of missing values as an object: for Python only."""
