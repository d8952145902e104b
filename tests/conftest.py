import numpy as np
import pytest

from emkernels.kernels import _core


@pytest.fixture(params=_core.available_levels())
def simd(request):
    """Runs the test once for every SIMD level that this machine has."""
    before = _core.simd_level()
    _core.set_simd_level(request.param)
    yield request.param
    _core.set_simd_level(before)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)
