"""Timing in turns, memory in a subprocess, plain tables."""

import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

PAUSE = 0.05        # seconds; worker threads of BLAS spin for a while after a call
LEAST = 0.2         # seconds of one turn: what is quick runs several times in its turn


def alternate(tasks, rounds, least=LEAST):
    """name -> best seconds, name -> last result; the tasks take turns, `rounds` times."""
    best, results = dict.fromkeys(tasks, math.inf), {}
    for _ in range(rounds):
        for name, task in tasks.items():
            time.sleep(PAUSE)
            spent = 0.0
            while spent < least:
                start = time.perf_counter()
                results[name] = task()
                seconds = time.perf_counter() - start
                spent += seconds
                best[name] = min(best[name], seconds)
    return best, results


def per_iteration(fits, low, high, rounds, least=LEAST):
    """name -> seconds an iteration, name -> result after `high` iterations.

    fits: name -> function of the number of iterations. The difference of two counts
    leaves validation, initialisation and the closing pass out.
    """
    tasks = {(name, n): (lambda fit=fit, n=n: fit(n))
             for name, fit in fits.items() for n in (low, high)}
    best, results = alternate(tasks, rounds, least)
    seconds = {}
    for name in fits:
        difference = (best[name, high] - best[name, low]) / (high - low)
        # below the noise there is nothing to say
        seconds[name] = difference if difference > 0 else math.nan
    return seconds, {name: results[name, high] for name in fits}


def per_call(function, seconds=0.05, rounds=5):
    """Best mean time of one call."""
    function()
    n = 1
    while True:
        start = time.perf_counter()
        for _ in range(n):
            function()
        elapsed = time.perf_counter() - start
        if elapsed > seconds / 4:
            break
        n *= 4
    best = elapsed / n
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(n):
            function()
        best = min(best, (time.perf_counter() - start) / n)
    return best


def matmul_peak(n=2048):
    """Flops a second of a matrix product in float64."""
    a = np.random.default_rng(0).normal(size=(n, n))
    best, _ = alternate({"product": lambda: a @ a}, 5)
    return 2 * n**3 / best["product"]


PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def unpin():
    """Begin again where the environment has NumPy's matrix product run an older kernel: every ratio
    to it, and to peers that use it, would flatter us."""
    pinned = [name for name in PINS if os.environ.pop(name, None) is not None]
    if pinned:
        print(f"{' and '.join(pinned)} taken out of the environment: NumPy's own product",
              flush=True)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def matrix_product():
    """Which library and kernel NumPy's products run."""
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    # SciPy and oneDAL bring libraries of their own
    own = [each for each in found if "numpy" in Path(each["filepath"]).parent.name] or found
    return ", ".join(dict.fromkeys(
        f"{each['internal_api']} {each['version']} {each.get('architecture', '')}".strip()
        for each in own)) or "unknown"


def geometric_mean(values):
    """None where there is no value; NaN where one is: the mean of the others is of other shapes."""
    values = [v for v in values if v is not None]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def finite(value):
    """The same for JSON, which has neither NaN nor infinities."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def child(code, *arguments):
    """Run code in a fresh interpreter; what it prints as JSON on its last line.

    It looks for modules where this process does: by itself it would look into the current
    folder first, which in a checkout has the sources of the package and no compiled module.
    """
    path = [str(Path(__file__).resolve().parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{code}",
         *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        how = (f"with status {done.returncode}" if done.returncode > 0
               else f"by signal {-done.returncode}")
        raise RuntimeError(f"a subprocess ended {how}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def status_kib(field):
    """A memory field of /proc/self/status in KiB, or None."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    except OSError:
        pass
    return None


class PeakMemory:
    """Bytes by which the resident set grew at its highest inside the `with` block.

    The kernel's own high-water mark where it can be reset, else samples of a thread.
    """

    def __enter__(self):
        self.exact = self._reset()
        self.before = self._resident()
        self.highest = self.before
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        if not self.exact:
            self.thread.start()
        return self

    def __exit__(self, *exception):
        self.done.set()
        if self.exact:
            self.highest = 1024 * status_kib("VmHWM")
        else:
            self.thread.join()
        self.extra = max(0, self.highest - self.before)

    def _watch(self):
        while not self.done.wait(0.001):
            self.highest = max(self.highest, self._resident())

    @staticmethod
    def _reset():
        # a file system that ignores the write leaves the mark above the resident set
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return False
        mark, resident = status_kib("VmHWM"), status_kib("VmRSS")
        return mark is not None and mark <= resident + 1024

    @staticmethod
    def _resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def cell(value, digits=4):
    if value is None:
        return "-"
    if isinstance(value, float):
        if value != value:
            return "noise"
        return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def table(headers, rows):
    """Print columns; rows are sequences of numbers, text or None."""
    lines = [list(headers)] + [[cell(v) for v in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    for i, line in enumerate(lines):
        print("  " + "  ".join(
            v.ljust(w) if j == 0 else v.rjust(w)
            for j, (v, w) in enumerate(zip(line, widths, strict=True))), flush=True)
        if i == 0:
            print("  " + "  ".join("-" * w for w in widths))
