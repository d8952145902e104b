"""Apply a saved model to a table.

MODEL is a file that --save of another command has written, or save(path) in Python. The columns of
the table are found by the names that the model knows, in any order; what else is in the table comes
out as it went in. A model that knows no names takes the columns of numbers in their order, and that
is said; or those of --columns, in the order in which they are named there.

Mixtures (of emkernels cluster) add a column cluster (0, 1, ...; -1 for noise) and cluster_0,
cluster_1, ..., how probable each cluster is for the row; K-means adds cluster alone, and takes no
missing value. Imputers fill in what is missing, by the means and correlations of the table that
they were fitted to. Factors add their scores, factor_1, factor_2, ....

Classes and states add what emkernels classes and emkernels states do: class (or state),
class_probability, class_0, class_1, .... An answer that the model does not know is an error, which
names its line; --missing-values takes it for missing. Sequences are found by the columns that
emkernels states had (--by, --order, --symbols), which the model remembers, or by those that are
named here; a sequence that the model holds impossible has the state -1.

examples:
  emkernels cluster survey.csv -k 1:6 --save groups.emk
  emkernels predict groups.emk new.csv -o labelled.csv
  emkernels impute survey.csv -o complete.csv --save filler.emk
  emkernels predict filler.emk new.csv -o complete-new.csv
  emkernels classes votes.csv -k 2 --save blocs.emk
  emkernels predict blocs.emk other-votes.csv -o blocs.csv
  cat new.csv | emkernels predict groups.emk - -o - | head

--json prints: command, model (the class), file, input, output, rows, columns (the names used),
matched (by name, or position: the model knows no names), missing (cells), added (names of new
columns), filled (cells; of an imputer, else null), sizes (rows of each cluster, class or state,
else null), noise (rows in no cluster; null without noise), and of states, else null: sequences (how
many), by, order (names of columns), impossible (rows of sequences that are);
rows_without_values, warnings.
"""

import numpy as np

from emkernels.cli import _hidden as hidden
from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._again import by_position, classes_again, states_again
from emkernels.cli._formats import FORMATS, STREAM
from emkernels.cli._messages import CommandError, about, count, listed, quoted
from emkernels.cli._rewriting import check_names, write_table
from emkernels.cli._tables import check_target, open_table, read_numbers

PACKAGES = ("pandas", "pyarrow", "rich")
NAMES = {"clusters": "cluster", "factors": "factor", "values": None, "classes": "class",
         "states": "state"}
AGAIN = {"classes": classes_again, "states": states_again}


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL",
                        help="file of a model, from --save or from save(path) in Python")
    options_of.add_table(parser)
    group = options_of.add_output(parser, FORMATS, note="; - is standard output")
    group.add_argument("--only-labels", action="store_true",
                       help="write the new columns alone (not for imputers)")
    group.add_argument("--name", default=None, metavar="NAME",
                       help="name of the column of labels, and how the names of the others begin "
                            "(default: cluster, factor, class, state)")
    group = parser.add_argument_group("sequences, of a model of states")
    group.add_argument("--by", metavar="A", default=None,
                       help="the column that says which sequence a row belongs to (default: that "
                            "of emkernels states, where the table has it)")
    group.add_argument("--order", metavar="A", default=None,
                       help="the column that says in which order the rows of a sequence are")
    group.add_argument("--symbols", metavar="A", default=None,
                       help="the column of symbols")
    options_of.add_common(parser, seed=False)


