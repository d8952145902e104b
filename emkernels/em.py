"""The one EM loop: restarts, convergence, acceleration, history, callbacks, progress."""

import collections
import contextlib
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from emkernels._callers import warn
from emkernels._one_thread import in_one_thread


class DegenerateFitError(ValueError):
    """A start collapsed: no finite parameters maximise the expected log-likelihood."""


class EMWarning(UserWarning):
    """The objective of an EM fit fell, or starts were dropped."""


class DegenerateWarning(EMWarning):
    """Components that describe no group of rows: spikes, dead ones, twins; or a regularisation
    that hides what there is."""


@dataclass
class EMState:
    """What a callback sees after each iteration.

    Attributes
    ----------
    n_iter : int
        Iterations of this start so far; each is one pass over the data.
    init : int
        Which start this is, from 0.
    lower_bound : float
        The objective at the parameters the iteration started from.
    change : float
        By how much it grew (inf in the first iteration).
    parameters : object
        The new parameters, as the model keeps them.
    """

    n_iter: int
    init: int
    lower_bound: float
    change: float
    parameters: object


@dataclass
class EMResult:
    """The best start: its parameters, objective, history and whether it converged."""

    parameters: object
    lower_bound: float = -np.inf
    n_iter: int = 0
    converged: bool = False
    history: list = field(default_factory=list)
    n_failed: int = 0
    largest_fall: float = 0.0
    moved: float = np.inf       # what was last compared with tol
    stopped: bool = False
    interrupted: bool = False
    degenerate: bool | None = None      # where starts were compared


@in_one_thread
def run_em(problem, start, *, n_init=1, max_iter=100, tol=1e-3, convergence="lower_bound",
           acceleration=None, callback=None, progress=None, previous_bound=-np.inf):
    """Run EM from `n_init` starts and return the best.

    Parameters
    ----------
    problem : object
        ``accumulate(parameters) -> statistics``, ``objective(statistics, parameters) ->
        float``, ``maximise(statistics, parameters) -> parameters``, and, for acceleration
        or convergence by parameters, ``to_vector``, ``from_vector`` and
        ``relative_change(old, new)``. For convergence by distance also ``objective_scale``,
        what to multiply the objective with, and ``resolution``, the relative size of its
        rounding. For several starts ``is_degenerate(parameters)``. A problem with ``endless``
        true has no maximum to go to: the start ends there; one with ``exact`` true is at its
        maximum after one step.
    start : callable
        ``start(i)`` gives the parameters that start i begins with.
    n_init, max_iter, tol : int, int, float
    convergence : {'lower_bound', 'parameters', 'distance'}
        'lower_bound' and 'parameters' look at the last step. 'distance' estimates what all
        the steps to come would add, to the parameters and to ``objective_scale`` times the
        objective; both must be below `tol`.
    acceleration : {None, 'squarem'}
    callback : callable, optional
        ``callback(EMState)``; a true result ends the fit.
    progress : Progress, optional
    previous_bound : float
        The objective that a continued fit ended with.

    Returns
    -------
    EMResult

    Raises
    ------
    DegenerateFitError
        When every start collapsed.

    Notes
    -----
    A start that collapses is dropped and counted; one that ends with degenerate components is
    the best only where all do, as its objective is high for nothing. Ctrl-C ends the fit with
    the best parameters so far and ``interrupted`` set; it is raised again when there are none.
    """
    best, n_failed, failure = None, 0, None
    for init in range(n_init):
        result = None
        try:
            parameters = start(init)
            result = EMResult(parameters)
            if progress is not None:
                progress.start(init)
            if max_iter > 0:
                _run_start(problem, result, init, max_iter, tol, convergence, acceleration,
                           callback, progress, previous_bound)
        except DegenerateFitError as error:
            n_failed, failure, result = n_failed + 1, error, None
            continue
        except KeyboardInterrupt:
            if best is None and (result is None or not result.history):
                raise
            if result is not None:
                result.interrupted = True
        finally:
            if progress is not None:
                progress.end(result)
        interrupted = result is None or result.interrupted
        if best is None or (result is not None and result.history
                            and _is_better(result, best, problem)):
            best = result
        if interrupted or best.stopped:
            best.interrupted = interrupted
            break
    if best is None:
        raise failure
    best.n_failed = n_failed
    return best


