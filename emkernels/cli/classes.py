"""Find classes of people by their answers.

Latent class analysis: every row belongs to one of a few classes that nobody has seen, within which
answers to the items (questions, symptoms, yes or no) do not depend on each other. Fits one number
of classes, or each of several (-k 1:6): the criterion chooses, the lower the better. Rows with gaps
take part by what they have.

Items are all columns of texts and those of few different numbers, which are taken as codes: 1, 2
and 3 are three answers, in no order. Columns that only tell rows apart, have one value, or more
different ones than --most-levels are left out, and named; --columns says which are items instead.
--continuous names columns of numbers that are no codes, as age: each class has a mean and a
variance of them. --weights names a column that says how often a row was seen, as in a table of
patterns.

OUT is the table with columns more: class (0, 1, ..., the largest first), class_probability, how
probable that class is for the row, and class_0, class_1, ..., the same of each. Without -o the
tables are only printed: how likely each answer is within each class, and in all rows.

examples:
  emkernels classes votes.csv -k 1:5 --ignore party --missing-values "?"
  emkernels classes survey.csv -k 3 -o classes.csv --plot profile.png
  emkernels classes patients.csv -k 1:4 --continuous age,bmi -o classes.csv
  emkernels classes patterns.csv -k 1:3 --weights count

--json prints: command, input, output, saved (MODEL), plot, rows, total (of the weights; rows
without), items (a list: name, kind (text or number), levels, missing), continuous, weights (names),
missing (cells), k, criterion, candidates (a list: k, parameters, log_likelihood, bic, aic, abic,
caic, icl, entropy, converged, iterations, starts_at_best, bootstrap_p (null without --bootstrap),
spare (how many more patterns of answers there are than parameters, negative: the model is not
identified; null with continuous columns), below (a smaller k that is likelier, else null), error,
remarks; those that are not identified are not fitted where others are: k, spare, error), sizes
(rows, or their weight, of each class), shares, response_probs (for each item, for each class, a
list over levels), observed_probs (for each item over its levels, of all rows), means, deviations (a
list for each class), entropy, identified (whether the rows determine the classes),
bivariate_residuals (of each pair of items, a table; null for more than 100), kept (constant, empty,
identifiers, many, others: names of columns that were not used), rows_without_values, warnings.
"""

import argparse

import numpy as np

import emkernels
from emkernels.cli import _hidden as hidden
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._answers import as_numbers
from emkernels.cli._fits import Fits
from emkernels.cli._items import read_items
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import about, count
from emkernels.cli._plots import write_plot
from emkernels.cli._profiles import report
from emkernels.cli._rewriting import write_table
from emkernels.cli._tables import open_table

# more items than this: too many pairs to look at
MOST_PAIRED = 100
PACKAGES = ("pandas", "pyarrow", "rich")
CRITERIA = ("bic", "aic", "abic", "caic", "icl")


def _concentration(text):
    value = options_of.real(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"needs a number of 1 or more, got {text!r}")
    return value


def add_arguments(parser):
    options_of.add_table(parser, kind="column")
    hidden.add_output(parser, "class", "classes", "the profiles of the classes")
    group = parser.add_argument_group("classes")
    group.add_argument("-k", "--classes", type=options_of.sizes, required=True, metavar="K",
                       help="how many: 3, or 1:6 (both included), or 2,4")
    group.add_argument("--continuous", type=options_of.names, default=[], metavar="A,B",
                       help="columns of numbers that are no codes; they need not be in --columns")
    group.add_argument("--weights", metavar="A", default=None,
                       help="a column of numbers: how often each row was seen")
    group.add_argument("--most-levels", type=options_of.integer(1, 255), default=20, metavar="N",
                       help="leave out columns with more different values, where --columns does "
                            "not name them (default 20; 255 at most)")
    group.add_argument("--criterion", choices=CRITERIA, default="bic",
                       help="what chooses among several: bic (default), aic and abic (take more "
                            "classes), caic and icl (take fewer; icl well separated ones)")
    group.add_argument("--bootstrap", type=options_of.integer(0), default=0, metavar="N",
                       help="test each number of classes against one less by N tables drawn from "
                            "the smaller model (default 0: no test; 99 is usual, and takes long)")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin N times at random; the best 5 go on to the end (default 50)")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="stop when what is left to gain is less than T (default 1e-6)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations (default 2000)")
    group.add_argument("--concentration", type=_concentration, metavar="A",
                       help="of a Dirichlet prior, 1 or more: a little over 1 keeps probabilities "
                            "from 0 and 1 (default: no prior)")
    options_of.add_common(parser)