def run(options, console):
    """Predictions for one table."""
    check_target(options, options.model)
    if options.name is not None and not options.name.strip():
        raise CommandError("--name needs a name")
    model = saving.read(options.model)
    if hasattr(model, "set_output"):
        model.set_output(transform="default")   # files are written of arrays
    kind = _kind(model)
    if kind == "values" and (options.only_labels or options.name is not None):
        raise CommandError(f"{options.model}: is an imputer, which adds no column: --only-labels "
                           "and --name are not for it")
    for option in ("by", "order", "symbols"):
        if kind != "states" and getattr(options, option) is not None:
            raise CommandError(f"{options.model}: is a {type(model).__name__}: --{option} is for "
                               "models of states")
    if options.threads is not None:
        model.set_params(n_threads=options.threads)
    carry = not options.only_labels
    source = open_table(options, again=carry or kind == "states")
    # symbols are found by another option
    names = None if hasattr(model, "emissionprob_") else _names(options, model, source)
    name = options.name or NAMES[kind]
    added = _added_names(model, kind, name)
    if carry:
        check_names(source, added, "--name says another for the new one")
    if kind in AGAIN:
        found = AGAIN[kind](source, options, model, names, console)
        with about(source.path):
            write_table(options, source, found.numbers, [found.parts(added)], carry=carry)
        return _told(options, console, model, found.numbers.n_rows, found.names, found.n_missing,
                     added, sizes=found.sizes, what=NAMES[kind], **found.facts)
    numbers = read_numbers(source, options, console, copies=4, least_rows=1, identifiers=False,
                           blocks=False, empty_too=True)
    if names is None:
        names = by_position(options, model, numbers.names, console, "number")
    if kind == "clusters" and not hasattr(model, "score_samples") and (
            numbers.incomplete is not None):
        raise CommandError(f"{options.input}: column {quoted(numbers.incomplete)} has missing "
                           "values, and K-means needs them all; emkernels impute fills them in")
    found = _Found(model, kind, numbers, names, added)
    with about(source.path), console.progress("predicting"):
        write_table(options, source, numbers, [found.parts()], carry=carry)
    return _told(options, console, model, numbers.n_rows, names, int(numbers.n_missing.sum()),
                 added, sizes=found.sizes, filled=found.filled, noise=found.noise,
                 rows_without_values=found.n_without)


def _kind(model):
    """What the model says of rows."""
    if hasattr(model, "startprob_"):
        return "states"
    if hasattr(model, "response_probs_"):
        return "classes"
    if hasattr(model, "predict"):
        return "clusters"
    return "values" if hasattr(model, "log_likelihood_") else "factors"


def _names(options, model, source):
    """The columns of the model, which are to be read; None where it knows none, nor the user."""
    known = getattr(model, "feature_names_in_", None)
    if known is None and options.columns is not None:
        # in the order in which they are said
        names = [name for name in dict.fromkeys(options.columns)
                 if name not in (options.ignore or [])]
        if len(names) != model.n_features_in_:
            raise CommandError(
                f"{options.model}: was fitted to {count(model.n_features_in_, 'column')} without "
                f"names, and --columns says {listed([quoted(name) for name in names])}")
        return names
    if known is None:
        return None
    if options.columns is not None or options.ignore:
        raise CommandError(f"{options.model}: knows its columns by name: --columns and --ignore "
                           "are for models that do not")
    names = [str(name) for name in known]
    lacking = [name for name in names if name not in source.names]
    if lacking:
        raise CommandError(
            f"{source.path}: has no column {listed([quoted(name) for name in lacking])}, which "
            f"{options.model} was fitted to")
    options.columns = names
    return names


def _added_names(model, kind, name):
    if kind == "values":
        return []
    if kind in AGAIN:
        k = len(model.startprob_ if kind == "states" else model.weights_)
        return hidden.added_names(name, k)
    if kind == "factors":
        return [f"{name}_{j + 1}" for j in range(len(model.components_))]
    if not hasattr(model, "predict_proba"):
        return [name]
    k = len(model.means_)
    noise = len(model.weights_) > k
    return [name, *(f"{name}_{c}" for c in range(k)), *[f"{name}_noise"] * noise]


