"""Divide the rows of a table into clusters.

Fits a mixture of normal distributions to the columns of numbers, for one number of clusters or for
each of several (-k 2:10), and with --covariance full,diag for several shapes of cluster; the
criterion chooses, the lower the better. Rows with missing values take part by what they have.
OUT is the table with columns more: cluster (0, 1, ...), and cluster_0, cluster_1, ..., how
probable each cluster is for the row. Without -o only the choice is printed.

A cluster may collapse onto one value of a column with few different ones, or many zeros: such fits
look better by every criterion the narrower they are, for nothing. They are marked, and not chosen
where there is another. --ignore leaves such columns out, --prior empirical keeps clusters wide.

--noise adds a cluster for rows that belong to none: it is as likely everywhere in a box about the
rows. Such rows have the cluster -1, and a column cluster_noise says how probable that is.

--method t fits mixtures of Student t distributions: clusters with long tails, which a few rows far
out neither move nor widen. Its degrees of freedom say how long: 3 is long, above 30 there are none.

--method mclust is em with --covariance all: every family of shapes, and the criterion chooses.
Fourteen families of each -k, begun 30 times, take a while: --starts 3 is the quick way, about half
of the time and mostly the same choice.

--method kmeans assigns every row to the nearest of -k centres instead; no value may be missing,
and --standardize is usually wanted, as it lets every column count the same. A mixture begins from
standardised columns anyway, and what it finds does not depend on their units, except with
--covariance spherical, which has one deviation for all columns, and EII, VII, EVE, VVE, EEV, VEV.

The fourteen names have a letter each for the volume of a cluster, its shape and the directions of
its axes: E, all clusters have the same, V, each its own; I, none (round; along the columns).
--covariance all tries every one, as mclust does.

examples:
  emkernels cluster iris.csv -k 2:6
  emkernels cluster iris.csv -k 3 -o labelled.csv
  emkernels cluster iris.csv -k 2:6 --covariance full,tied,diag --criterion icl -o labelled.csv
  emkernels cluster iris.csv -k 1:6 --covariance all
  emkernels cluster iris.csv -k 1:6 --model mclust --starts 3
  emkernels cluster iris.csv -k 1:6 --model mclust --noise -o labelled.csv
  emkernels cluster iris.csv -k 2:4 --model t -o labelled.csv
  emkernels cluster iris.csv -k 2:6 --save iris.emk
  emkernels cluster iris.csv -k 3 --method kmeans --standardize -o labels.csv --only-labels

--json prints: command, input, output, saved (MODEL), rows, columns (the names used), standardized,
method, k, covariance, criterion (null for kmeans), candidates (a list: k, covariance, parameters,
log_likelihood, bic, aic, icl, converged, iterations, error, collapsed (numbers of clusters),
collapsed_columns, below (a smaller k that is likelier, else null), remarks; empty for kmeans),
sizes (rows of each cluster), shares (weights of the mixture, or sizes / rows), centers (a list of
numbers for each cluster, in the units of the table), noise (null without --noise; rows, share,
log_density), degrees_of_freedom (of each cluster; t, else null), inertia (kmeans, else null), kept
(text, empty, constant: names of columns that were not used), rows_without_values, warnings.
"""

import warnings

import numpy as np

import emkernels
from emkernels.cli import _blocks as blocks
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._fits import Fits
from emkernels.cli._formats import FORMATS
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, about, count, listed, quoted, say_left_out
from emkernels.cli._rewriting import check_names, write_table
from emkernels.cli._students import students
from emkernels.cli._tables import check_target, open_table, read_numbers

PACKAGES = ("pandas", "pyarrow", "rich")
COVARIANCES = ("full", "tied", "diag", "spherical", "EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE",
               "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV", "all")


def _reg_covar(text):
    return text if text == "auto" else options_of.real(text)


