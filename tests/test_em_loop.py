"""The EM loop alone, on maps whose limits and rates are known."""

import io
import itertools
import warnings

import numpy as np
import pytest
from em_maps import Line, Map, loop
from numpy.testing import assert_allclose, assert_array_equal

from emkernels.data import Rows
from emkernels.em import DegenerateFitError, Progress, run_em


class Half(Line):
    """x -> x / 2 with the objective -x^2."""

    def __init__(self):
        super().__init__([0.5])

    def value(self, parameters):
        return -(parameters @ parameters)


def at(*values):
    """Starts at these values in turn."""
    return lambda i: np.array(values[i], dtype=float).reshape(-1)


# --- when it ends --------------------------------------------------------------------------

def test_steps_and_their_objective():
    seen = []
    result = loop(Half(), at(1), tol=1e-3, callback=seen.append)
    # of step n the parameters that it began from are 2^(1 - n), and the gain is 3 / 4^(n - 1)
    n = 7
    assert 3 / 4 ** (n - 1) < 1e-3 < 3 / 4 ** (n - 2)
    assert result.converged and result.n_iter == n
    assert_array_equal(result.history, [-(0.25**i) for i in range(n)])
    assert result.lower_bound == result.history[-1]
    assert result.moved == 3 / 4 ** (n - 1)
    assert_array_equal(result.parameters, [0.5**n])
    assert [state.n_iter for state in seen] == list(range(1, n + 1))
    assert [state.lower_bound for state in seen] == result.history
    assert_array_equal([state.change for state in seen], [np.inf, *np.diff(result.history)])
    # the new ones, not those that the step began from
    assert_array_equal([state.parameters[0] for state in seen], 0.5 ** np.arange(1, n + 1))


def test_a_continued_fit_is_compared_with_where_the_other_ended():
    assert loop(Half(), at(1), tol=1e-3, previous_bound=-1.0005).n_iter == 1
    longer = loop(Half(), at(1), tol=1e-3, previous_bound=-1.5)
    assert longer.n_iter == 7
    # with other rows the objective of the other fit may have been any
    other = loop(Half(), at(1), tol=1e-3, previous_bound=5.0)
    assert other.converged and other.largest_fall == 0


@pytest.mark.parametrize("convergence", ["lower_bound", "parameters"])
def test_an_extrapolation_that_gains_little_is_no_convergence(convergence):
    class Short(Line):
        """One that is extrapolated to where its last plain step began."""

        def from_vector(self, vector, like):
            return like / self.rates * (1 - 1e-9)

        def relative_change(self, old, new):
            near = abs(old[0] / self.before - 1) < 1e-6
            self.before = old[0]
            return 0.0 if near else super().relative_change(old, new)

    problem, tol = Short([0.9]), 1e-3
    problem.before = np.inf
    result = loop(problem, at(1), tol=tol, convergence=convergence, acceleration="squarem")
    assert result.converged
    left = result.parameters[0]
    if convergence == "lower_bound":        # what a plain step gained
        assert 0.1 * left**2 * (1 / 0.81 - 1) < tol
    else:
        assert left / 0.9 - left < tol


@pytest.mark.parametrize("acceleration", [None, "squarem"])
@pytest.mark.parametrize("rates", [[0.999, 0.3], [0.9, 0.89], [0.0, 0.0], [0.9999, 0.9]])
def test_distance_is_what_is_left(acceleration, rates):
    problem = Line(rates)
    problem.objective_scale = 100.0
    result = loop(problem, at((1, 3)), max_iter=10**6, tol=1e-6, convergence="distance",
                  acceleration=acceleration)
    assert result.converged
    assert np.abs(result.parameters).max() < 1.1e-6
    assert abs(problem.value(result.parameters)) * problem.objective_scale < 1.1e-6
    if acceleration is None:        # and no more than is needed
        assert np.abs(result.parameters).max() >= 0.8e-6 * max(rates)
    if rates[0] == 0.999:
        short = loop(problem, at((1, 3)), max_iter=10**6, tol=1e-6, convergence="parameters")
        assert np.abs(short.parameters).max() > 1e-4     # a short step, and far to go


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
def test_a_single_rate_tells_what_is_left_exactly(rate):
    # that of the parameters: rate^n; the step before it would have been too early
    options = {"convergence": "distance", "max_iter": 10**5}
    result = loop(Line([rate]), at(1), tol=1e-3, **options)
    assert rate * 1e-3 * (1 - 1e-9) < result.parameters[0] < 1e-3
    assert_allclose(result.moved, result.parameters[0], rtol=1e-6)
    # that of the objective where it is the larger one: at the point before the last step
    problem = Line([rate])
    problem.objective_scale = 1e8
    result = loop(problem, at(1), tol=1e-3, **options)
    assert rate**2 * 1e-3 * (1 - 1e-6) < -1e8 * result.lower_bound < 1e-3
    assert result.parameters[0] < 0.1 * rate * 1e-3
    assert_allclose(result.moved, -1e8 * result.lower_bound, rtol=1e-6)


