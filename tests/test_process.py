"""What the kernels do to the process that they run in."""

import gc
import os
import platform
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from emkernels import kernels
from emkernels.kernels import dispatch, threads

ROOT = str(Path(kernels.__file__).parents[2])
posix = pytest.mark.skipif(os.name != "posix", reason="no fork and no SIGINT on Windows")


def python(code, timeout=60, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": ROOT, **environment}, capture_output=True, text=True,
        timeout=timeout, check=False)


def output(code, **options):
    result = python(code, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("module", ["emkernels", "emkernels.kernels"])
def test_import_is_light(module):
    heavy = output(f"""
        import sys
        import {module}
        heavy = {{"sklearn", "scipy", "pandas", "matplotlib", "joblib"}}
        print(sorted(heavy & set(sys.modules)))
    """)
    assert heavy.strip() == "[]"


# --- SIMD levels -------------------------------------------------------------------------

@pytest.mark.parametrize("level", dispatch.available_levels())
def test_level_from_the_environment(level):
    """Only the level in use is ever loaded: start-up code of another may not run here."""
    printed = output("""
        import sys
        from emkernels.kernels import dispatch
        print(dispatch.simd_level(), *sorted(m for m in sys.modules if "._simd." in m))
    """, EMKERNELS_SIMD=level)
    assert printed.split() == [
        level, f"emkernels._simd.{level}_double", f"emkernels._simd.{level}_float"]


def test_best_level_by_default():
    code = "from emkernels.kernels import dispatch; print(dispatch.simd_level())"
    for value in ("", None):
        environment = {} if value is None else {"EMKERNELS_SIMD": value}
        if value is None and "EMKERNELS_SIMD" in os.environ:
            continue
        assert output(code, **environment).strip() == dispatch.available_levels()[0]


def test_unknown_level_in_the_environment():
    result = python("import emkernels.kernels", EMKERNELS_SIMD="sse9")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: EMKERNELS_SIMD=sse9 cannot be used")
    assert "baseline" in last


# --- threads and forks -------------------------------------------------------------------

def test_number_of_threads_from_the_environment():
    code = "from emkernels.kernels import threads; print(threads.effective_n_threads())"
    assert output(code, OMP_NUM_THREADS="1").strip() == "1"
    # a quota of the control group may only lower it
    several = int(output(code, OMP_NUM_THREADS="3"))
    assert 1 <= several <= (3 if threads.has_openmp() else 1)


FORK = """
    import os, signal, sys, warnings
    import numpy as np
    from emkernels import kernels

    X = np.random.default_rng(0).normal(size=(20000, 4))
    model = (np.full(3, 1 / 3), X[:3], np.ones(3), "spherical")
    before = kernels.em_statistics(X, *model, n_threads=2)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            after = [kernels.em_statistics(X, *model, n_threads=n) for n in (2, None, 2, 1)]
            kernels.kmeans_statistics(X, X[:3], n_threads=2)
        same = all(np.array_equal(a, b) for result in after for a, b in zip(before, result))
        ours = [w for w in caught if "forked" in str(w.message)]
        right = same and len(caught) == len(ours) == EXPECTED
        right = right and all(w.category is RuntimeWarning for w in ours)
        os._exit(0 if right else 1)
    _, status = os.waitpid(pid, 0)
    again = kernels.em_statistics(X, *model, n_threads=2)
    assert all(np.array_equal(a, b) for a, b in zip(before, again))
    print(os.waitstatus_to_exitcode(status))
"""


@posix
def test_forked_child_runs_on_one_thread():
    warnings = 1 if threads.has_openmp() else 0
    assert output(FORK.replace("EXPECTED", str(warnings))).strip() == "0"


@posix
def test_fork_before_any_thread_needs_no_warning():
    code = FORK.replace("EXPECTED", "0").replace("*model, n_threads=2)\n    pid",
                                                 "*model, n_threads=1)\n    pid")
    assert code.count("n_threads=1)") == 1
    assert output(code).strip() == "0"


@posix
@pytest.mark.skipif(not threads.has_openmp(), reason="needs OpenMP")
def test_multiprocessing_by_fork():
    printed = output("""
        import multiprocessing, warnings
        import numpy as np
        from emkernels import kernels

        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(20000, 4))

        def inertia(seed):
            return kernels.kmeans_statistics(X, X[seed:seed + 3], n_threads=2).inertia

        here = [inertia(i) for i in range(4)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map_async(inertia, range(4)).get(30) == here)
    """)
    assert printed.strip() == "True"


def test_threads_of_python_at_once():
    from concurrent.futures import ThreadPoolExecutor

    X = np.random.default_rng(0).normal(size=(20000, 4))
    model = (np.full(3, 1 / 3), X[:3], np.ones(3), "spherical")
    one = kernels.em_statistics(X, *model)
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda n: kernels.em_statistics(X, *model, n_threads=n), [1, 2] * 8))
    for other in many:
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)


