"""Find states in sequences of measurements.

Hidden Markov models: at every time a sequence is in one of a few states that nobody has seen; what
is measured depends on the state, and the state on the one before. Fits one number of states, or
each of several (-k 2:5): the criterion chooses, the lower the better. Rows with missing values take
part by what they have. States that collapsed on one value are said.

--by names the column that says whose each row is: the rows of each are a sequence, in the order of
the file, or of the column --order. Without it the table is one sequence. Of columns of numbers the
states have means and covariances (normal distributions); --symbols names a column of texts (or
codes) instead, for whose values the states have probabilities.

OUT is the table with columns more: state (0, 1, ...), that of the likeliest path of the sequence,
state_probability, how probable it is at that time, and state_0, state_1, ..., the same of each
state. Without -o the tables are only printed: the states, how long they last on average, and how
probable each is after each.

examples:
  emkernels states nile.csv -k 1:3 -o states.csv --plot nile.png
  emkernels states animals.csv -k 2:5 --by animal --order time -o states.csv
  emkernels states sleep.csv -k 4 --by night --covariance full
  emkernels states genes.csv -k 2 --symbols base

--json prints: command, input, output, saved (MODEL), plot, rows, sequences, lengths (the shortest
and the longest), gathered (whether rows of one sequence were not together), columns, symbols (a
list of values, or null), time (the name of the column), missing (cells), k, covariance (null for
symbols), criterion, candidates (a list: k, parameters, log_likelihood, bic, aic, converged,
iterations, below (a smaller k that is likelier, else null), collapsed, error, remarks), sizes (rows
in each state), shares, visits (how often a sequence comes into the state), durations (expected rows
of a visit, null for ever), startprob, transmat, means, deviations (a list for each state; null for
symbols), emissionprob (null for numbers), kept (text, empty, constant: names of columns that were
not used), rows_without_values, warnings.
"""

import math
import warnings

import numpy as np

import emkernels
from emkernels._extras import optional
from emkernels.cli import _hidden as hidden
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._fits import Fits
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, about, count, listed, say_left_out
from emkernels.cli._plots import write_plot
from emkernels.cli._rewriting import write_table
from emkernels.cli._series import described, read_series
from emkernels.cli._tables import open_table

PACKAGES = ("pandas", "pyarrow", "rich")
COVARIANCES = ("diag", "full", "tied", "spherical")
# of more symbols the likeliest so many are shown
MOST_SYMBOLS = 30


def add_arguments(parser):
    options_of.add_table(parser)
    hidden.add_output(parser, "state", "states", "the first column over time, and the states")
    group = parser.add_argument_group("sequences")
    group.add_argument("--by", metavar="A", default=None,
                       help="the column that says which sequence a row belongs to")
    group.add_argument("--order", metavar="A", default=None,
                       help="the column (numbers, or texts that sort as dates do) that says in "
                            "which order the rows of a sequence are (default: that of the file)")
    group.add_argument("--symbols", metavar="A", default=None,
                       help="a column whose values are symbols, in place of columns of numbers")
    group = parser.add_argument_group("states")
    group.add_argument("-k", "--states", type=options_of.sizes, required=True, metavar="K",
                       help="how many: 3, or 2:5 (both included), or 2,4")
    group.add_argument("--covariance", choices=COVARIANCES, default=None,
                       help="of the columns within a state: diag (independent, default), full, "
                            "tied (the same in all states), spherical")
    group.add_argument("--criterion", choices=("bic", "aic"), default="bic",
                       help="what chooses among several: bic (default), or aic, which takes more")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin N times, keep the likeliest (default 16; of --symbols 20)")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="stop when the log-likelihood of a row grows by less (default 1e-8)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations (default 1000)")
    options_of.add_common(parser)


