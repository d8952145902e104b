import os

import numpy as np
import pytest

from emkernels import kernels
from emkernels.data import checks, journal
from emkernels.kernels import dispatch


@pytest.fixture(params=dispatch.available_levels())
def simd(request):
    """Runs the test once for every SIMD level that this machine has."""
    before = dispatch.simd_level()
    dispatch.set_simd_level(request.param)
    yield request.param
    dispatch.set_simd_level(before)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture
def always(monkeypatch):
    """Everything is written to a checkpoint as soon as it is there; no disk is waited for."""
    monkeypatch.setattr(journal, "PART", 0.0)
    monkeypatch.setattr(journal, "SHARE", 0.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def looks(monkeypatch):
    """What was looked for in which arrays of rows: whether all is finite, or the patterns."""
    seen = []

    class Counting:
        def __getattr__(self, name):
            return getattr(kernels, name)

        def check_finite(self, X, *arguments):
            seen.append(("finite", X.shape))
            return kernels.check_finite(X, *arguments)

        def missing_patterns(self, X):
            seen.append(("patterns", X.shape))
            return kernels.missing_patterns(X)

    monkeypatch.setattr(checks, "kernels", Counting())
    return seen