def run(options, console):
    """Classes of one table."""
    hidden.check_output(options)
    source = open_table(options, again=hidden.carries(options))
    hidden.check_new_names(source, options, max(options.classes))
    items = read_items(source, options, console)
    if hidden.carries(options) or options.plot is not None:
        check_fits(source.path, 8 * items.n_rows * (max(options.classes) + 1), "use fewer -k")
    with about(source.path):
        best, candidates = _fitted(options, console, items)
        resp, residuals = best.predict_proba(items.table), _residuals(best, items)
    saving.write(options, best, console)
    labels = resp.argmax(axis=1)
    if options.output is not None:
        numbers = as_numbers(items.cells, items.n_rows, items.kept["others"])
        added = hidden.new_columns(hidden.names_of(options, best.n_classes), labels, resp)
        write_table(options, source, numbers, [[(numbers.X, None, added)]],
                    carry=hidden.carries(options))
    n_lines = len(items.used)
    write_plot(options, lambda ax: emkernels.plotting.plot_response_probs(best, ax=ax),
               (min(2.5 + 2 * best.n_classes, 16), min(1.4 + 0.32 * n_lines, 40)))
    result = {
        "input": options.input, "output": options.output, "saved": options.save,
        "plot": options.plot, "rows": items.n_rows, "total": items.total,
        "items": items.described(),
        "continuous": [each.name for each in items.continuous],
        "weights": options.weights,
        "missing": int(sum(each.missing.sum() for each in items.used)),
        "k": best.n_classes, "criterion": options.criterion, "candidates": candidates,
        "sizes": np.bincount(labels, items.weight, minlength=best.n_classes),
        "shares": best.weights_, "response_probs": best.response_probs_,
        "observed_probs": items.observed(), "means": best.means_,
        "deviations": np.sqrt(best.variances_), "entropy": best.entropy_,
        "identified": best.identified_, "bivariate_residuals": residuals, "kept": items.kept,
        "rows_without_values": int(np.all([e.missing for e in items.used], axis=0).sum())}
    report(console, result, items)
    return result


def _parameters(options, items):
    given = {"n_init": options.starts, "tol": options.tol, "max_iter": options.max_iter,
             "response_concentration": options.concentration}
    return {"random_state": options.seed, "n_threads": options.threads,
            "continuous": [each.name for each in items.continuous] or None,
            **{name: value for name, value in given.items() if value is not None}}


def _fitted(options, console, items):
    """The best of all candidates, and what became of each."""
    spare = {k: _spare(items, k) for k in options.classes}
    sizes = [k for k in options.classes if (spare[k] or 0) >= 0]
    sizes = sizes or options.classes[:]     # nothing else was asked for
    parameters = _parameters(options, items)
    with console.progress("fitting", total=len(sizes)) as bar:
        if bar.callback is not None:
            names = iter([count(k, "class", "classes") for k in sizes])
            parameters["callback"] = Fits(bar, lambda _: next(names, ""))
        selection = emkernels.select_classes(
            items.table, sizes, options.criterion, sample_weight=items.weight,
            n_bootstrap=options.bootstrap, **parameters)
    rows = {row["n_classes"]: row for row in selection.table}
    candidates = [
        {"k": k, "parameters": rows[k]["n_parameters"],
         **{name: rows[k][name] for name in ("log_likelihood", *CRITERIA, "entropy", "converged")},
         "iterations": rows[k]["n_iter"], "starts_at_best": rows[k]["n_best"],
         "bootstrap_p": rows[k]["blrt"], "spare": spare[k], "below": rows[k]["below"],
         "error": rows[k]["error"], "remarks": selection.remarks(rows[k])} if k in rows else
        {"k": k, "spare": spare[k], "error": f"{-spare[k]:g} parameters more than patterns of "
                                             "answers tell"}
        for k in options.classes]
    best = selection.best.set_params(callback=None)
    if best.n_classes > 1 and best.n_best_ == 1 and best.n_init > 1:
        console.warn(f"{options.input}: one start alone reached the likeliest {best.n_classes} "
                     "classes: more --starts may find likelier ones")
    return best, candidates


def _residuals(best, items):
    """How far each pair of items is from independence within the classes, or None."""
    if not 1 < len(items.items) <= MOST_PAIRED:
        return None
    return best.bivariate_residuals(items.table, sample_weight=items.weight)


def _spare(items, k):
    """How many more patterns of answers there are than parameters; None beside numbers."""
    if items.continuous:
        return None
    levels = np.array([float(len(each.levels)) for each in items.items])
    return float(np.prod(levels) - 1 - (k - 1 + k * (levels - 1).sum()))