def add_arguments(parser):
    options_of.add_table(parser)
    group = options_of.add_output(
        parser, f"{FORMATS}; - is standard output", required=False,
        note="; without it the choice is only printed")
    group.add_argument("--only-labels", action="store_true",
                       help="write the column of labels alone")
    group.add_argument("--name", default="cluster", metavar="NAME",
                       help="name of the column of labels (default: cluster)")
    saving.add_option(group)
    group = parser.add_argument_group("clusters")
    group.add_argument("-k", "--clusters", type=options_of.sizes, required=True, metavar="K",
                       help="how many: 3, or 2:10 (both included), or 2,4,8")
    group.add_argument("--method", "--model", choices=("em", "mclust", "t", "kmeans"),
                       default="em",
                       help="em: a mixture of normal distributions (default); mclust: the same "
                            "with all shapes; t: of Student t distributions, for outliers")
    group.add_argument("--covariance", type=options_of.choices(COVARIANCES), default=None,
                       metavar="TYPES",
                       help="shape of the clusters: full (default), tied (all the same), diag "
                            "(columns independent), spherical (round), or a name of mclust, as "
                            "VEV; several with commas, and all for mclust's fourteen")
    group.add_argument("--criterion", choices=("bic", "aic", "icl"), default=None,
                       help="what chooses among several: bic (default), aic (takes more clusters) "
                            "or icl (takes fewer, well separated ones)")
    group.add_argument("--standardize", action="store_true",
                       help="divide every column by its standard deviation first")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin N times, keep the best (default 30, compared after a few "
                            "iterations; t 10, kmeans 1); 3 is the quick way for mclust")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="stop when what is left to gain is less (default 0.001: a thousandth "
                            "of a standard deviation; t 1e-8, of the log-likelihood of a row; "
                            "kmeans 0.0001)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations (default 1000, kmeans 300)")
    group.add_argument("--reg-covar", type=_reg_covar, metavar="V",
                       help="added to every variance: a number, or auto (default), a millionth of "
                            "that of the column")
    group.add_argument("--prior", choices=("none", "empirical"), default="none",
                       help="empirical: a prior of the clusters' covariances with the weight of a "
                            "few rows, which keeps them from collapsing (default none)")
    group.add_argument("--noise", action="store_true",
                       help="rows that belong to no cluster may be noise, spread evenly over a box")
    blocks.add_options(parser)
    options_of.add_common(parser)


def run(options, console):
    """Cluster one table."""
    _check(options)
    carry = options.output is not None and not options.only_labels
    source = open_table(options, again=carry)
    if carry:
        added = [options.name] + [f"{options.name}_{c}" for c in range(max(options.clusters))]
        added += [f"{options.name}_noise"] * options.noise
        check_names(source, added, "--name says another for the new one")
    numbers = read_numbers(source, options, console, copies=5 + options.standardize,
                           blocks=blocks.asked(options))
    constant = numbers.constant if options.columns is None else []
    if len(constant) == len(numbers.names):
        raise CommandError(f"{source.path}: every column of numbers has one value only: there is "
                           "nothing to tell rows apart by")
    numbers = numbers.without(constant)
    n_rows = numbers.n_rows
    if max(options.clusters) > n_rows:
        raise CommandError(f"{source.path}: -k {max(options.clusters)} is more than the "
                           f"{count(n_rows, 'row')} of the table")
    shown = options.method != "kmeans" and carry
    if shown:
        check_fits(source.path, min(n_rows, numbers.block_rows) * numbers.dtype.itemsize * (
            max(options.clusters) + options.noise), "use fewer -k, or --only-labels")
    kept = {"text": list(numbers.text), "empty": numbers.empty, "constant": constant}
    if options.method == "kmeans":
        _check_complete(options, numbers)
    change = Standard(numbers) if options.standardize else None
    with about(source.path), blocks.fitting(options, console, numbers, change) as rows:
        fit = {"kmeans": _kmeans, "t": _student}.get(options.method, _mixture)
        found = fit(options, console, rows)
        model = found.pop("model")
    saving.write(options, model, console)
    assigned = Assigned(model, numbers, rows, change, found["k"], shown)
    if options.output is not None:
        with console.progress("writing"):
            write_table(options, source, numbers, [assigned.parts(options.name)], carry=carry)
    else:
        for _ in assigned.parts(options.name):
            pass
    sizes = assigned.sizes
    if found["noise"] is not None:
        found["noise"]["rows"] = n_rows - int(sizes.sum())
    if change is not None:
        found["centers"] = found["centers"] * change.scale + change.center
    if found["shares"] is None:
        found["shares"] = sizes / n_rows
    result = {
        "input": options.input, "output": options.output, "saved": options.save, "rows": n_rows,
        "columns": numbers.names, "standardized": options.standardize, "method": options.method,
        **{key: found[key] for key in ("k", "covariance", "criterion", "candidates")},
        "sizes": sizes,
        **{key: found[key] for key in ("shares", "centers", "noise", "degrees_of_freedom",
                                      "inertia")},
        "kept": kept, "rows_without_values": numbers.n_without}
    _report(console, result, int(numbers.n_missing.sum()))
    return result


