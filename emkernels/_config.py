"""What this installation is made of."""

import importlib.metadata
import platform
import sys

import numpy

import emkernels
from emkernels.kernels import dispatch, threads


def config():
    """The facts that :func:`show_config` prints, as a dict."""
    try:
        sklearn = importlib.metadata.version("scikit-learn")
    except importlib.metadata.PackageNotFoundError:
        sklearn = "not installed"
    return {
        "emkernels": emkernels.__version__,
        "simd": dispatch.simd_level(),
        "simd available": ", ".join(dispatch.available_levels()),
        "openmp": "yes" if threads.has_openmp() else "no",
        "threads": threads.effective_n_threads(),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
    }


def show_config():
    """Print the version, the SIMD level in use, threads and the libraries underneath.

    See Also
    --------
    sklearn.show_versions : The same of scikit-learn.

    Examples
    --------
    >>> import emkernels
    >>> emkernels.show_config()     # doctest: +ELLIPSIS
    emkernels ...
    """
    for name, value in config().items():
        print(f"{name:<15} {value}")
