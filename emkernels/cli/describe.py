"""Say what is missing in a table, and whether at random.

Counts what is missing in each column and which columns are missing together, and tests with
Little's test whether values are missing completely at random: a small p-value speaks against it.

examples:
  emkernels describe airquality.csv
  emkernels describe survey.csv --missing-values -999 --ignore id

--json prints: command, input, rows, missing (cells), complete_rows, empty_rows, columns (a list:
name, missing, share, observed, mean, std, min, max), patterns (a list, the most frequent first:
rows, share, missing: names), little (statistic, df, p_value, rows, patterns; null where there is no
test), little_reason (why there is none), text (a list: name, missing), warnings.
"""

import numpy as np

import emkernels
from emkernels.cli import _blocks as blocks
from emkernels.cli import _options as options_of
from emkernels.cli._messages import about, count, in_options, listed, quoted
from emkernels.cli._tables import open_table, read_numbers

PACKAGES = ("pandas", "pyarrow", "rich")
SHOWN = 20      # patterns in the report


def add_arguments(parser):
    options_of.add_table(parser)
    blocks.add_options(parser)
    options_of.add_common(parser, seed=False)


def run(options, console):
    """Print the tables."""
    blocks.check(options)
    source = open_table(options)
    numbers = read_numbers(source, options, console, copies=4, least_rows=1,
                           blocks=blocks.asked(options))
    with about(source.path), blocks.fitting(options, console, numbers) as rows:
        with console.progress("counting"):
            summary = emkernels.missing_data_summary(rows)
        columns = [dict(zip(("name", "missing", "share", "observed", "mean", "std", "min", "max"),
                            values)) for values in zip(*summary.columns.values())]
        names = np.array(numbers.names, dtype=object)
        patterns = [{"rows": n, "share": share, "missing": list(names[missing])}
                    for n, share, missing in zip(
                        *(summary.patterns[key] for key in ("count", "share", "missing")))]
        _report(console, source, numbers, summary, columns, patterns)
        console.flush()     # the test may take its time
        little, reason = _little(console, numbers, rows)
    _report_test(console, numbers, little, reason)
    return {
        "input": options.input, "rows": summary.n_samples, "missing": summary.n_missing,
        "complete_rows": summary.n_complete, "empty_rows": summary.n_empty, "columns": columns,
        "patterns": patterns, "little": little and {
            "statistic": little.statistic, "df": little.df, "p_value": little.p_value,
            "rows": little.n_samples, "patterns": little.n_patterns},
        "little_reason": reason,
        "text": [{"name": name, "missing": n} for name, n in numbers.text.items()]}


def _little(console, numbers, rows):
    """Little's test, or why there is none."""
    # without the columns that the test refuses
    tested = np.flatnonzero(~np.isin(numbers.names, numbers.constant))
    if not len(tested):
        return None, "every column has one value only"
    with console.progress("Little's test"):
        try:
            return emkernels.little_mcar_test(
                rows.take(columns=tested) if numbers.constant else rows), None
        except ValueError as error:
            return None, in_options(str(error))


def _report(console, source, numbers, summary, columns, patterns):
    size = summary.n_samples * summary.n_features
    console.say(f"{source.path}: {count(summary.n_samples, 'row')}, "
                f"{count(summary.n_features, 'column')} of numbers, {summary.n_missing} of {size} "
                f"values missing ({100 * summary.n_missing / size:.3g} %)")
    console.say(f"{count(summary.n_complete, 'row')} complete, {summary.n_empty} empty")
    console.say()
    console.table(
        ["column", "missing", "share", "observed", "mean", "std", "min", "max"],
        [[c["name"], c["missing"], f"{100 * c['share']:.1f} %", c["observed"],
          *("-" if np.isnan(c[key]) else f"{c[key]:.5g}" for key in ("mean", "std", "min", "max"))]
         for c in columns])
    console.say()
    console.table(
        ["rows", "share", "columns missing in them"],
        [[p["rows"], f"{100 * p['share']:.1f} %", listed(p["missing"]) or "none"]
         for p in patterns[:SHOWN]], left=(2,))
    if len(patterns) > SHOWN:
        console.say(f"... and {len(patterns) - SHOWN} combinations more")
    console.say()
    for name, n in numbers.text.items():
        console.say(f"column {quoted(name)}: text, {n} missing, not counted above")
    for name in numbers.empty:
        console.say(f"column {quoted(name)}: no value in any row, not counted above")


def _report_test(console, numbers, little, reason):
    if little is None:
        if reason.startswith("Little's test"):
            reason = "it" + reason.removeprefix("Little's test")
        console.say(f"Little's test could not be done: {reason}")
        return
    left_out = f", without {listed(numbers.constant)} (one value only)" if numbers.constant else ""
    verdict = ("speaks against values missing completely at random" if little.p_value < 0.05 else
               "does not speak against values missing completely at random")
    console.say(f"Little's test{left_out}: chi-squared {little.statistic:.4g}, df {little.df}, "
                f"p {little.p_text} ({count(little.n_samples, 'row')}, "
                f"{count(little.n_patterns, 'combination')}): {verdict}")
