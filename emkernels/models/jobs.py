"""Fits of candidates, one after the other or in several processes."""

import contextlib
from numbers import Integral

import joblib
import numpy as np

from emkernels import _inputs
from emkernels._callers import warn
from emkernels.em.bars import Steps


def check_n_jobs(n_jobs):
    """How many processes there are; TypeError or ValueError for what is no such number."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral)):
        raise TypeError(f"n_jobs must be a whole number or None, got {n_jobs!r}")
    if n_jobs == 0:
        raise ValueError("n_jobs must be 1 or more, -1 for all processors, or None; got 0")
    return joblib.effective_n_jobs(n_jobs)


def check_progress(progress):
    """TypeError for what is neither a switch nor a function."""
    if not isinstance(progress, (bool, np.bool_)) and not callable(progress):
        raise TypeError("progress must be True, False or a function of (done, total, text), got "
                        f"{progress!r}")
    return progress


@contextlib.contextmanager
def fitted(function, tasks, shared, *, n_jobs=None, progress=False, told=str, callback=None):
    """An iterator over ``function(*shared, *task)`` of each task, in their order.

    Without `n_jobs` each is made when it is asked for; with it they are made in joblib's processes
    (or by the backend that ``joblib.parallel_config`` names), side by side. An error in one of
    them is raised here, where its result is asked for, and ends the others; so does Ctrl-C.

    Parameters
    ----------
    function : callable
        Of a module: processes pickle it.
    tasks : list of tuple
    shared : tuple
        First arguments of all.
    n_jobs : int or None
    progress : bool or callable
        See :class:`emkernels.em.bars.Steps`.
    told : callable
        ``told(result)``: what progress says of it.
    callback : callable or None
        That of the parameters: a copy of it is called in the processes, which is said.
    """
    workers = min(check_n_jobs(n_jobs), len(tasks))
    if callback is not None and workers > 1 and not getattr(
            joblib.parallel.get_active_backend()[0], "uses_threads", False):
        warn("callback is called in the processes of n_jobs: what it changes or keeps there is not "
             "seen here (progress= is called here)", UserWarning)
    with Steps(len(tasks), check_progress(progress)) as steps:
        if workers <= 1:
            results = (function(*shared, *task) for task in tasks)
        else:
            results = _side_by_side(
                [joblib.delayed(function)(*shared, *task) for task in tasks], workers)

        def counted():
            for result in results:
                steps.step(told(result))
                yield result
        try:
            yield counted()
        finally:
            results.close()     # what is still running ends


def _side_by_side(calls, n_jobs):
    """Results as they are ready, in the order of the calls; all at once before joblib 1.3."""
    try:
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    except TypeError:
        parallel = joblib.Parallel(n_jobs=n_jobs)
    yield from parallel(calls)


class Seeded:
    """Parameters of candidates with seeds of their own where `random_state` is no number, so that
    each has the same draws whatever order they are fitted in, and where."""

    def __init__(self, parameters, default=None):
        self.given = parameters.get("random_state", default)
        self.parameters, self.random = dict(parameters), None
        if not isinstance(self.given, (int, np.integer)) or isinstance(self.given, bool):
            self.random = _inputs.as_random_state(self.given)

    def next(self):
        """The parameters of one more candidate."""
        if self.random is None:
            return self.parameters
        return {**self.parameters, "random_state": int(self.random.randint(2**31 - 1))}

    def restore(self, model):
        """A fitted candidate with the `random_state` that was given."""
        if self.random is not None:
            model.random_state = self.given
        return model
