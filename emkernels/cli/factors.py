"""Find the factors behind the columns of a table.

Factor analysis: the columns of numbers vary together because a few factors, which nobody has
measured, are behind them, and each has variance of its own besides. Fits one number of factors, or
each of several (-k 1:6): the Bayesian information criterion chooses, the lower the better. Rows
with missing values take part by what they have (maximum likelihood, values missing at random).

The table of loadings says how much of each factor is in each column: those of standardised columns,
so that they are between -1 and 1 where factors are uncorrelated; small ones are left blank. The
communality is the share of a column's variance that the factors explain, the uniqueness what is
left. --rotation makes loadings simple, without any change of the fit: varimax (factors stay
uncorrelated) and oblimin (they may correlate) are the usual ones. A column that the factors explain
entirely (a Heywood case) is named: its uniqueness is at its bound, and often there are too many
factors.

OUT is the table with columns more: factor_1, factor_2, ..., the scores of each row, which have the
mean 0 and are in standard deviations of the factor. Without -o the tables are only printed.

--parallel compares the eigenvalues of the correlations with those of random tables with the same
gaps (parallel analysis); without -k it chooses how many factors there are. --noise isotropic is
probabilistic principal components: every column has the same noise variance, so that units matter;
--standardize is usually wanted with it, and with diagonal noise makes no difference.

examples:
  emkernels factors survey.csv -k 1:6 --rotation varimax -o scores.csv
  emkernels factors survey.csv --parallel --rotation oblimin --cutoff 0.4
  emkernels factors survey.csv -k 5 --rotation promax --scores bartlett -o scores.csv --only-scores
  emkernels factors spectra.parquet -k 3 --noise isotropic --standardize

--json prints: command, input, output, saved (MODEL), rows, columns (the names used), missing
(cells), standardized, noise, rotation (null for none), kaiser (null: as the rotation has it),
scores, k, chosen_by (bic, parallel, or null for one -k), candidates (a list: k, parameters,
degrees_of_freedom, log_likelihood, bic, aic, converged, iterations, heywood (names of columns),
below (a smaller k that is likelier, else null), error, remarks), parallel (null without;
n_components, eigenvalues, thresholds, means, percentile, n_draws), loadings (a list of numbers for
each column), communalities, uniquenesses (of each column), sums_of_squares (of each factor's
loadings), correlations (of the factors), heywood (names of columns), score_r2 (of each factor: what
share of its variance the regression scores of a row without gaps know), kept (text, empty,
constant: names of columns that were not used), rows_without_values, warnings.
"""

import argparse

import numpy as np

import emkernels
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._fits import Fits
from emkernels.cli._formats import FORMATS
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, about, count, listed, quoted, say_left_out
from emkernels.cli._rewriting import check_names, write_table
from emkernels.cli._tables import (
    check_target,
    open_table,
    read_numbers,
)

PACKAGES = ("pandas", "pyarrow", "rich")
ROTATIONS = ("none", "varimax", "quartimax", "promax", "oblimin")


def _share(text):
    """A number between 0 and 1, without them."""
    value = options_of.real(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f"needs a number above 0 and below 1, got {text!r}")
    return value


def add_arguments(parser):
    options_of.add_table(parser)
    group = options_of.add_output(
        parser, f"{FORMATS}; - is standard output", required=False,
        note="; without it the tables are only printed")
    group.add_argument("--only-scores", action="store_true",
                       help="write the columns of scores alone")
    group.add_argument("--name", default="factor", metavar="NAME",
                       help="what the columns of scores begin with (default: factor)")
    saving.add_option(group)
    group.add_argument("--scores", choices=("regression", "bartlett"), default=None,
                       help="regression: the means of the factors given the row (default); "
                            "bartlett: unbiased given the factors, and of larger variance")
    group = parser.add_argument_group("factors")
    group.add_argument("-k", "--factors", type=options_of.sizes, default=None, metavar="K",
                       help="how many: 3, or 1:6 (both included), or 2,4; without it --parallel "
                            "says it")
    group.add_argument("--rotation", choices=ROTATIONS, default="none",
                       help="what to do to the loadings (default: none)")
    group.add_argument("--kaiser", choices=("yes", "no"), default=None,
                       help="let all columns count the same in the rotation, whatever their "
                            "communality (default: yes for varimax and promax, else no)")
    group.add_argument("--noise", choices=("diagonal", "isotropic"), default="diagonal",
                       help="diagonal: each column has a noise variance of its own (default); "
                            "isotropic: all have the same")
    group.add_argument("--standardize", action="store_true",
                       help="divide every column by its standard deviation first")
    group.add_argument("--parallel", action="store_true",
                       help="parallel analysis: which eigenvalues of the correlations are above "
                            "those of 95 %% of 100 random tables")
    group.add_argument("--cutoff", type=options_of.real, default=0.3, metavar="C",
                       help="leave loadings blank whose absolute value is less (default 0.3)")
    group.add_argument("--sort", action="store_true",
                       help="put columns together that load the same factor most, in the tables")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin N times, keep the likeliest (default 6)")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="stop when what is left to go is less, in standard deviations of the "
                            "columns (default 0.000001)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations (default 1000)")
    group.add_argument("--min-uniqueness", type=_share, metavar="U",
                       help="least share of a column's variance that is its own (default 1e-8; R's "
                            "factanal has 0.005)")
    options_of.add_common(parser)


