"""Fill in the missing values of a table.

Every column of numbers helps to fill in the others: their means and correlations are estimated
from all rows, incomplete ones included (maximum likelihood by EM, values missing at random), and
a missing cell gets its conditional mean, the best guess given the rest of its row. Columns of text
and cells that are there come out as they went in.

With -m 5 each missing cell is drawn five times at random instead, so that the copies differ by as
much as is not known (multiple imputation). OUT then holds the copies one below the other, and two
columns more: .imp, which copy (1 to 5), and .id, which row (from 1). Analyse each copy and pool.

examples:
  emkernels impute airquality.csv -o complete.csv
  emkernels impute survey.csv -o complete.parquet --missing-values -999 --prior ridge
  emkernels impute survey.csv -o five.csv.gz -m 5 --ignore id,year
  emkernels impute flowers.csv -o complete.csv --model mixture -k 3 --starts 20
  zcat survey.csv.gz | emkernels impute - -o - | head

Copy i of -m is what GaussianImputer.sample(X, 1, random_state=
numpy.random.SeedSequence(seed).spawn(m)[i]) gives in Python.

--json prints: command, input, output, saved (MODEL), rows, missing (cells), left_empty (cells;
columns, a list: name, cells, reason: text, no value or not used), imputations (null without -m),
model, components, starts, tol, prior, iterations, converged, log_likelihood, columns (a list: name,
missing, observed_mean, imputed_mean, beyond: how many are filled in outside of what is observed),
kept (text, empty: names of columns left as they are), constant, rows_without_values, warnings.
"""

import argparse
import os
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import emkernels
from emkernels.cli import _blocks as blocks
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._beyond import Beyond
from emkernels.cli._formats import FORMATS, STREAM
from emkernels.cli._messages import CommandError, about, count, listed, quoted
from emkernels.cli._rewriting import check_names, write_table
from emkernels.cli._tables import check_target, open_table, read_numbers
from emkernels.kernels.threads import effective_n_threads

PACKAGES = ("pandas", "pyarrow", "rich")
ADDED = (".imp", ".id")


def _prior(text):
    """``ridge`` or ``ridge:2.5``."""
    word, colon, amount = text.partition(":")
    if word != "ridge":
        raise argparse.ArgumentTypeError(f"knows ridge and ridge:AMOUNT, not {text!r}")
    if not colon:
        return "ridge"
    amount = options_of.real(amount)
    if amount == 0:
        raise argparse.ArgumentTypeError("needs an amount above 0")
    return "ridge", amount


def add_arguments(parser):
    options_of.add_table(parser)
    group = options_of.add_output(parser, FORMATS, note="; - is standard output")
    saving.add_option(group)
    group = parser.add_argument_group("model")
    group.add_argument("-m", "--imputations", type=options_of.integer(1), metavar="M",
                       help="draw M random copies instead of one best guess")
    group.add_argument("--model", choices=("gaussian", "mixture"), default="gaussian",
                       help="one normal distribution (default), or a mixture of several: for rows "
                            "that fall into groups")
    group.add_argument("-k", "--components", type=options_of.integer(1), metavar="K",
                       help="components of the mixture (default 2)")
    group.add_argument("--prior", type=_prior, metavar="ridge",
                       help="draw correlations towards zero, as one row more of each would "
                            "(ridge:5: five rows); for tables with few rows or many columns")
    group.add_argument("--clip", action="store_true",
                       help="keep what is filled in between the smallest and the largest value "
                            "of its column (by default a count may come out negative)")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin the mixture N times, keep the likeliest (default 1)")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="stop when what is left to go is less, in standard deviations of the "
                            "columns (default 0.000001)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations of EM (default 1000)")
    blocks.add_options(parser)
    options_of.add_common(parser)


def run(options, console):
    """Impute one table into another."""
    if options.model != "mixture":
        for option, value in ("-k", options.components), ("--starts", options.starts):
            if value is not None:
                raise CommandError(f"{option} is for --model mixture")
    if options.imputations is not None and blocks.asked(options):
        raise CommandError("-m draws from all rows, which must be in memory: --chunks and "
                           "--checkpoint are not for it; use fewer --columns, some of the rows, "
                           "or no -m")
    blocks.check(options)
    check_target(options)
    saving.check(options)
    source = open_table(options, again=True)
    m = options.imputations
    if m is not None:
        check_names(source, ADDED, "rename it")
    # as measured: X as it is read, in the classes, and completed
    workers = _workers(options.threads, m or 1)
    numbers = read_numbers(
        source, options, console, copies=5 if m is None else 4 + 2.5 * workers,
        blocks=blocks.asked(options) if m is None else None)
    model = _model(options, numbers)
    with about(source.path):
        with blocks.fitting(options, console, numbers, memory=m is not None) as rows, (
                console.progress("fitting")) as bar, warnings.catch_warnings():
            # the report says it of every one
            warnings.filterwarnings("ignore", ".*one value only")
            imputer = blocks.fitted(model.set_params(callback=bar.callback), rows)
        imputer.set_params(callback=None)
        saving.write(options, imputer, console)
        means = np.zeros(len(numbers.names))
        beyond = Beyond(numbers)
        with console.progress("filling in", total=m) as bar:
            copies = [_completed(imputer, numbers, rows)] if m is None else _draws(
                imputer, numbers, rows, options.seed, m, workers, bar)
            left = write_table(options, source, numbers, (
                _summed(beyond.seen(parts), numbers, means) for parts in copies))
    observed = rows.summary().means if numbers.over_blocks and m is None else (
        np.nanmean(numbers.X, axis=0, dtype=np.float64))
    return _report(options, console, source, numbers, imputer,
                   (observed, means / (m or 1)), beyond, left)


