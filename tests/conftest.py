import numpy as np
import pytest

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