def run(options, console):
    """Factors of one table."""
    _check(options)
    carry = options.output is not None and not options.only_scores
    source = open_table(options, again=carry)
    numbers = read_numbers(source, options, console, copies=5 + options.standardize, least_rows=3)
    constant = numbers.constant if options.columns is None else []
    if len(constant) == len(numbers.names):
        raise CommandError(f"{source.path}: every column of numbers has one value only: there is "
                           "nothing for factors to explain")
    numbers = numbers.without(constant)
    n_rows, n_columns = numbers.X.shape
    if n_columns < 2:
        raise CommandError(f"{source.path}: one column of numbers is used "
                           f"({quoted(numbers.names[0])}), and factors are behind several")
    if options.factors is not None and max(options.factors) >= n_columns:
        raise CommandError(f"{source.path}: -k {max(options.factors)} is too many for the "
                           f"{n_columns} columns that are used: fewer factors than columns")
    rows = numbers.rows(_scaled(numbers.X) if options.standardize else numbers.X)
    with about(source.path):
        parallel = _parallel(options, console, rows)
        found = _fitted(options, console, rows, parallel)
    saving.write(options, found["best"], console)
    best, shown = found["best"], [f"{options.name}_{j + 1}" for j in range(found["k"])]
    if carry:
        check_names(source, shown, "--name says another beginning for the new ones")
    if options.output is not None:
        check_fits(source.path, n_rows * found["k"] * 8, "use fewer factors")
        scores = best.transform(rows)
        added = {name: scores[:, j] for j, name in enumerate(shown)}
        write_table(options, source, numbers, [[(numbers.X, None, added)]], carry=carry)
    result = {
        "input": options.input, "output": options.output, "saved": options.save, "rows": n_rows,
        "columns": numbers.names, "missing": int(numbers.n_missing.sum()),
        "standardized": options.standardize, "noise": options.noise, "rotation": best.rotation,
        "kaiser": best.kaiser, "scores": best.scores,
        **{key: found[key] for key in ("k", "chosen_by", "candidates")}, "parallel": parallel,
        **_of_standardised(best, numbers.names),
        "kept": {"text": list(numbers.text), "empty": numbers.empty, "constant": constant},
        "rows_without_values": int(numbers.gaps.all(axis=1).sum())}
    _report(console, result, options)
    return result


def _check(options):
    if options.factors is None and not options.parallel:
        raise CommandError("factors needs -k K, or --parallel to find out how many (see emkernels "
                           "factors --help)")
    if options.kaiser is not None and options.rotation == "none":
        raise CommandError("--kaiser is for a --rotation")
    saving.check(options)
    if options.output is None:
        for name in ("only_scores", "force", "scores"):
            if getattr(options, name) and not (name == "force" and options.save):
                raise CommandError(f"--{name.replace('_', '-')} needs -o OUT")
        return
    if not options.name.strip():
        raise CommandError("--name needs a name")
    check_target(options)