@pytest.mark.parametrize("rates", [[0.9, 0.89], [0.99, 0.95, 0.5], [0.999, 0.99, 0.9]])
def test_two_plain_steps_confirm_the_end(rates):
    problem, seen = Line(rates), []
    problem.objective_scale = 100.0
    result = loop(problem, at(np.linspace(1, 3, len(rates))), max_iter=10**5, tol=1e-6,
                  convergence="distance", acceleration="squarem",
                  callback=lambda state: seen.append(state.parameters))
    plain = [np.array_equal(problem.step(a), b) for a, b in itertools.pairwise(seen)]
    assert plain[-2:] == [True, True] and not all(plain)
    # they were made for that: not only where nothing moves any more
    assert result.converged and 1e-10 < np.abs(result.parameters).max() < 1.1e-6


def test_a_plateau_is_no_convergence():
    class Plateau(Map):
        """Steps from near 0 are short and grow; the maximum is at 1."""

        def step(self, parameters):
            return parameters + 0.5 * parameters * (1 - parameters)

        def value(self, parameters):
            return float((parameters**2 / 2 - parameters**3 / 3)[0])

    assert loop(Plateau(), at(1e-9), tol=1e-6, convergence="parameters").n_iter == 1
    result = loop(Plateau(), at(1e-9), tol=1e-6, convergence="distance")
    assert result.converged
    assert_allclose(result.parameters, 1, atol=1e-6)


def test_parameters_that_hardly_move_may_have_far_to_go():
    class Unseen(Half):
        def relative_change(self, old, new):
            return 1e-16

    result = loop(Unseen(), at(1), tol=1e-3, convergence="distance")
    assert result.converged and result.n_iter == 7      # as by the objective alone


def test_an_objective_that_falls_is_no_convergence():
    class Falling(Line):
        """Shorter and shorter steps, each of which loses the same."""

        def step(self, parameters):
            self.loss += self.lost
            return super().step(parameters)

        def value(self, parameters):
            return -self.loss

    for lost, converges in ((1e-3, False), (1e-8, True)):
        problem = Falling([0.5])
        problem.lost, problem.loss = lost, 0.0
        result = loop(problem, at(1), tol=1e-6, convergence="distance", max_iter=40)
        assert result.converged == converges
        assert_allclose(result.largest_fall, lost)
        assert result.n_iter == 40 or converges


def test_what_a_run_needs_is_asked_for_before_any_work():
    class Plain:
        def accumulate(self, rows, parameters):
            raise AssertionError("begun")

        objective = maximise = accumulate

    rows = Rows(np.zeros((1, 1)))
    for options, match in (({"acceleration": "squarem"}, "lacks to_vector, from_vector"),
                           ({"convergence": "parameters"}, "lacks relative_change"),
                           ({"convergence": "distance"}, "lacks relative_change")):
        with pytest.raises(TypeError, match=match):
            run_em(Plain(), rows, at(1), **options)
    with pytest.raises(TypeError, match="start must be a function"):
        run_em(Plain(), rows, (1.0, 2.0))
    with pytest.raises(TypeError, match=r"Rows.read\(X\)"):
        run_em(Plain(), np.zeros((2, 2)), at(1))
    with pytest.raises(TypeError, match="object lacks accumulate, objective, maximise"):
        run_em(object(), rows, at(1))


