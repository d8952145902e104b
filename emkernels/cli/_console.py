"""Standard output, standard error, warnings and progress bars of a command."""

import contextlib
import io
import json
import math
import sys
import warnings

from emkernels._extras import optional
from emkernels.cli._messages import in_options, one_line


class Console:
    """Where a command prints.

    Parameters
    ----------
    as_json : bool
        The result goes to standard output as one JSON object, and nothing else does.
    quiet : bool
        No report and no progress; warnings stay.
    aside : bool
        Standard output is for something else: what would go there goes to standard error.

    Attributes
    ----------
    warnings : list of str
    """

    def __init__(self, *, as_json=False, quiet=False, aside=False):
        self.as_json, self.quiet, self._aside = as_json, quiet, aside
        self.talks = not (as_json or quiet)
        self.warnings, self._bar = [], None

    # --- standard output ---------------------------------------------------------------

    @property
    def out(self):
        """Where the report goes."""
        return sys.stderr if self._aside else sys.stdout

    def flush(self):
        """What was said so far is to be seen."""
        self.out.flush()

    def say(self, text=""):
        """One line of the report."""
        if self.talks:
            print(text, file=self.out)

    def table(self, heads, rows, *, left=(0,)):
        """Rows of texts under heads; the columns in `left` begin at the left."""
        if not self.talks:
            return
        kind, text = optional("rich.table", "a report", "cli"), optional(
            "rich.text", "a report", "cli").Text
        table = kind.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for at, head in enumerate(heads):
            # heads and texts fold in a narrow terminal, numbers do not
            longest = max((len(str(row[at])) for row in rows), default=0)
            table.add_column(text(head), justify="left" if at in left else "right",
                             overflow="fold", min_width=min(longest, 12) if at in left else longest)
        for row in rows:
            table.add_row(*[text(one_line(cell)) for cell in row])
        # a file and a pipe have room for every line
        width = None if self.out.isatty() else 10_000
        # drawn aside: rich ends the process where nobody reads
        drawn = io.StringIO()
        optional("rich.console", "a report", "cli").Console(
            file=drawn, force_terminal=self.out.isatty(), width=width, markup=False, emoji=False,
            highlight=False).print(table, crop=False)
        lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
        print("\n".join(lines), file=self.out)

    def result(self, result):
        """The result as JSON, where that was asked for."""
        if self.as_json:
            result = {**result, "warnings": self.warnings}
            # what the encoding of the output has not, JSON escapes in a way of its own
            text = json.dumps(_plain(result), allow_nan=False, indent=2, ensure_ascii=not (
                self.out.encoding or "utf-8").lower().startswith("utf"))
            print(text, file=self.out)

    # --- standard error ----------------------------------------------------------------

    def warn(self, text):
        """One line on standard error; the same line only once."""
        text = one_line(text)
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"emkernels: warning: {text}", file=sys.stderr)

    def note(self, text):
        """One line on standard error that asks for nothing."""
        if not self.quiet:
            print(f"emkernels: {one_line(text)}", file=sys.stderr)

    @contextlib.contextmanager
    def catching_warnings(self):
        """Warnings of Python become lines of :meth:`warn`."""
        with warnings.catch_warnings():
            # each time, for `warn` to judge; what is left out by default stays so
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_, **__: self.warn(in_options(str(message)))
            yield

    @contextlib.contextmanager
    def progress(self, text, total=None):
        """A :class:`Bar`, drawn where standard error is a terminal."""
        if not self.draws:
            yield Bar(None, None)
            return
        console = optional("rich.console", "a progress bar", "cli").Console(
            stderr=True, markup=False, highlight=False)
        kinds = optional("rich.progress", "a progress bar", "cli")
        columns = [kinds.TextColumn("{task.description}", markup=False), kinds.BarColumn(),
                   kinds.TimeElapsedColumn()]
        if total is not None:
            columns.insert(2, kinds.MofNCompleteColumn())
        with kinds.Progress(*columns, console=console, transient=True,
                            redirect_stdout=False, redirect_stderr=True) as drawn:
            self._bar = Bar(drawn, drawn.add_task(text, total=total), text)
            try:
                yield self._bar
            finally:
                self._bar = None

    @property
    def draws(self):
        """Whether progress bars are drawn."""
        return not self.quiet and sys.stderr.isatty()

    def passed(self, state):
        """How far a pass over blocks of rows is: an :class:`emkernels.em.progress.PassState`."""
        if self._bar is not None:
            self._bar.passed(state)


class Bar:
    """A progress bar, or, away from a terminal, nothing."""

    def __init__(self, drawn, task, text=""):
        self._drawn, self._task, self._text = drawn, task, text
        # None: a model then calls nothing
        self.callback = None if drawn is None else self._iteration

    def _iteration(self, state):
        self._drawn.update(
            self._task, description=f"{self._text}: iteration {state.n_iter}, "
                                    f"log-likelihood {state.lower_bound:.4f} a row")

    def passed(self, state):
        """A pass over blocks of rows is so far."""
        rows = f"{state.n_rows:,}" + (
            "" if state.total is None else f" of {state.total:,}")
        self._drawn.update(
            self._task, description=f"{self._text}: pass {state.number}, {rows} rows, "
                                    f"{state.rows_per_second:,.0f} rows/s")

    def rename(self, text):
        """What is being done now."""
        self._text = text

    def step(self):
        """One of the total is done."""
        if self._drawn is not None:
            self._drawn.update(self._task, advance=1, description=self._text)


def _plain(value):
    """Numbers, texts, lists and dicts for JSON; null for what it has no number for."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):        # arrays and scalars of numpy
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