class _Found:
    """What the model says, part by part, and how often.

    Attributes
    ----------
    sizes : list of int or None
        Rows of each cluster, when all parts were taken.
    noise : int or None
    filled : int or None
        Cells.
    n_without : int
        Rows without a value in the columns of the model.
    """

    def __init__(self, model, kind, numbers, names, added):
        self.model, self.kind, self.numbers, self.added = model, kind, numbers, added
        self.order = [numbers.names.index(name) for name in names]
        self.named = hasattr(model, "feature_names_in_")
        centers = getattr(model, "cluster_centers_", getattr(model, "means_", ()))
        clusters, self.filled = kind == "clusters", 0 if kind == "values" else None
        self.sizes = np.zeros(len(centers), np.int64) if clusters else None
        noise = clusters and any(name.endswith("_noise") for name in added)
        self.noise = 0 if noise else None
        self.n_without = 0

    def parts(self):
        """Parts of the table, filled in or with what is new."""
        for X in self.numbers.parts():
            self.n_without += int(np.isnan(X[:, self.order]).all(axis=1).sum())
            if self.kind == "values":
                yield X, self._completed(X), {}
                continue
            rows = self._rows(X)
            if self.kind == "factors":
                values = list(self.model.transform(rows).T)
            else:
                labels = self.model.predict(rows).astype(np.int64)
                self.sizes += np.bincount(labels[labels >= 0], minlength=len(self.sizes))
                if self.noise is not None:
                    self.noise += int((labels < 0).sum())
                values = [labels]
                if len(self.added) > 1:
                    values += list(self.model.predict_proba(rows).T)
            yield X, None, dict(zip(self.added, values, strict=True))

    def _rows(self, X):
        """The values in the order of the model, as it wants them."""
        X = X[:, self.order]
        return self.numbers.framed(X, self.model.feature_names_in_) if self.named else X

    def _completed(self, X):
        """The values with those of the model where there are none; what it left out stays."""
        rows, marker = X[:, self.order], self.model.missing_values
        if isinstance(marker, (int, float)) and not np.isnan(marker):
            rows = np.where(np.isnan(rows), marker, rows)
        frame = self.numbers.framed(rows, self.model.feature_names_in_) if self.named else rows
        found = np.asarray(self.model.transform(frame))
        names = list(self.model.get_feature_names_out())
        own = list(self.model.feature_names_in_) if self.named else [
            f"x{j}" for j in range(len(self.order))]
        out = X.copy()
        for j, name in zip(self.order, own, strict=True):
            if name in names:
                gaps = np.isnan(X[:, j])
                out[gaps, j] = found[gaps, names.index(name)]
                self.filled += int(gaps.sum())
        return out


def _told(options, console, model, n_rows, names, n_missing, added, *, what="cluster", **facts):
    """The result, which is reported."""
    nothing = dict.fromkeys(
        ("filled", "sizes", "noise", "sequences", "by", "order", "impossible"))
    result = {
        "model": type(model).__name__, "file": options.model, "input": options.input,
        "output": options.output, "rows": n_rows, "columns": names,
        "matched": "name" if hasattr(model, "feature_names_in_") else "position",
        "missing": n_missing, "added": added, **nothing, **facts}
    _report(console, result, what)
    return result


def _report(console, result, what):
    console.say(f"{result['input']}: {count(result['rows'], 'row')}, "
                f"{count(len(result['columns']), 'column')} of {result['file']} (a "
                f"{result['model']}), matched by {result['matched']}"
                + (f", {count(result['missing'], 'value')} missing" if result["missing"] else ""))
    if result["sizes"] is not None:
        console.say()
        lines = list(enumerate(result["sizes"]))
        if result["noise"] is not None:
            lines.append(("noise", result["noise"]))
        console.table([what, "rows", "share"], [
            [k, n, f"{100 * n / result['rows']:.1f} %"] for k, n in lines])
        console.say()
    if result["filled"] is not None:
        console.say(f"{count(result['filled'], 'value')} filled in")
    n = result["rows_without_values"]
    if n:
        console.say(f"{count(n, 'row')} without any value: what the model says of "
                    f"{'it' if n == 1 else 'them'} rests on "
                    + ("the rows beside" if result["sequences"] is not None else "its weights and "
                       "means alone"))
    output = "standard output" if result["output"] == STREAM else result["output"]
    console.say(f"{output}: written")
