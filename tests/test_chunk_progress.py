"""What is seen of passes over blocks while they go."""

import io
import sys

import numpy as np
import pytest

from emkernels import GaussianMixture
from emkernels.em import progress as progresses
from emkernels.em.progress import Passes, Progress, watching

X = np.concatenate([np.random.default_rng(k).normal(size=(150, 2)) + 4 * k for k in range(2)])


def blocks():
    for first in range(0, len(X), 50):
        yield X[first:first + 50]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progresses, "time", clock)
    return clock


def make(passes, clock, n_passes=3, n_blocks=10, seconds=1.0, status=None):
    """Passes of `n_blocks` blocks of 100 rows, each of so many seconds."""
    with passes:
        for number in range(n_passes):
            with passes.one(number, 100 * n_blocks if number else None):
                for block in range(1, n_blocks + 1):
                    clock.now += seconds
                    passes.reached(100 * block, 100 * block)
            if status is not None:
                passes.status = status(number)


def test_a_line_that_renews_itself(clock):
    out = Terminal()
    make(Passes(stream=out), clock, status=lambda i: f"iteration {i}")
    lines = out.getvalue().split("\r")
    assert lines[0] == ""
    assert lines[1] == "survey 100 rows, 100 rows/s\033[K"
    assert "survey 1,000 rows, 100 rows/s\033[K" in lines
    assert ("pass 1 [" + "#" * 10 + "." * 10 + "] 500 of 1,000 rows, 100 rows/s, iteration 0"
            ) in [line[:79].removesuffix("\033[K") for line in lines]
    assert lines[-1] == "\033[K3 passes, 3,000 rows in 30.0 s, 100 rows/s\n"
    assert "\n" not in "".join(lines[:-1])
    assert all(len(line.removesuffix("\033[K")) < 80 for line in lines)


def test_it_is_not_drawn_for_every_block(clock):
    out = Terminal()
    make(Passes(stream=out), clock, n_passes=4, n_blocks=1000, seconds=0.001)
    # one in a fifth of a second
    assert 18 <= out.getvalue().count("\r") <= 22


def test_plain_lines_are_rare(clock):
    out = io.StringIO()
    make(Passes(stream=out), clock, n_passes=3, n_blocks=10, seconds=10.0)
    lines = out.getvalue().splitlines()
    assert 9 <= len(lines) <= 11
    assert lines[0] == "  survey 300 rows, 10 rows/s"
    assert lines[4].startswith("  pass 1 [") and lines[4].endswith(" 500 of 1,000 rows, 10 rows/s")
    assert lines[-1] == "3 passes, 3,000 rows in 300.0 s, 10 rows/s"
    assert "\r" not in out.getvalue() and "\033" not in out.getvalue()
    out = io.StringIO()
    make(Passes(stream=out), clock, seconds=0.1)
    assert out.getvalue() == "3 passes, 3,000 rows in 3.0 s, 1,000 rows/s\n"


def test_rates_are_of_rows_that_were_read(clock):
    """A pass that goes on in the middle is not the faster for it."""
    seen = []
    passes = Passes(hook=seen.append)
    with passes, passes.one(1, 1000):
        clock.now += 2.0
        passes.reached(900, 100)
    assert seen[0].n_rows == 900 and seen[0].rows_per_second == 50.0


def test_iterations_and_passes_share_a_line(clock):
    out = Terminal()

    class Source:
        progress = Passes(stream=out)

    progress = Progress(1, 1, 2, 50, out)
    progress.follow(Source())
    progress.start(0)
    with Source.progress, Source.progress.one(7, 1000):
        clock.now += 1.0
        Source.progress.reached(500, 500)
        clock.now += 1.0
        progress.step(3, -1.5, 0.25)
        clock.now += 1.0
        Source.progress.reached(1000, 1000)
    lines = out.getvalue().split("\r")
    assert lines[-2].startswith("pass 7 [####################] 1,000 of 1,000 rows, 333 rows/s")
    assert Source.progress.status == "start 1/2, iteration 3/50, lower bound -1.500000 (+2.5e-01)"