def test_one_step_is_enough_where_it_is_exact():
    result = loop(Half(), at(1), tol=0.0, convergence="exact")
    assert (result.n_iter, result.converged, result.moved) == (1, True, 0.0)
    assert not loop(Half(), at(1), tol=0.0, max_iter=5).converged
    assert loop(Half(), at(1), max_iter=0).parameters == [1.0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_objective_that_is_no_number_is_a_collapse(value):
    class Broken(Half):
        def value(self, parameters):
            return value if abs(parameters[0]) < 0.2 else super().value(parameters)

    with pytest.raises(DegenerateFitError, match="not a finite number"):
        loop(Broken(), at(1), tol=0.0)
    # a start that is impossible is none
    class Impossible(Half):
        def value(self, parameters):
            return -np.inf if parameters[0] == 1 else super().value(parameters)

    assert loop(Impossible(), at(1), tol=1e-3).converged


# --- several starts ------------------------------------------------------------------------

class Hills(Map):
    """Every start stays where it is; the objective is a height of its own."""

    def step(self, parameters):
        if parameters[0] < 0:
            raise DegenerateFitError("collapsed")
        return parameters

    def value(self, parameters):
        return parameters[0]


@pytest.mark.parametrize("heights", [(1, 3, 2), (3, 2, 1), (1, 2, 3), (-1, 3, -1, 1)])
def test_the_best_of_several_starts(heights):
    seen = set()
    result = loop(Hills(), at(*heights), n_init=len(heights), tol=1e-9,
                  callback=lambda state: seen.add((state.init, state.lower_bound)))
    assert result.parameters == [3.0] and result.lower_bound == 3.0
    assert result.n_failed == heights.count(-1)
    assert seen == {(i, height) for i, height in enumerate(heights) if height > 0}


def test_where_every_start_collapses_the_last_reason_is_given():
    with pytest.raises(DegenerateFitError, match="collapsed"):
        loop(Hills(), at(-1, -1), n_init=2)


def test_a_callback_ends_all_starts():
    begun = []
    result = loop(Hills(), lambda i: begun.append(i) or np.array([float(i)]), n_init=4, tol=0.0,
                  callback=lambda state: state.init == 1)
    assert begun == [0, 1] and result.stopped and not result.converged
    assert result.parameters == [1.0]
    # a start that is no better ends them too
    seen = []
    loop(Hills(), at(3, 2, 1), n_init=3, tol=1e-9,
         callback=lambda state: seen.append(state.init) or state.n_iter == 2)
    assert seen == [0, 0]


@pytest.mark.parametrize("heights, best", [((3, 1, 9), 3.0), ((1, 3, 9), 3.0)])
def test_an_interrupt_leaves_the_best_so_far(heights, best):
    def callback(state):
        if state.init == 1 and state.n_iter == 2:
            raise KeyboardInterrupt

    result = loop(Hills(), at(*heights), n_init=3, tol=1e-9, callback=callback)
    assert result.interrupted and result.parameters == [best]

    def start(i):       # before the second one has any parameters
        if i == 1:
            raise KeyboardInterrupt
        return np.array([2.0])

    result = loop(Hills(), start, n_init=3, tol=1e-9)
    assert result.interrupted and result.parameters == [2.0] and result.converged
    with pytest.raises(KeyboardInterrupt):
        loop(Hills(), lambda i: start(1), n_init=3)


# --- acceleration --------------------------------------------------------------------------

def test_steps_grow_to_the_length_that_ends_it():
    # on a line an extrapolation by a leaves (1 - a (1 - rate))^2; a = 1000 is the limit itself
    result = loop(Line([0.999]), at(1), tol=1e-14, max_iter=10**5, acceleration="squarem")
    size, places = 1.0, []
    for step in (4, 16, 64, 256):
        places += [size, 0.999 * size]
        size *= (1 - step / 1000) ** 2
    places += [size, 0.999 * size]
    assert_allclose(result.history[:10], -1e-3 * np.square(places), rtol=1e-9)
    assert result.converged and result.n_iter <= 14
    assert np.abs(result.parameters).max() < 1e-9


def test_an_extrapolation_that_falls_is_taken_back():
    class Over(Line):
        """One that is extrapolated too far."""

        def from_vector(self, vector, like):
            return like + 10

    plain = loop(Line([0.9]), at(1), tol=1e-6, max_iter=1000)
    result = loop(Over([0.9]), at(1), tol=1e-6, max_iter=1000, acceleration="squarem")
    assert result.converged and result.largest_fall == 0
    # the plain steps and no others; each pass counts
    assert_allclose(result.history, plain.history[: len(result.history)], rtol=1e-12)
    assert abs(len(result.history) - len(plain.history)) <= 1
    assert result.n_iter > 1.3 * plain.n_iter
    assert np.diff(result.history).min() > 0


def test_an_extrapolation_to_where_there_is_no_maximum_is_taken_back():
    class Edge(Half):
        """Beyond 0 nothing can be maximised, though the objective is as high there."""

        def from_vector(self, vector, like):
            return -0.1 * like

        def step(self, parameters):
            if parameters[0] < 0:
                raise DegenerateFitError("beyond")
            return super().step(parameters)

    result = loop(Edge(), at(1), tol=1e-6, acceleration="squarem")
    assert result.converged and result.parameters[0] > 0 and result.n_failed == 0
    assert_array_equal(result.history, [-(0.25**i) for i in range(len(result.history))])


@pytest.mark.parametrize("ends", ["in an error", "degenerate", "for the callback"])
def test_a_start_that_leaps_lead_astray_is_made_again_by_plain_steps(ends):
    class Cliff(Half):
        """Below 0 the objective grows without end, which plain steps never see."""

        def value(self, parameters):
            return super().value(parameters) if parameters[0] > 0 else float(-parameters[0])

        def step(self, parameters):
            if ends == "in an error" and parameters[0] < -1e3:
                raise DegenerateFitError("beyond")
            return super().step(parameters) if parameters[0] > 0 else 2 * parameters

        def from_vector(self, vector, like):
            return -np.abs(like)

        def is_degenerate(self, parameters):
            return parameters[0] < 0

    options = {"tol": 1e-6, "max_iter": 30}
    if ends == "for the callback":      # who has seen enough gets what he saw
        stopped = loop(Cliff(), at(1), acceleration="squarem", **options,
                       callback=lambda state: state.parameters[0] < 0)
        assert stopped.stopped and stopped.parameters[0] < 0
        return
    plain = loop(Cliff(), at(1), **options)
    result = loop(Cliff(), at(1), acceleration="squarem", **options)
    assert result.converged and result.n_failed == 0 and not result.degenerate
    assert_array_equal(result.history, plain.history)
    assert_array_equal(result.parameters, plain.parameters)
    # nothing is better where plain steps go there too
    gone = loop(Cliff(), at(-1), acceleration="squarem", **{**options, "max_iter": 5})
    assert gone.parameters[0] < 0 and gone.n_failed == 0


# --- what is printed -----------------------------------------------------------------------

def test_lines_come_every_few_iterations():
    out = io.StringIO()
    progress = Progress(1, 3, 1, 100, out)
    loop(Half(), at(1), tol=1e-3, progress=progress)
    assert out.getvalue().splitlines() == [
        "Initialization 0", "  Iteration 3", "  Iteration 6", "Initialization converged."]
    out = io.StringIO()
    loop(Hills(), at(-1, 1), n_init=2, max_iter=1, progress=Progress(1, 1, 2, 1, out))
    assert out.getvalue().splitlines() == [
        "Initialization 0", "Initialization collapsed", "Initialization 1", "  Iteration 1",
        "Initialization did not converge."]


@pytest.mark.parametrize("options, error, match", [
    ({"max_iter": -1}, ValueError, "max_iter must be at least 0, got -1"),
    ({"n_init": 0}, ValueError, "n_init must be at least 1, got 0"),
    ({"max_iter": 1.5}, TypeError, "float"),
    ({"tol": -1e-3}, ValueError, "tol must be a number of 0 or more"),
    ({"tol": np.nan}, ValueError, "tol must be a number of 0 or more"),
    ({"callback": 3}, TypeError, "callback must be a function, got int"),
])
def test_numbers_that_are_none_are_refused_before_any_work(options, error, match):
    def start(i):
        raise AssertionError("begun")

    with pytest.raises(error, match=match):
        loop(Half(), start, **options)


def test_a_stop_in_the_plain_run_after_a_collapse_ends_the_fit():
    from emkernels import GaussianMixture

    rng = np.random.default_rng(13)
    X = rng.normal(size=(30, 2))
    X[:3] = X[0] + 1e-9 * rng.normal(size=(3, 2))
    calls = []

    def stop(state):
        calls.append((state.init, state.n_iter))
        return len(calls) > 1 and calls[-1] == (0, 1)

    model = GaussianMixture(4, reg_covar=0, acceleration="squarem", random_state=13, max_iter=50,
                            tol=1e-8, n_init=3, callback=stop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    assert calls[-1] == (0, 1) and calls.count((0, 1)) == 2