def run(options, console):
    """States of one table."""
    if options.symbols is not None and options.covariance is not None:
        raise CommandError("--covariance is for columns of numbers, not for --symbols")
    hidden.check_output(options)
    source = open_table(options, again=True)
    hidden.check_new_names(source, options, max(options.states))
    series = read_series(source, options, console)
    n_rows = len(series.order)
    check_fits(source.path, 16 * n_rows * (max(options.states) + 1), "use fewer -k")
    with about(source.path):
        best, candidates = _fitted(options, console, series)
        X = series.data()
        path = np.asarray(best.decode(X, series.lengths)[1])
        resp = np.minimum(best.predict_proba(X, series.lengths), 1)     # but for rounding
    best.table_ = series.told(options)
    saving.write(options, best, console)
    if options.output is not None:
        added = hidden.new_columns(hidden.names_of(options, resp.shape[1]),
                                   series.as_in_file(path), series.as_in_file(resp))
        write_table(options, source, series.numbers, [[(series.numbers.X, None, added)]],
                    carry=hidden.carries(options))
    write_plot(options, lambda ax: _draw(ax, best, X, series), (10, 3.4))
    result = {
        "input": options.input, "output": options.output, "saved": options.save,
        "plot": options.plot, "rows": n_rows,
        "sequences": len(series.lengths),
        "lengths": [int(series.lengths.min()), int(series.lengths.max())],
        "gathered": series.gathered, "columns": series.columns,
        "symbols": None if series.symbols is None else series.symbols.levels,
        "time": series.time_name, "missing": int(series.gaps.sum()),
        "criterion": options.criterion, "candidates": candidates,
        **_of_states(best, path, series, options),
        "kept": {"text": [name for name in series.numbers.text
                          if name not in (options.by, options.order, *series.columns)],
                 "empty": series.numbers.empty, "constant": series.constant},
        "rows_without_values": int(series.gaps.all(axis=1).sum())}
    _report(console, result, series)
    return result


def _model(k, options, series, callback):
    given = {"n_init": options.starts, "tol": options.tol, "max_iter": options.max_iter}
    parameters = {"random_state": options.seed, "n_threads": options.threads,
                  "callback": callback,
                  **{name: value for name, value in given.items() if value is not None}}
    if series.symbols is not None:
        return emkernels.CategoricalHMM(k, n_symbols=len(series.symbols.levels), **parameters)
    return emkernels.GaussianHMM(k, covariance_type=options.covariance or "diag",
                                 reg_covar="auto", **parameters)


def _fitted(options, console, series):
    """The best of all candidates, and what became of each."""
    X, lengths, fits, rows = series.data(), series.lengths, [], []
    convergence = optional("sklearn.exceptions", "states", "cli").ConvergenceWarning
    with console.progress("fitting", total=len(options.states)) as bar:
        names = iter([count(k, "state") for k in options.states])
        callback = None if bar.callback is None else Fits(bar, lambda _: next(names, ""))
        for k in options.states:
            model = _model(k, options, series, callback)
            row = {"k": k, "parameters": None, "log_likelihood": None, "bic": None, "aic": None,
                   "converged": False, "iterations": 0, "below": None, "collapsed": False,
                   "error": None, "remarks": ""}
            rows.append(row)
            # the table says it of each, and below it is said of the best
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    model.fit(X, lengths=lengths)
                except emkernels.em.DegenerateFitError as error:
                    row["error"] = str(error)
                    continue
            said = [str(each.message) for each in caught
                    if not issubclass(each.category, convergence)]
            total, p = model.score(X, lengths), model.n_parameters_
            row.update(parameters=p, converged=model.converged_,
                       collapsed=any(text.startswith("collapsed") for text in said),
                       log_likelihood=total, bic=-2 * total + p * math.log(len(X)),
                       aic=-2 * total + 2 * p, iterations=model.n_iter_)
            fits.append((row, model.set_params(callback=None), said))
    if not fits:
        raise CommandError(f"{options.input}: no model could be fitted; the last: "
                           f"{rows[-1]['error']}")
    for row, *_ in fits:
        likelier = [other["k"] for other, *_ in fits if other["k"] < row["k"]
                    and row["log_likelihood"] < other["log_likelihood"]
                    - 1e-3 - 1e-9 * abs(other["log_likelihood"])]
        row["below"] = min(likelier, default=None)
        remarks = ["not converged"] * (not row["converged"])
        if row["below"]:
            remarks.append(f"a poor maximum: likelier with {row['below']}")
        remarks += ["collapsed"] * row["collapsed"]
        row["remarks"] = "; ".join(remarks)
    row, best, said = min(fits, key=lambda each: each[0][options.criterion])
    k = row["k"]
    for text in said:       # what there is to do about it has other names here
        console.warn(f"{options.input}: {text.split('. Use ')[0].split(': use ')[0]}")
    if not row["converged"]:
        console.warn(f"{options.input}: EM with {count(k, 'state')} did not converge in "
                     f"{count(row['iterations'], 'iteration')}: a larger --max-iter gives it more")
    edge = {max(options.states): "largest that was tried: there may be more",
            min(options.states): "smallest that was tried: there may be fewer"}.get(k)
    if len(options.states) > 1 and edge and k > 1:
        console.warn(f"{options.input}: the number of states chosen, {k}, is the {edge}")
    return best, rows