# --- floating-point state ----------------------------------------------------------------

FLOATING_POINT = """
    import ctypes, sys
    import numpy as np

    libm = ctypes.CDLL(None)

    def control():
        environment = (ctypes.c_uint32 * 64)()
        assert libm.fegetenv(environment) == 0
        return environment[7] & 0xffc0        # MXCSR without its sticky flags

    def subnormals():
        tiny = np.array([np.finfo(float).tiny, 1e-310])
        return (tiny / 4).tolist(), (np.array([1e-40], "f4") / np.float32(2)).tolist()

    before, small = control(), subnormals()
    assert before == 0x1f80, hex(before)
    import emkernels
    from emkernels import kernels
    from emkernels.kernels import dispatch
    assert (control(), subnormals()) == (before, small)
    rng = np.random.default_rng(0)
    for level in dispatch.available_levels():
        dispatch.set_simd_level(level)
        for dtype in ("f4", "f8"):
            X = rng.normal(size=(3000, 5)).astype(dtype)
            for n_threads in (1, 2):
                kernels.em_statistics(X, [0.5, 0.5], X[:2], np.array([np.eye(5)] * 2),
                                      n_threads=n_threads)
                kernels.kmeans_statistics(X, X[:2], n_threads=n_threads)
                kernels.kmeans_plusplus(X, 3, n_threads=n_threads)
                kernels.responsibilities(X, n_threads=n_threads)
                assert (control(), subnormals()) == (before, small)
    assert small[0][0] > 0 and small[1][0] > 0
    print("same")
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="reads MXCSR from the fenv_t of x86-64 Linux")
def test_floating_point_state():
    assert output(FLOATING_POINT).strip() == "same"


# --- memory ------------------------------------------------------------------------------

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_no_leak():
    rng = np.random.default_rng(0)

    def every_kernel(n, D, K):
        X = rng.normal(size=(n, D))
        weights, factors = np.full(K, 1 / K), np.array([np.eye(D)] * K)
        log_prob = kernels.log_density(X, X[:K], factors)
        resp = kernels.responsibilities(log_prob)[0]
        kernels.e_step(X, weights, X[:K], factors, want=("resp", "labels"))
        for covariance_type, f in [("full", factors), ("tied", factors[0]),
                                   ("diag", np.ones((K, D))), ("spherical", np.ones(K))]:
            kernels.em_statistics(X, weights, X[:K], f, covariance_type)
            kernels.weighted_moments(X, resp, X[:K], covariance_type)
        kernels.kmeans_statistics(X, X[:K])
        kernels.kmeans_plusplus(X, K, random_state=0)
        with pytest.raises(ValueError):
            kernels.log_density(X, X[:K], -factors)

    # the smallest buffer lost at each call would add up to more than the bound
    for shape, calls, bound in [((20, 3, 2), 1000, 1 << 20), ((1000, 8, 5), 200, 2 << 20)]:
        for _ in range(10):
            every_kernel(*shape)
        gc.collect()
        before = resident_bytes()
        for _ in range(calls):
            every_kernel(*shape)
        gc.collect()
        assert resident_bytes() - before < bound


# --- signals -----------------------------------------------------------------------------

INTERRUPT = """
    import os, signal, sys, threading, time
    import numpy as np
    from emkernels import kernels

    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    row = np.arange(COLUMNS, dtype=float)[None]
    X = np.broadcast_to(row, (ROWS, COLUMNS))
    out = None
    threading.Timer(0.5, interrupt).start()
    start = time.perf_counter()
    try:
        CALL
    except KeyboardInterrupt:
        print(time.perf_counter() - sent[0])
    else:
        print("ended after", time.perf_counter() - start)