def _model(options, numbers):
    parameters = {"prior": options.prior, "n_threads": options.threads,
                  "random_state": options.seed}
    if options.clip:
        low, high = numbers.ends
        one = low == high       # filled with their only value anyway
        parameters.update(min_value=np.where(one, -np.inf, low),
                          max_value=np.where(one, np.inf, high))
    for option, name in ("starts", "n_init"), ("tol", "tol"), ("max_iter", "max_iter"):
        if (value := getattr(options, option)) is not None:
            parameters[name] = value
    if options.model == "gaussian":
        return emkernels.GaussianImputer(**parameters)
    return emkernels.GaussianMixtureImputer(options.components or 2, **parameters)


def _workers(threads, m):
    n = (os.cpu_count() or 1) if threads == -1 else threads or effective_n_threads()
    return min(n, m)


def _completed(imputer, numbers, rows):
    """The rows with their conditional means, part by part."""
    for X in numbers.parts():
        yield X, imputer.transform(numbers.rows(X) if numbers.over_blocks else rows), {}


def _draws(imputer, numbers, rows, seed, m, workers, bar):
    """The random copies in turn, a few at a time; each has a seed of its own."""
    def one(seed):
        return imputer.sample(rows, 1, random_state=seed)[0]

    n_rows = len(rows)
    pool = ThreadPoolExecutor(workers)
    try:
        sequence, waiting = np.random.SeedSequence(seed), deque()
        for i in range(1, m + 1):
            while sequence.n_children_spawned < m and len(waiting) < workers:
                waiting.append(pool.submit(one, *sequence.spawn(1)))
            yield [(numbers.X, waiting.popleft().result(), {
                ".imp": np.full(n_rows, i), ".id": np.arange(1, n_rows + 1)})]
            bar.step()
    finally:
        pool.shutdown(cancel_futures=True)


def _summed(parts, numbers, means):
    """The parts as they are; the means of what was missing are added up on the way."""
    sums = np.zeros(len(means))
    some = np.flatnonzero(numbers.n_missing)
    for X, filled, added in parts:
        for at in some:
            sums[at] += filled[np.isnan(X[:, at]), at].sum(dtype=np.float64)
        yield X, filled, added
    means[some] += sums[some] / numbers.n_missing[some]


def _report(options, console, source, numbers, imputer, both, beyond, left):
    n_rows, m, (observed, means) = numbers.n_rows, options.imputations, both
    missing, size = int(numbers.n_missing.sum()), numbers.n_rows * len(numbers.names)
    without = numbers.n_without
    console.say(f"{source.path}: {count(n_rows, 'row')}, {count(len(numbers.names), 'column')} of "
                f"numbers, {missing} of {size} values missing ({100 * missing / size:.3g} %)")
    console.say()
    columns = [{"name": name, "missing": int(n), "observed_mean": observed[at],
                "imputed_mean": means[at] if n else None, "beyond": int(beyond.counts[at])}
               for at, (name, n) in enumerate(zip(numbers.names, numbers.n_missing))]
    console.table(
        ["column", "missing", "share", "mean of the others", "mean filled in"],
        [[c["name"], c["missing"], f"{100 * c['missing'] / n_rows:.1f} %",
          f"{c['observed_mean']:.5g}", f"{c['imputed_mean']:.5g}" if c["missing"] else "-"]
         for c in columns])
    console.say()
    notes = {"text, left as they are": list(numbers.text),
             "without any value, left as they are": numbers.empty,
             "with one value only, filled with it": numbers.constant}
    for what, names in notes.items():
        if names:
            console.say(f"columns {what}: {listed([quoted(name) for name in names])}")
    empty = sum(column["cells"] for column in left)
    if empty:
        most = sorted(left, key=lambda column: -column["cells"])
        console.say(f"{count(empty, 'cell stays', 'cells stay')} empty"
                    + ("" if m in (None, 1) else " in every copy") + ": " + listed(
                        [f"{c['cells']} of {quoted(c['name'])} ({c['reason']})" for c in most]))
    if without:
        console.say(f"{count(without, 'row')} without any value: filled with "
                    + ("the means" if m is None else "draws from the whole distribution"))
    for line in beyond.lines(numbers.names, m):
        console.say(line)
    ends = "converged" if imputer.converged_ else "did not converge"
    console.say(f"EM {ends} in {count(imputer.n_iter_, 'iteration')}; log-likelihood "
                f"{imputer.log_likelihood_:.6g}")
    output = "standard output" if options.output == STREAM else options.output
    console.say(f"{output}: written" + ("" if m is None else f", {m} copies below each "
                                                "other, numbered in .imp" if m > 1 else
                                                ", one random copy"))
    return {"input": options.input, "output": options.output, "saved": options.save,
            "rows": n_rows, "missing": missing,
            "left_empty": {"cells": empty, "columns": left},
            "imputations": m, "model": options.model,
            "components": options.components or (2 if options.model == "mixture" else 1),
            "starts": options.starts or 1, "tol": imputer.tol,
            "prior": options.prior, "iterations": imputer.n_iter_,
            "converged": imputer.converged_, "log_likelihood": imputer.log_likelihood_,
            "columns": columns, "kept": {"text": list(numbers.text), "empty": numbers.empty},
            "constant": numbers.constant, "rows_without_values": without}