def test_lines_are_no_longer_than_the_terminal_is_wide(clock, monkeypatch):
    """What is longer goes on in the next line of the screen, and stays there."""
    monkeypatch.setenv("COLUMNS", "20")
    for follow in (False, True):
        out = Terminal()
        progress = Progress(1, 1, 2, 50, out)
        passes = Passes(stream=out)
        if follow:
            progress.passes = passes
        progress.start(0)
        with passes.one(7, 1000):
            for number in (1, 2):
                clock.now += 1.0
                passes.reached(100 * number, 100 * number)
                progress.step(number, -1.5, 0.25)
        lines = [line.removesuffix("\033[K") for line in out.getvalue().split("\r")]
        assert len(lines) > 2 and max(map(len, lines)) == 19


def fitted(**options):
    return GaussianMixture(2, random_state=0, **options)


def test_nothing_is_printed_unless_asked_for(capsys):
    fitted().fit_chunks(blocks)
    assert capsys.readouterr() == ("", "")


def test_what_a_fit_prints(capsys, tmp_path):
    path = tmp_path / "fit.ckpt"
    fitted(verbose=1).fit_chunks(blocks, checkpoint=path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Initialization 0" and lines[-2] == "Initialization converged."
    n_passes, text = lines[-1].split(" ", 1)
    n_passes = int(n_passes)
    assert n_passes > 3 and text.startswith(f"passes, {300 * n_passes:,} rows in ")
    assert text.endswith(" rows/s")
    fitted(verbose=1).fit_chunks(blocks, checkpoint=path, resume=True)
    again = capsys.readouterr().out.splitlines()
    assert again[:-1] == lines[:-1]
    assert again[-1].startswith(f"1 pass and {n_passes - 1} from the checkpoint, 300 rows in ")


def test_a_terminal(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(progresses, "RENEWED", 0.0)
    model = fitted(verbose=1, n_init=2, tol=1e-6).fit_chunks(blocks)
    lines = [line.removesuffix("\033[K") for line in out.getvalue().split("\r")]
    assert "survey 50 rows" in lines[2] and "pass 1 [###" in out.getvalue()
    assert any(line.startswith("pass ") and "start 2/2, iter" in line for line in lines)
    assert max(map(len, lines)) < 100
    assert lines[-1].startswith("\033[K") and lines[-1].endswith("rows/s\n")
    assert model.n_blocks_ == 6


def test_who_watches_is_told_instead(capsys):
    seen = []
    with watching(seen.append):
        fitted(verbose=0).fit_chunks(blocks)
    assert capsys.readouterr().out == ""
    ended = [state for state in seen if state.ended]
    assert [state.number for state in ended] == list(range(len(ended))) and len(ended) > 3
    assert ended[0].total is None and {state.total for state in ended[1:]} == {300}
    assert {state.n_rows for state in ended} == {300}
    assert all(state.rows_per_second > 0 for state in ended)
    assert ended[-1].status.startswith("start 1/1, iteration ") or ended[-1].status == ""
    fitted(verbose=0).fit_chunks(blocks)        # nobody watches any more
    assert len([state for state in seen if state.ended]) == len(ended)


def test_who_watches_sees_iterations_too():
    seen = []
    with watching(seen.append):
        fitted(verbose=1, tol=1e-6).fit_chunks(blocks)
    assert seen[-1].status.startswith("start 1/1, iteration ")


def test_what_a_watcher_raises_ends_the_fit():
    def stop(state):
        if state.number == 2:
            raise KeyError("enough")

    model = fitted()
    before = dict(vars(model))
    with watching(stop), pytest.raises(KeyError, match="enough"):
        model.fit_chunks(blocks)
    assert vars(model) == before


def test_a_fit_that_fails_clears_its_line(monkeypatch):
    def broken():
        yield from blocks()
        raise OSError("no more")

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(OSError, match="no more"):
        fitted(verbose=1).fit_chunks(broken)
    assert out.getvalue().endswith("\r\033[K") and "\n" not in out.getvalue()