def _check(options):
    blocks.check(options)
    if options.method == "kmeans" and len(options.clusters) > 1:
        raise CommandError("--method kmeans takes one -k: it has no likelihood to choose by")
    for name, methods in (("covariance", "em t"), ("criterion", "em mclust t"),
                          ("reg_covar", "em mclust t"), ("prior", "em mclust"),
                          ("noise", "em mclust")):
        given = getattr(options, name) not in (None, False, "none")
        if given and options.method not in methods.split():
            raise CommandError(f"--{name.replace('_', '-')} is for --method "
                               + methods.replace(" ", ", "))
    saving.check(options)
    if options.output is None:
        if options.only_labels or (options.force and options.save is None):
            name = "only-labels" if options.only_labels else "force"
            raise CommandError(f"--{name} needs -o OUT")
        return
    if not options.name.strip():
        raise CommandError("--name needs a name")
    check_target(options)


def _check_complete(options, numbers):
    """CommandError naming the column of the first value that is missing."""
    if numbers.incomplete is not None:
        raise CommandError(
            f"{options.input}: column {quoted(numbers.incomplete)} has missing values, and "
            "--method kmeans needs them all; --method em does without, and emkernels impute fills "
            "them in")


class Standard:
    """Numbers in standard deviations from the means of what is observed.

    Attributes
    ----------
    center, scale : ndarray of shape (n_columns,)
    """

    def __init__(self, numbers):
        if numbers.over_blocks:
            summary = emkernels.data.Chunks(numbers.frames()).summary()
            self.center, self.scale = summary.means, summary.deviations.copy()
        else:
            self.center = np.nanmean(numbers.X, axis=0, dtype=np.float64)
            self.scale = np.nanstd(numbers.X, axis=0, dtype=np.float64)
        self.scale[self.scale == 0] = 1

    def __call__(self, X):
        scaled = X - self.center
        scaled /= self.scale
        return scaled.astype(X.dtype, copy=False)


class Assigned:
    """The clusters of the rows.

    Parameters
    ----------
    model : GaussianMixture, StudentTMixture or KMeans
    numbers : Numbers or Reread
    rows : Rows or Chunks
        What the model was fitted to.
    change : Standard or None
    k : int
    shown : bool
        Whether it is to be said how probable each cluster is.

    Attributes
    ----------
    sizes : ndarray of shape (k,)
        Rows of each cluster, when all parts were taken.
    """

    def __init__(self, model, numbers, rows, change, k, shown):
        self.model, self.numbers, self.rows, self.change = model, numbers, rows, change
        self.sizes, self.shown = np.zeros(k, np.int64), shown

    def parts(self, name):
        """Parts of the table with the new columns, of which `name` is the first."""
        for X in self.numbers.parts():
            rows = self.rows
            if self.numbers.over_blocks:
                rows = self.numbers.rows(X if self.change is None else self.change(X))
            labels = getattr(self.model, "labels_", None)
            if labels is None:
                labels = self.model.predict(rows)
            self.sizes += np.bincount(labels[labels >= 0], minlength=len(self.sizes))
            added = {name: labels.astype(np.int64)}
            if self.shown:
                k, resp = len(self.sizes), self.model.predict_proba(rows)
                names = [f"{name}_{c}" for c in range(k)] + [f"{name}_noise"] * (
                    resp.shape[1] > k)
                added.update(zip(names, resp.T))
            yield X, None, added


def _parameters(options):
    """What the methods have, where it was given."""
    given = {"n_init": options.starts, "tol": options.tol, "max_iter": options.max_iter,
             "reg_covar": options.reg_covar}
    return {"random_state": options.seed, "n_threads": options.threads,
            **{name: value for name, value in given.items() if value is not None}}