def _of_states(model, path, series, options):
    """What there is to say of each state."""
    k = len(model.transmat_)
    sizes = np.bincount(path, minlength=k)
    begins = np.ones(len(path), bool)
    begins[1:] = np.diff(path) != 0
    begins[np.cumsum(series.lengths)[:-1]] = True
    stay = np.diagonal(model.transmat_)
    found = {"k": k, "covariance": None, "sizes": sizes, "shares": sizes / len(path),
             "visits": np.bincount(path[begins], minlength=k),
             "durations": [None if p >= 1 else float(1 / (1 - p)) for p in stay],
             "startprob": model.startprob_, "transmat": model.transmat_, "means": None,
             "deviations": None, "emissionprob": None}
    if series.symbols is not None:
        found["emissionprob"] = model.emissionprob_
    else:
        found["covariance"], found["means"] = options.covariance or "diag", model.means_
        found["deviations"] = np.sqrt(np.diagonal(model.covars_, axis1=1, axis2=2))
    return found


def _draw(ax, model, X, series):
    times = series.times
    emkernels.plotting.plot_states(model, X, series.lengths, times=times, ax=ax)
    if times is not None:
        ax.set_xlabel(series.time_name)
    if series.symbols is not None:
        names = series.symbols.shown()
        ax.set_ylabel(series.symbols.name)
        if len(names) <= 40:
            ax.set_yticks(range(len(names)), names)


def _report(console, result, series):
    names, missing = result["columns"], result["missing"]
    console.say(f"{result['input']}: {described(series)}, {count(len(names), 'column')} used "
                f"({listed(names)})" + (f", {count(missing, 'value')} missing" if missing else ""))
    if series.symbols is not None:
        symbols = series.symbols.shown()
        console.say(f"{count(len(symbols), 'symbol')}: {listed(symbols, 12)}")
    console.say()
    criterion = result["criterion"]
    console.table(
        ["states", "parameters", "log-likelihood", criterion, ""],
        [[c["k"], c["parameters"], f"{c['log_likelihood']:.3f}", f"{c[criterion]:.3f}",
          "; ".join(["chosen"] * (c["k"] == result["k"]) + [c["remarks"]] * bool(c["remarks"]))]
         if not c["error"] else [c["k"], "", "", "", f"no fit: {c['error']}"]
         for c in result["candidates"]], left=(4,))
    console.say()
    states, k = [], result["k"]
    shown = [] if series.symbols is not None else range(min(6, len(names)))
    for c in range(k):
        duration = result["durations"][c]
        states.append([c, result["sizes"][c], f"{100 * result['shares'][c]:.1f} %",
                       result["visits"][c], _duration(duration),
                       *(f"{result[what][c, at]:.5g}" for at in shown
                         for what in ("means", "deviations"))])
    console.table(["state", "rows", "share", "visits", "mean duration",
                   *(text for at in shown for text in (f"mean {names[at]}", "deviation"))], states)
    console.say()
    if series.symbols is not None:
        _report_symbols(console, result, series)
    console.say("from a state (line) to the next (column), per cent; start: of the first rows")
    console.table(["state", "start", *(f"to {c}" for c in range(k))],
                  [[c, f"{100 * result['startprob'][c]:.1f}",
                    *(f"{100 * p:.1f}" for p in result["transmat"][c])] for c in range(k)])
    console.say()
    say_left_out(console, result, "state is told by the rows around")
    if result["plot"]:
        console.say(f"{result['plot']}: written")


def _duration(rows):
    if rows is None:
        return "for ever"
    return f"{rows:.1f}" if rows < 1e6 else "over 1e6"


def _report_symbols(console, result, series):
    symbols, probs = series.symbols.shown(), result["emissionprob"]
    shown = np.arange(len(symbols))
    if len(symbols) > MOST_SYMBOLS:
        shown = np.sort(np.argsort(-probs.max(axis=0), kind="stable")[:MOST_SYMBOLS])
    console.say("how likely each symbol is in each state, per cent"
                + (f"; the likeliest {len(shown)} of {len(symbols)}"
                   if len(shown) < len(symbols) else ""))
    console.table([series.symbols.name, *(f"state {c}" for c in range(result["k"]))],
                  [[symbols[at], *(f"{100 * p:.1f}" for p in probs[:, at])] for at in shown])
    console.say()
