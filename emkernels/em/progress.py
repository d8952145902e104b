"""Iterations and passes over blocks as they come, in lines, in notebooks in bars."""

import contextlib
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass

from emkernels.em.bars import begin, end, is_terminal, notebook_bar, reach, renew

RENEWED = 0.2   # seconds between two pictures of a line that renews itself
RARELY = 30.0   # seconds between two plain lines of one fit
BAR = 20        # characters


class Progress:
    """Iterations as they come, in lines or a bar.

    A line that renews itself on a terminal, a bar in a notebook (where tqdm is installed), plain
    lines elsewhere.

    Parameters
    ----------
    verbose : int
        1: iterations; 2: also the change of the objective and the time.
    interval : int
        Iterations between two lines.
    n_init, max_iter : int
        How many starts and iterations there are at most.
    stream : file, optional
        Standard output when None.

    See Also
    --------
    EMState : What a callback sees, for a display of one's own.
    run_em : The loop that it follows.

    Examples
    --------
    >>> import io
    >>> from emkernels.em import Progress
    >>> stream = io.StringIO()
    >>> progress = Progress(1, 1, 1, 100, stream=stream)
    """

    def __init__(self, verbose, interval, n_init, max_iter, stream=None):
        self.verbose, self.interval = verbose, interval
        self.n_init, self.max_iter = n_init, max_iter
        self.stream = sys.stdout if stream is None else stream
        self.terminal, self.own_stream = is_terminal(self.stream), stream is not None
        self.passes = self.bar = None

    def follow(self, source):
        """Share the line with the passes over a source that has long ones."""
        self.passes = getattr(source, "progress", None)

    @property
    def shared(self):
        """Whether the bar or the line of the passes says how far the iterations are."""
        return self.passes is not None and (
            self.terminal or getattr(self.passes, "bar", None) is not None)

    def start(self, init):
        self.began = self.last = time.monotonic()
        if self.bar is None and not self.own_stream and not self.shared:
            self.bar = notebook_bar("it")
        if self.bar is not None:
            begin(self.bar, f"start {init + 1}/{self.n_init}", self.max_iter)
        elif not self.terminal and not self.shared:
            print(f"Initialization {init}", file=self.stream)
        self.init = init

    def step(self, n_iter, bound, change):
        now = time.monotonic()
        if self.passes is not None:
            self.passes.status = (f"start {self.init + 1}/{self.n_init}, iteration {n_iter}/"
                                  f"{self.max_iter}, lower bound {bound:.6f} ({change:+.1e})")
        if self.bar is not None:
            reach(self.bar, n_iter, f"lower bound {bound:.6f} ({change:+.1e})")
        elif self.shared:
            self.passes.renew()
        elif self.terminal:
            if now - self.last < 0.1 and n_iter > 1:
                return
            done = int(30 * n_iter / self.max_iter)
            renew(f"start {self.init + 1}/{self.n_init} [{'#' * done}{'.' * (30 - done)}] "
                  f"{n_iter}/{self.max_iter} lower bound {bound:.6f} ({change:+.1e})",
                  self.stream)
            self.last = now
        elif n_iter % self.interval == 0:
            line = f"  Iteration {n_iter}"
            if self.verbose >= 2:
                line += f"\t time lapse {now - self.last:.5f}s\t ll change {change:.5f}"
                self.last = now
            print(line, file=self.stream)

    def end(self, result):
        if self.bar is not None:
            self._end_bar(result)
            return
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

    def _end_bar(self, result):
        """The bar says how the start ended, and after the last one stays so."""
        text = "collapsed" if result is None else (
            f"lower bound {result.lower_bound:.6f}, "
            + ("converged" if result.converged else "not converged"))
        last = self.init + 1 == self.n_init
        if last or (result is not None and (result.stopped or result.interrupted)):
            end(self.bar, text)
        else:
            self.bar.set_postfix_str(text)


@dataclass(frozen=True)
class PassState:
    """How far a pass over blocks of rows is, as those see it who watch (:func:`watching`).

    Attributes
    ----------
    number : int
        Which pass of the fit it is; 0 is the survey, the first look at the rows.
    n_rows : int
        Rows that it is past.
    total : int or None
        Of all rows; None in the survey, which counts them.
    rows_per_second : float
        Of the rows that were read in this pass; 0 before the first.
    status : str
        Of the iterations, where there are any: start, iteration and lower bound.
    ended : bool
        Whether the pass is over.
    """

    number: int
    n_rows: int
    total: int | None
    rows_per_second: float
    status: str
    ended: bool