def _mixture(options, console, rows):
    """The best of all candidates."""
    types, criterion = options.covariance or ["full"], options.criterion or "bic"
    if options.method == "mclust":
        types = ["all"]
    parameters = _parameters(options)
    if options.prior != "none":
        parameters["covariance_prior"] = options.prior
    if options.noise:
        parameters["noise"] = True
    n_types = len(types) if "all" not in types else len({*types, *COVARIANCES[4:]}) - 1
    with console.progress("fitting", total=n_types * len(options.clusters)) as bar:
        if bar.callback is not None:
            parameters["callback"] = Fits(
                bar, lambda of: f"{len(of.means)} {of.structure.name}")
        with warnings.catch_warnings():
            # the table says it of each candidate, and below it is said of the best
            warnings.filterwarnings("ignore", "Best performing initialization")
            selection = emkernels.select_mixture(
                rows, options.clusters, types, criterion, **parameters)
    best = selection.best.set_params(callback=None)
    if not best.converged_:
        console.warn(f"{options.input}: EM with {count(best.n_components, 'cluster')} did not "
                     f"converge in {count(best.n_iter_, 'iteration')}: a larger --max-iter gives "
                     "it more")
    candidates = [
        {"k": row["n_components"], "covariance": row["covariance_type"],
         "parameters": row["n_parameters"], "iterations": row["n_iter"],
         **{key: row[key] for key in ("log_likelihood", "bic", "aic", "icl", "converged", "error")},
         "collapsed": row["degenerate"], "collapsed_columns": row["degenerate_columns"],
         "below": row["below"], "remarks": selection.remarks(row)}
        for row in selection.table]
    return {"k": best.n_components, "covariance": best.covariance_type, "criterion": criterion,
            "candidates": candidates, "model": best,
            "shares": best.weights_[:best.n_components], "centers": best.means_, "inertia": None,
            "degrees_of_freedom": None,
            "noise": None if not options.noise else {
                "rows": None, "share": best.weights_[-1], "log_density": best.noise_log_density_}}


def _kmeans(options, console, rows):
    """K-means with one number of clusters."""
    parameters = _parameters(options)
    with console.progress("clustering"):
        model = blocks.fitted(emkernels.KMeans(options.clusters[0], **parameters), rows)
    return {"k": model.n_clusters, "covariance": None, "criterion": None, "candidates": [],
            "model": model, "shares": None,
            "centers": model.cluster_centers_.astype(np.float64), "inertia": model.inertia_,
            "noise": None, "degrees_of_freedom": None}


def _student(options, console, rows):
    """The best mixture of Student t."""
    types = options.covariance or ["full"]
    if "all" in types:
        types = list(dict.fromkeys([*(t for t in types if t != "all"), *COVARIANCES[4:-1]]))
    best, candidates = students(options, console, rows, types, _parameters(options))
    return {"k": best.n_components, "covariance": best.covariance_type,
            "criterion": options.criterion or "bic", "candidates": candidates,
            "model": best, "shares": best.weights_, "centers": best.means_, "inertia": None,
            "noise": None, "degrees_of_freedom": best.dfs_}


def _report(console, result, missing):
    console.say(
        f"{result['input']}: {count(result['rows'], 'row')}, "
        f"{count(len(result['columns']), 'column')} used ({listed(result['columns'])})"
        + (f", {count(missing, 'value')} missing" if missing else ""))
    console.say()
    if result["candidates"]:
        criterion = result["criterion"]
        chosen = result["k"], result["covariance"]
        console.table(
            ["clusters", "covariance", "parameters", "log-likelihood", criterion, ""],
            [[c["k"], c["covariance"], c["parameters"], f"{c['log_likelihood']:.3f}",
              f"{c[criterion]:.3f}", _remark(c, (c["k"], c["covariance"]) == chosen)]
             if not c["error"] else [c["k"], c["covariance"], "", "", "", _remark(c, False)]
             for c in result["candidates"]], left=(1, 5))
        console.say()
    else:
        console.say(f"K-means: sum of squared distances {result['inertia']:.6g}")
        console.say()
    shown = range(min(6, len(result["columns"])))
    dfs = result["degrees_of_freedom"]
    tails = [[]] * result["k"] if dfs is None else [
        [f"{df:.3g}" if df < 1000 else "> 1000"] for df in dfs]
    console.table(
        ["cluster", "rows", "weight", *["freedom"] * (dfs is not None),
         *(f"mean {result['columns'][at]}" for at in shown)],
        [[k, n, f"{100 * share:.1f} %", *tails[k], *(f"{center[at]:.5g}" for at in shown)]
         for k, (n, share, center) in enumerate(
             zip(result["sizes"], result["shares"], result["centers"]))]
        + [["noise", noise["rows"], f"{100 * noise['share']:.1f} %", *("" for at in shown)]
           for noise in [result["noise"]] if noise is not None])
    console.say()
    say_left_out(console, result, "cluster is the one with the largest share")


def _remark(candidate, chosen):
    remarks = ["chosen"] if chosen else []
    if candidate["error"]:
        remarks.append(f"no fit: {candidate['error']}")
    else:
        remarks += ["not converged"] * (not candidate["converged"])
        remarks += [candidate["remarks"]] * bool(candidate["remarks"])
    return ", ".join(remarks)
