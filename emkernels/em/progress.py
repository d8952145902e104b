"""Iterations as they come, in lines."""

import sys
import time


class Progress:
    """Iterations as they come: a line that renews itself on a terminal, plain lines elsewhere.

    Parameters
    ----------
    verbose : int
        1: iterations; 2: also the change of the objective and the time.
    interval : int
        Iterations between two lines.
    n_init, max_iter : int
    stream : file, optional
        Standard output when None.
    """

    def __init__(self, verbose, interval, n_init, max_iter, stream=None):
        self.verbose, self.interval = verbose, interval
        self.n_init, self.max_iter = n_init, max_iter
        self.stream = sys.stdout if stream is None else stream
        self.terminal = bool(getattr(self.stream, "isatty", lambda: False)())

    def start(self, init):
        self.began = self.last = time.monotonic()
        if not self.terminal:
            print(f"Initialization {init}", file=self.stream)
        self.init = init

    def step(self, n_iter, bound, change):
        now = time.monotonic()
        if self.terminal:
            if now - self.last < 0.1 and n_iter > 1:
                return
            done = int(30 * n_iter / self.max_iter)
            print(
                f"\rstart {self.init + 1}/{self.n_init} [{'#' * done}{'.' * (30 - done)}] "
                f"{n_iter}/{self.max_iter} lower bound {bound:.6f} ({change:+.1e})\033[K",
                end="", file=self.stream, flush=True,
            )
            self.last = now
        elif n_iter % self.interval == 0:
            line = f"  Iteration {n_iter}"
            if self.verbose >= 2:
                line += f"\t time lapse {now - self.last:.5f}s\t ll change {change:.5f}"
                self.last = now
            print(line, file=self.stream)

    def end(self, result):
        if self.terminal:
            print("\r\033[K", end="", file=self.stream)
        if result is None:
            print("Initialization collapsed", file=self.stream)
            return
        line = "Initialization converged." if result.converged else (
            "Initialization did not converge.")
        if self.verbose >= 2 or self.terminal:
            line += (f"\t time lapse {time.monotonic() - self.began:.5f}s\t "
                     f"lower bound {result.lower_bound:.5f}")
        print(line, file=self.stream)