def _is_better(result, best, problem):
    """Whether a start ended better than the best before it."""
    for each in (best, result):
        if each.degenerate is None:
            each.degenerate = bool(problem.is_degenerate(each.parameters))
    if result.degenerate != best.degenerate:
        return best.degenerate
    return result.lower_bound > best.lower_bound


def _run_start(problem, result, init, max_iter, tol, convergence, acceleration, callback,
               progress, bound):
    """Iterate from result.parameters, which always holds the last good ones."""
    squarem = _Squarem(problem) if acceleration == "squarem" else None
    distance = _Distance(problem) if convergence == "distance" else None
    proposal = None         # extrapolated parameters under trial, result.parameters behind it
    for n_iter in range(1, max_iter + 1):
        current = result.parameters if proposal is None else proposal
        statistics = problem.accumulate(current)
        new_bound = float(problem.objective(statistics, current))
        if proposal is None:
            if not np.isfinite(new_bound) and new_bound != -np.inf:
                raise DegenerateFitError("the log-likelihood is not a finite number")
            new = problem.maximise(statistics, current)
        else:
            proposal, new = None, None
            if new_bound >= bound:
                with contextlib.suppress(DegenerateFitError):
                    new = problem.maximise(statistics, current)
            squarem.judge(new is not None)
            if new is None:     # the plain step behind it comes next
                result.n_iter = n_iter
                continue
        change, bound = new_bound - bound, new_bound
        if change < 0 and result.history:     # not against the end of another fit
            result.largest_fall = max(result.largest_fall, -change)
        result.parameters, result.lower_bound, result.n_iter = new, bound, n_iter
        result.history.append(bound)
        plain = squarem is None or squarem.last_was_plain
        if progress is not None:
            progress.step(n_iter, bound, change)
        if convergence == "parameters":
            moved = problem.relative_change(current, new)
        elif distance is not None:
            moved = distance.left(current, new, change, bound)
        else:
            # a fall beyond tol is not convergence; within it, nothing more is to be had
            moved = abs(change)
        result.moved = moved
        if callback is not None and callback(EMState(n_iter, init, bound, change, new)):
            result.stopped = True
            return
        if getattr(problem, "exact", False):
            result.moved, result.converged = 0.0, True
            return
        near = distance is not None and moved < tol
        if moved < tol and plain and (not near or distance.confirmed):
            result.converged = True
            return
        if getattr(problem, "endless", False):
            return
        if squarem is not None:
            # near the limit plain steps confirm that it is near
            proposal = squarem.pause() if near else squarem.propose(current, new)


class _Squarem:
    """Squared extrapolation of the EM map, step length scheme 3.

    With r = M(t) - t and v = M(M(t)) - M(t) - r: t' = t - 2 a r + a^2 v, a = -|r| / |v|, in
    an unconstrained parameterisation. The caller rejects t' when its objective is lower.

    R. Varadhan, C. Roland, Simple and globally convergent methods for accelerating the
    convergence of any EM algorithm, Scandinavian Journal of Statistics 35, 2008.
    """

    def __init__(self, problem):
        self.problem = problem
        self.trail = []
        self.longest = 4.0
        self.step = 1.0
        self.last_was_plain = True

    def propose(self, current, new):
        """Extrapolated parameters after every second plain step, else None."""
        self.last_was_plain = True
        if not self.trail:
            self.trail = [self.problem.to_vector(current)]
        self.trail.append(self.problem.to_vector(new))
        if len(self.trail) < 3:
            return None
        t0, t1, t2 = self.trail
        self.trail = []
        with np.errstate(invalid="ignore", over="ignore"):
            r = t1 - t0
            v = t2 - t1 - r
            size = np.sqrt(v @ v)
            length = np.sqrt(r @ r) / size if size > 0 else 1.0
            if not np.isfinite(length) or length <= 1:
                return None
            self.step = min(length, self.longest)
            vector = t0 + 2 * self.step * r + self.step**2 * v
        if not np.isfinite(vector).all():
            return None
        proposal = self.problem.from_vector(vector, new)
        self.last_was_plain = proposal is None
        return proposal

    def pause(self):
        """A plain step comes next, and then two more before the next extrapolation."""
        self.trail, self.last_was_plain = [], True

    def judge(self, accepted):
        """Longer steps while they succeed, shorter ones after a failure."""
        if accepted and self.step == self.longest:
            self.longest *= 4
        elif not accepted:
            self.longest = max(4.0, self.longest / 4)
            self.last_was_plain = True