def _scaled(X):
    """X in standard deviations of what is observed."""
    scale = np.nanstd(X, axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    return (X / scale).astype(X.dtype, copy=False)


def _parallel(options, console, rows):
    """What parallel analysis finds, or None."""
    if not options.parallel:
        return None
    with console.progress("drawing tables"):
        found = emkernels.parallel_analysis(
            rows, random_state=options.seed, n_threads=options.threads)
    if found.n_components == 0 and options.factors is None:
        raise CommandError(f"{options.input}: no eigenvalue is above those of random tables: no "
                           "factor is behind the columns; -k fits some anyway")
    return {name: getattr(found, name) for name in (
        "n_components", "eigenvalues", "thresholds", "means", "percentile", "n_draws")}


def _parameters(options):
    given = {"n_init": options.starts, "tol": options.tol, "max_iter": options.max_iter,
             "min_uniqueness": options.min_uniqueness, "scores": options.scores}
    return {"random_state": options.seed, "n_threads": options.threads, "noise": options.noise,
            "acceleration": "squarem",      # many gaps take EM hundreds of iterations
            "rotation": None if options.rotation == "none" else options.rotation,
            "kaiser": {"yes": True, "no": False, None: None}[options.kaiser],
            **{name: value for name, value in given.items() if value is not None}}


def _fitted(options, console, rows, parallel):
    """The best of all candidates, and what became of each."""
    several = options.factors or [min(parallel["n_components"], rows.n_features - 1)]
    parameters = _parameters(options)
    with console.progress("fitting", total=len(several)) as bar:
        if bar.callback is not None:
            names = iter([count(k, "factor") for k in several])
            parameters["callback"] = Fits(bar, lambda _: next(names, ""))
        selection = emkernels.select_factors(rows, several, **parameters)
    candidates = [
        {"k": row["n_components"], "parameters": row["n_parameters"], "iterations": row["n_iter"],
         **{key: row[key] for key in ("degrees_of_freedom", "log_likelihood", "bic", "aic",
                                      "converged", "heywood", "below", "error")},
         "remarks": selection.remarks(row)} for row in selection.table]
    best = selection.best.set_params(callback=None)
    return {"k": best.n_components, "best": best, "candidates": candidates,
            "chosen_by": "bic" if len(several) > 1 else None if options.factors else "parallel"}


def _of_standardised(model, names):
    """The factors as they are behind columns of variance 1."""
    loadings = model.standardized_components_.T
    return {"loadings": loadings, "communalities": model.communalities_,
            "uniquenesses": 1 - model.communalities_,
            "sums_of_squares": np.square(loadings).sum(axis=0),
            "correlations": model.factor_correlation_,
            "heywood": [names[j] for j in model.heywood_],
            "score_r2": 1 - np.diagonal(model.posterior_covariance())}


def _report(console, result, options):
    names, missing = result["columns"], result["missing"]
    console.say(
        f"{result['input']}: {count(result['rows'], 'row')}, {count(len(names), 'column')} used "
        f"({listed(names)})")
    if missing:
        console.say(f"{count(missing, 'value')} of {result['rows'] * len(names)} missing "
                    f"({100 * missing / (result['rows'] * len(names)):.3g} %): rows count by what "
                    "they have, as is right where values are missing at random")
    console.say()
    if result["parallel"]:
        _report_parallel(console, result["parallel"])
    if len(result["candidates"]) > 1:
        console.table(
            ["factors", "parameters", "df", "log-likelihood", "bic", ""],
            [[c["k"], c["parameters"], c["degrees_of_freedom"], f"{c['log_likelihood']:.3f}",
              f"{c['bic']:.3f}", _remark(c, c["k"] == result["k"])] if not c["error"] else
             [c["k"], "", c["degrees_of_freedom"], "", "", f"no fit: {c['error']}"]
             for c in result["candidates"]],
            left=(5,))
        console.say()
    _report_loadings(console, result, options.cutoff, options.sort)
    say_left_out(console, result, "scores are 0")


def _remark(candidate, chosen):
    remarks = ["chosen"] * chosen
    remarks += ["not converged"] * (not candidate["converged"])
    remarks += [candidate["remarks"]] * bool(candidate["remarks"])
    return ", ".join(remarks)


def _report_parallel(console, parallel):
    n = parallel["n_components"]
    console.say(f"parallel analysis: {count(n, 'component')} above {parallel['percentile']:g} % of "
                f"{parallel['n_draws']} random tables")
    shown = range(min(len(parallel["eigenvalues"]), n + 3))
    console.table(
        ["component", "eigenvalue", "mean of tables", f"{parallel['percentile']:g} % of tables",
         ""],
        [[j + 1, *(f"{parallel[name][j]:.4f}" for name in ("eigenvalues", "means", "thresholds")),
          "above" if j < n else ""] for j in shown], left=(4,))
    console.say()


def _report_loadings(console, result, cutoff, sort):
    k, loadings, names = result["k"], result["loadings"], result["columns"]
    order = np.arange(len(names))
    if sort:
        order = np.lexsort((-np.abs(loadings).max(axis=1), np.abs(loadings).argmax(axis=1)))
    factors = [f"factor {j + 1}" for j in range(k)]
    how = [result["rotation"] or "unrotated"]
    if result["kaiser"] is not None:
        how.append(f"{'with' if result['kaiser'] else 'without'} Kaiser's normalisation")
    if result["noise"] == "isotropic":
        how.append("one noise variance")
    console.say(f"loadings on {count(k, 'factor')} ({', '.join(how)})"
                + (f"; those below {cutoff:g} are blank" if cutoff > 0 else ""))
    rows = [[names[j], *("" if abs(value) < cutoff else f"{value:.3f}" for value in loadings[j]),
             f"{result['communalities'][j]:.3f}", f"{result['uniquenesses'][j]:.3f}"]
            for j in order]
    squares, oblique = result["sums_of_squares"], _is_oblique(result)
    rows.append(["sum of squares", *(f"{value:.3f}" for value in squares), "", ""])
    if not oblique:
        varying = max(1, np.count_nonzero(loadings.any(axis=1)))    # others have no variance
        rows.append(["share of variance", *(f"{100 * v / varying:.1f} %" for v in squares),
                     f"{100 * result['communalities'].sum() / varying:.1f} %", ""])
    rows.append(["R2 of scores", *(f"{value:.3f}" for value in result["score_r2"]), "", ""])
    console.table(["column", *factors, "communality", "uniqueness"], rows)
    console.say()
    if oblique:
        console.say("correlations of the factors")
        console.table(
            ["", *factors],
            [[name, *(f"{value:.3f}" for value in row[:i + 1]), *([""] * (k - i - 1))]
             for i, (name, row) in enumerate(zip(factors, result["correlations"]))])
        console.say()


def _is_oblique(result):
    return not np.array_equal(result["correlations"], np.eye(result["k"]))