_watcher = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watching(hook):
    """Fits to blocks inside, by this thread, call ``hook(PassState)`` a few times a second and
    at the end of every pass, whatever `verbose` is; they print no passes themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> from emkernels.em.progress import watching
    >>> seen = []
    >>> with watching(seen.append):
    ...     model = GaussianMixture(max_iter=1, tol=0).fit_chunks([np.eye(3), -np.eye(3)])
    >>> seen[-1].total, seen[-1].ended
    (6, True)
    """
    token = _watcher.set(hook)
    try:
        yield
    finally:
        _watcher.reset(token)


class Passes:
    """Passes over blocks of rows: one line that renews itself on a terminal, a bar in a notebook
    (where tqdm is installed), elsewhere a line now and then; and what they came to.

    Parameters
    ----------
    hook : callable, optional
        Is told by ``hook(PassState)`` instead.
    stream : file, optional
        Standard output when None.
    """

    def __init__(self, hook=None, stream=None):
        self.hook, self.stream = hook, sys.stdout if stream is None else stream
        self.bar = notebook_bar("row") if hook is None and stream is None else None
        self.terminal = hook is None and self.bar is None and is_terminal(self.stream)
        drawn = hook is not None or self.bar is not None or self.terminal
        self.interval = RENEWED if drawn else RARELY
        self.status, self.told = "", time.monotonic()
        self.n_passes = self.n_kept = self.n_read = 0   # of all passes, and how long they took
        self.seconds = 0.0
        self._start(0, None)

    @classmethod
    def wanted(cls, verbose):
        """Where these are asked for, by `verbose` or by who watches; else None."""
        hook = _watcher.get()
        return cls(hook) if verbose or hook is not None else None

    def _start(self, number, total):
        self.number, self.total, self.n_rows, self.read = number, total, 0, 0
        self.began = time.monotonic()

    @contextlib.contextmanager
    def one(self, number, total=None):
        """A pass, of so many rows where that is known."""
        self._start(number, total)
        if self.bar is not None:
            begin(self.bar, self._name(), total)
        self.renew()
        yield
        self.n_passes, self.n_read = self.n_passes + 1, self.n_read + self.read
        self.seconds += time.monotonic() - self.began
        self.renew(ended=True)

    def reached(self, n_rows, n_read):
        """So many rows are done in this pass, and so many of them were read in it."""
        self.n_rows, self.read = int(n_rows), int(n_read)
        self.renew()

    def renew(self, ended=False):
        """Tell how far it is, where that is due."""
        due = time.monotonic() - self.told >= self.interval
        if not due and not (ended and (self.hook is not None or self.bar is not None)):
            return
        if self.hook is not None:
            self.hook(self.state(ended))
        elif self.bar is not None:
            reach(self.bar, self.n_rows, self.status)
        elif self.terminal:
            renew(self._text(), self.stream)
        else:
            print(f"  {self._text()}", file=self.stream, flush=True)
        self.told = time.monotonic()

    def state(self, ended=False):
        """The :class:`PassState` of now."""
        return PassState(self.number, self.n_rows, self.total,
                         _rate(self.read, time.monotonic() - self.began), self.status, ended)

    def _text(self):
        state, bar = self.state(), ""
        rows = f"{state.n_rows:,}"
        if state.total is not None:
            rows = f"{rows} of {state.total:,}"
            done = BAR * state.n_rows // max(1, state.total)
            bar = f"[{'#' * done}{'.' * (BAR - done)}] "
        text = f"{self._name()} {bar}{rows} rows, {state.rows_per_second:,.0f} rows/s"
        return f"{text}, {state.status}" if state.status else text

    def _name(self):
        return f"pass {self.number}" if self.number else "survey"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """No pass comes any more: what they came to, where all that were wanted were made."""
        if self.bar is not None:
            self.bar.close()
        elif self.terminal:
            print("\r\033[K", end="", file=self.stream, flush=True)
        if kind is None and self.hook is None:
            passes = f"{self.n_passes} pass{'es' if self.n_passes != 1 else ''}"
            kept = f" and {self.n_kept} from the checkpoint" if self.n_kept else ""
            print(f"{passes}{kept}, {self.n_read:,} rows in {self.seconds:.1f} s, "
                  f"{_rate(self.n_read, self.seconds):,.0f} rows/s", file=self.stream, flush=True)


def _rate(n, seconds):
    return n / max(seconds, 1e-9)