class _Distance:
    """What the steps to come would still add, judged by how fast steps shrink.

    Where each step is rho times the last, those after a step of length d add up to
    ``d rho / (1 - rho)``, and after a gain g of the objective ``g rho^2 / (1 - rho^2)`` is to
    come. A step is short where rho is near one, and says nothing without it.

    rho comes from ratios of consecutive plain steps, and rho^2 from those of their gains: the
    objective weighs a direction by what it matters. Directions in which EM is fast hide the
    slow ones for a while, above all after an extrapolation that was aimed at these; so the
    largest of many ratios counts, and only after `PLAIN` steps without an extrapolation.
    (Too large a rho costs few iterations, as it enters by its logarithm.)

    A. C. Aitken, Proceedings of the Royal Society of Edinburgh 46, 1926; G. J. McLachlan,
    T. Krishnan, The EM Algorithm and Extensions, 2008, section 4.9.
    """

    RATIOS = 30
    PLAIN = 2

    def __init__(self, problem):
        self.problem = problem
        self.last, self.size, self.gain = None, np.inf, np.inf
        self.squares = collections.deque(maxlen=self.RATIOS)    # of rho
        self.n_plain = 0
        self.confirmed = False

    def left(self, current, new, change, bound):
        """The larger of the two distances after the step from `current` to `new`; `change` is
        what the objective gained on the way to `current`. To be believed when `confirmed`."""
        before, gain = self.size, self.gain
        self.size, self.gain = self.problem.relative_change(current, new), change
        self.n_plain = self.n_plain + 1 if current is self.last else 0
        self.last = new
        rounding = self.problem.resolution
        seen = abs(change) > rounding * max(1.0, abs(bound))
        if self.size <= rounding:       # no shorter step can be seen, but its gain may be
            self.confirmed = True
            return abs(change) * self.problem.objective_scale if seen and self.size else 0.0
        self.confirmed = self.n_plain >= self.PLAIN
        if self.n_plain == 0 or not self.size < before:
            return np.inf               # a first step, or one from extrapolated parameters
        square = (self.size / before) ** 2
        if self.confirmed and seen and 0 < change < gain:
            square = max(square, change / gain)
        self.squares.append(square)
        square = max(self.squares)
        steps = self.size * np.sqrt(square) / (1 - np.sqrt(square))
        if not seen:
            return steps
        # a fall within rounding is as good as no gain, one beyond it is not
        gains = change * square / (1 - square) if change > 0 else -change
        return max(steps, gains * self.problem.objective_scale)


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


def warn_about(result, precision, *, reason=""):
    """One warning for an objective that fell beyond rounding, one for dropped starts."""
    if result.largest_fall > precision * max(1.0, abs(result.lower_bound)):
        warn(f"the objective fell by up to {result.largest_fall:.2g} in an iteration{reason}",
             EMWarning)
    if result.n_failed:
        warn(f"{result.n_failed} start(s) collapsed and were dropped", EMWarning)
