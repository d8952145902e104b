"""The one EM loop: restarts, convergence, acceleration, history, callbacks, progress."""

import contextlib
import operator
from dataclasses import dataclass, field

import numpy as np

from emkernels._one_thread import in_one_thread
from emkernels.em.acceleration import Squarem
from emkernels.em.distance import Distance
from emkernels.em.errors import DegenerateFitError

CONVERGENCE = ("lower_bound", "parameters", "distance", "exact")
IDLE = 10       # steps without a higher bound, which end EM of float32 rows


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

    See Also
    --------
    run_em : What calls the callback.
    Progress : What `verbose` shows of it.

    Examples
    --------
    >>> from emkernels import GaussianMixture
    >>> bounds = []
    >>> def watch(state):
    ...     bounds.append(state.lower_bound)
    ...     return state.n_iter == 3        # a true result ends the fit
    >>> X = [[0.0], [0.5], [1.0], [6.0], [7.0], [7.5]]
    >>> model = GaussianMixture(2, random_state=0, tol=0, callback=watch).fit(X)
    >>> len(bounds), model.n_iter_
    (3, 3)
    """

    n_iter: int
    init: int
    lower_bound: float
    change: float
    parameters: object


@dataclass
class EMResult:
    """What :func:`run_em` returns: the best start.

    Attributes
    ----------
    parameters : object
        As the model keeps them.
    lower_bound : float
        The objective at the parameters before.
    n_iter : int
    converged : bool
    history : list of float
        The objective of each accepted iteration.
    statistics : object
        Of the last accepted pass; None without one.
    n_failed : int
        Starts that collapsed.
    largest_fall : float
        Of the objective in an iteration.
    moved : float
        What was last compared with `tol`.
    stopped, interrupted : bool
        Ended by the callback, or by Ctrl-C.
    degenerate : bool or None
        Whether it ended with degenerate components, where starts were compared.

    See Also
    --------
    run_em : What makes it.
    EMState : What is seen of it on the way.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.em import EMResult
    >>> result = EMResult(parameters=np.zeros(2), lower_bound=-1.5, n_iter=7, converged=True)
    >>> result.n_iter, result.n_failed
    (7, 0)
    """

    parameters: object
    lower_bound: float = -np.inf
    n_iter: int = 0
    converged: bool = False
    history: list = field(default_factory=list)
    statistics: object = None
    n_failed: int = 0
    largest_fall: float = 0.0
    moved: float = np.inf
    stopped: bool = False
    interrupted: bool = False
    degenerate: bool | None = None


@in_one_thread
def run_em(model, source, start, *, n_init=1, max_iter=100, tol=1e-3, convergence="lower_bound",
           acceleration=None, callback=None, progress=None, previous_bound=-np.inf,
           objective_scale=1.0, is_degenerate=None):
    """Run EM from `n_init` starts and return the best.

    Each iteration is ``statistics = source.reduce(model.accumulate, parameters)``, then
    ``parameters = model.maximise(statistics, parameters)``.

    Parameters
    ----------
    model : Model
        What is fitted, see :class:`emkernels.em.protocol.Model`: ``accumulate(rows,
        parameters) -> statistics``, ``objective(statistics, parameters) -> float``,
        ``maximise(statistics, parameters) -> parameters``; for acceleration also ``to_vector``
        and ``from_vector``, for convergence by parameters or distance ``relative_change(old,
        new)``. One that has ``endless(parameters, source)``, and says so, has no maximum to go
        to: the start ends there.
    source : Source
        The rows, see :class:`emkernels.em.protocol.Source`, as :class:`emkernels.data.Rows` or
        :class:`emkernels.data.Chunks`.
    start : callable
        ``start(i)`` gives the parameters that start i begins with.
    n_init, max_iter, tol : int, int, float
        Starts, most iterations of each, and what ends one, see `convergence`.
    convergence : {'lower_bound', 'parameters', 'distance', 'exact'}
        'lower_bound' and 'parameters' look at the last step. (With 'lower_bound' rows of float32
        also end where some steps have not raised it, unless `tol` is 0.) 'distance' estimates
        what all the steps to come would add, to the parameters and to `objective_scale` times
        the objective; both must be below `tol`. 'exact': the first step goes to the maximum.
    acceleration : {None, 'squarem'} or callable
        A function of the model makes an accelerator, with the methods and `last_was_plain` of
        ``emkernels.em.acceleration.Squarem``. A start that collapses is made again by
        plain steps.
    callback : callable, optional
        ``callback(EMState)``; a true result ends the fit.
    progress : Progress, optional
        Shows iterations as they come.
    previous_bound : float
        The objective that a continued fit ended with.
    objective_scale : float
        What the objective is multiplied with before it is compared with `tol` ('distance').
    is_degenerate : callable, optional
        ``is_degenerate(parameters)``: whether a start ended where the objective is high for
        nothing; it is the best only where all do.

    Returns
    -------
    EMResult
        The best start.

    Raises
    ------
    DegenerateFitError
        When every start collapsed.

    See Also
    --------
    EMResult : What is returned.
    emkernels.data.Rows : Rows in memory as a source.
    emkernels.data.Chunks : Blocks of rows as a source.
    emkernels.em.protocol.Model : What a model has to give.

    Notes
    -----
    A start that collapses is dropped and counted. Ctrl-C ends the fit with the best parameters
    so far and ``interrupted`` set; it is raised again when there are none. What passes leave in
    rows (`kept`) is there for the next run, which may then round otherwise; ``rows.with_()`` are
    rows without it, as runs side by side in threads need.

    Examples
    --------
    See :class:`emkernels.em.protocol.Model` for a model in a few lines.
    """
    if convergence not in CONVERGENCE:
        raise ValueError(f"convergence must be one of {', '.join(CONVERGENCE)}, "
                         f"got {convergence!r}")
    if acceleration not in (None, "squarem") and not callable(acceleration):
        raise ValueError("acceleration must be None, 'squarem' or a function of the model, got "
                         f"{acceleration!r}")
    for name, value, least in (("n_init", n_init, 1), ("max_iter", max_iter, 0)):
        if operator.index(value) < least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")
    if not tol >= 0:
        raise ValueError(f"tol must be a number of 0 or more, got {tol!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function, got {type(callback).__name__}")
    needed = ["accumulate", "objective", "maximise"]
    needed += ["relative_change"] * (convergence in ("parameters", "distance"))
    needed += ["to_vector", "from_vector"] * (acceleration is not None)
    if not callable(start):
        raise TypeError("start must be a function of the number of the start, as lambda i: "
                        f"parameters; got {type(start).__name__}")
    for what, value, names in (("model", model, needed), ("source", source, ["reduce", "dtype"])):
        lacks = [name for name in names if not hasattr(value, name)]
        if lacks:
            raise TypeError(
                f"{what} must have {', '.join(names)}; {type(value).__name__} lacks "
                f"{', '.join(lacks)}" + (": Rows.read(X) and Chunks(parts) of emkernels.data "
                                         "are sources" if what == "source" else ""))

    def run(result, init, acceleration):
        _Iterations(model, source, result, tol, convergence, acceleration, objective_scale).run(
            init, max_iter, previous_bound, callback, progress)

    if progress is not None:
        progress.follow(source)
    best, n_failed, failure = None, 0, None
    for init in range(n_init):
        result = None
        try:
            result = EMResult(start(init))
            if progress is not None:
                progress.start(init)
            if max_iter > 0 and acceleration is None:
                run(result, init, None)
            elif max_iter > 0:
                _without_collapse(run, result, init, acceleration, is_degenerate)
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
                            and _is_better(result, best, is_degenerate)):
            best = result
        if interrupted or best.stopped:
            best.interrupted = interrupted
            break
    if best is None:
        raise failure
    best.n_failed = n_failed
    return best


def _without_collapse(run, result, init, acceleration, is_degenerate):
    """Accelerated iterations; where these collapse, a leap may have led there: then plain ones
    from the same start, if they do not."""
    plain, failed = EMResult(result.parameters), False
    try:
        run(result, init, acceleration)
    except DegenerateFitError:
        failed = True
    if not failed and (result.stopped or not _is_degenerate(result, is_degenerate)):
        return
    try:
        run(plain, init, None)
    except DegenerateFitError:
        if failed:
            raise
    else:
        stopped = plain.stopped
        if failed or _is_better(plain, result, is_degenerate):
            vars(result).update(vars(plain))
        result.stopped = stopped


def _is_better(result, best, is_degenerate):
    """Whether a start ended better than the best before it."""
    degenerate = _is_degenerate(best, is_degenerate)
    if _is_degenerate(result, is_degenerate) != degenerate:
        return degenerate
    return result.lower_bound > best.lower_bound


def _is_degenerate(result, is_degenerate):
    if result.degenerate is None:
        result.degenerate = is_degenerate is not None and bool(is_degenerate(result.parameters))
    return result.degenerate


class _Iterations:
    """One start: result.parameters always holds the last good ones."""

    def __init__(self, model, source, result, tol, convergence, acceleration, objective_scale):
        self.model, self.source, self.result = model, source, result
        self.tol, self.convergence = tol, convergence
        self.squarem = None
        if acceleration is not None:
            self.squarem = (Squarem if acceleration == "squarem" else acceleration)(model)
        self.distance = None
        if convergence == "distance":
            resolution = 64 * float(np.finfo(source.dtype).eps)
            self.distance = Distance(model, resolution, objective_scale)
        self.best, self.n_idle = -np.inf, 0     # the highest bound, steps since
        # rows of float32 let the bound rise and fall by more than a small tol for ever
        self.is_rough = convergence == "lower_bound" and getattr(
            source, "dtype", None) == np.float32

    def run(self, init, max_iter, bound, callback, progress):
        """Iterate until the end; `bound` is the objective of a fit before."""
        model, result, squarem = self.model, self.result, self.squarem
        proposal = None     # extrapolated parameters under trial, result.parameters behind it
        for n_iter in range(1, max_iter + 1):
            current = result.parameters if proposal is None else proposal
            statistics = self.source.reduce(model.accumulate, current)
            new_bound = float(model.objective(statistics, current))
            if proposal is None:
                if not np.isfinite(new_bound) and new_bound != -np.inf:
                    raise DegenerateFitError("the log-likelihood is not a finite number")
                new = model.maximise(statistics, current)
            else:
                proposal, new = None, None
                if new_bound >= bound:
                    with contextlib.suppress(DegenerateFitError):
                        new = model.maximise(statistics, current)
                squarem.judge(new is not None)
                if new is None:     # the plain step behind it comes next
                    result.n_iter = n_iter
                    continue
            change, bound = new_bound - bound, new_bound
            if change < 0 and result.history:     # not against the end of another fit
                result.largest_fall = max(result.largest_fall, -change)
            result.parameters, result.lower_bound, result.n_iter = new, bound, n_iter
            result.statistics = statistics
            result.history.append(bound)
            if progress is not None:
                progress.step(n_iter, bound, change)
            result.moved = self._moved(current, new, change, bound)
            if callback is not None and callback(EMState(n_iter, init, bound, change, new)):
                result.stopped = True
                return
            if self._is_at_end(new):
                return
            if squarem is not None:
                # near the limit plain steps confirm that it is near
                near = self.distance is not None and result.moved < self.tol
                proposal = squarem.pause() if near else squarem.propose(current, new)

    def _moved(self, current, new, change, bound):
        """What is compared with tol."""
        if self.convergence == "parameters":
            return self.model.relative_change(current, new)
        if self.distance is not None:
            return self.distance.left(current, new, change, bound)
        # a fall beyond tol is not convergence; within it, nothing more is to be had
        return abs(change)

    def _is_at_end(self, new):
        """Whether EM is at a maximum, which the result then says, or has none to go to."""
        result = self.result
        if self.convergence == "exact":
            result.moved, result.converged = 0.0, True
            return True
        plain = self.squarem is None or self.squarem.last_was_plain
        if result.moved < self.tol and plain and (
                self.distance is None or self.distance.confirmed):
            result.converged = True
            return True
        if self.is_rough and self.tol > 0 and self._is_idle():
            result.converged = True
            return True
        endless = getattr(self.model, "endless", None)
        return endless is not None and endless(new, self.source)

    def _is_idle(self):
        """Whether the bound has long been at its highest, but for the rounding of float32."""
        bound = self.result.lower_bound
        if bound > self.best:
            self.best, self.n_idle = bound, 0
            return False
        self.n_idle += 1
        near = 64 * float(np.finfo(np.float32).eps) * max(1.0, abs(bound))
        return self.n_idle >= IDLE and self.best - bound <= near