"""


@posix
@pytest.mark.parametrize("check_finite", [False, True])
@pytest.mark.parametrize("call, rows, columns", [
    ("kernels.em_statistics(X, np.ones(8), np.zeros((8, 16)), np.array([np.eye(16)] * 8)",
     1 << 40, 16),
    ("kernels.em_statistics(X, np.ones(2), np.zeros((2, 1)), np.ones(2), 'spherical', n_threads=2",
     1 << 45, 1),
    ("kernels.em_statistics(X, np.ones(8), np.zeros((8, 16)), np.eye(16), 'tied'", 1 << 40, 16),
    ("kernels.em_statistics(X, np.ones(512), np.zeros((512, 16)), np.array([np.eye(16)] * 512)",
     1 << 40, 16),
    ("kernels.kmeans_statistics(X, np.zeros((8, 4)), return_labels=False", 1 << 40, 4),
], ids=["full", "spherical", "tied", "panels", "kmeans"])
def test_interrupt(call, rows, columns, check_finite):
    code = INTERRUPT.replace("ROWS", str(rows)).replace("COLUMNS", str(columns))
    delay = output(code.replace("CALL", f"{call}, check_finite={check_finite})"))
    assert float(delay) < 3     # well under a second on an idle machine


@posix
def test_interrupt_of_seeding():
    """Many short passes: a signal is seen between them too."""
    call = """for _ in range(1):
            kernels.kmeans_plusplus(np.random.default_rng(0).normal(size=(20000, 2)), 10000,
                                    random_state=0, n_threads=1)"""
    code = INTERRUPT.replace("ROWS", "1").replace("COLUMNS", "1").replace("CALL", call)
    assert float(output(code)) < 3


@posix
def test_after_an_interrupt_everything_works():
    printed = output("""
        import os, signal, threading
        import numpy as np
        from emkernels import kernels

        X = np.broadcast_to(np.ones((1, 8)), (1 << 40, 8))
        model = (np.ones(2), np.zeros((2, 8)), np.ones((2, 8)), "diag")
        small = kernels.em_statistics(X[:100], *model)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            kernels.em_statistics(X, *model, check_finite=False)
        except KeyboardInterrupt:
            again = kernels.em_statistics(X[:100], *model)
            print(all(np.array_equal(a, b) for a, b in zip(small, again)))
    """)
    assert printed.strip() == "True"


# --- sizes past 32 bits --------------------------------------------------------------------

@pytest.mark.slow
def test_more_pairs_than_32_bits():
    n, K = 300_000_000, 8
    X = np.broadcast_to(np.array([[1.0]], np.float32), (n, 1))
    centers = np.arange(K, dtype=float)[:, None] * 2
    start = time.perf_counter()
    statistics = kernels.kmeans_statistics(X, centers, return_labels=False, check_finite=False)
    np.testing.assert_array_equal(statistics.counts, [n, *[0] * (K - 1)])
    np.testing.assert_array_equal(statistics.sums, [[n], *[[0]] * (K - 1)])
    assert statistics.inertia == n
    statistics = kernels.em_statistics(X, np.full(K, 1 / K), centers, np.full(K, 100.0),
                                       "spherical", check_finite=False)
    np.testing.assert_array_equal(statistics.counts, [n / 2, n / 2, *[0] * (K - 2)])
    np.testing.assert_array_equal(statistics.first[:2, 0], [n / 2, -n / 2])
    assert time.perf_counter() - start < 300


@pytest.mark.slow
def test_more_rows_than_32_bits():
    n = 2**31 + 77
    X = np.broadcast_to(np.array([[1.0]], np.float32), (n, 1))
    statistics = kernels.em_statistics(X, [1.0], [[0.0]], [1.0], "spherical", check_finite=False)
    assert statistics.counts[0] == n
    assert statistics.first[0, 0] == n
    assert statistics.second[0] == n
    expected = -0.5 * (1 + np.log(2 * np.pi)) * n
    assert statistics.log_likelihood == pytest.approx(expected, rel=1e-6)
