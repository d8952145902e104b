"""Figures and tables that are made at the build: what the numerics page claims, measured here and
now, and the curves of `benchmarks.json`, measured by `benchmarks/curves.py`."""

import json
from pathlib import Path

import matplotlib as mpl
import numerics
from api_pages import keep
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emkernels.plotting import PALETTE

CONTENDERS = {"emkernels": (PALETTE[0], "o"), "oneDAL": (PALETTE[1], "s"),
              "scikit-learn": (PALETTE[5], "^")}
AXES = {"rows": "rows", "columns": "columns", "components": "components K", "threads": "threads"}
TITLES = {"mixture": "An EM iteration of a Gaussian mixture", "kmeans": "A whole fit of K-means"}


def _save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    # without the date and the version of matplotlib: the same bytes from the same numbers
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _table(headers, rows):
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""])


# --- benchmarks ----------------------------------------------------------------------------

def _time(seconds):
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _ratio(seconds, name):
    """As text; a time within the noise is None, and one that was not measured is not there."""
    theirs, ours = seconds.get(name), seconds["emkernels"]
    return f"{theirs / ours:.2g}x" if theirs and ours else "-"


def curves(kept, folder):
    """A picture for each kind of fit, of four log-log axes, and the text below it."""
    parts = []
    for task, sweeps in kept["curves"].items():
        figure = Figure(figsize=(9, 7), layout="constrained")
        for ax, (along, points) in zip(figure.subplots(2, 2).flat, sweeps.items()):
            for name, (color, marker) in CONTENDERS.items():
                line = [(p["at"], p["seconds"][name]) for p in points if p["seconds"].get(name)]
                if line:
                    ax.loglog(*zip(*line), color=color, marker=marker, label=name)
            ticks = [p["at"] for p in points]
            ax.set_xticks(ticks, [f"{t:,}" for t in ticks])
            ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
            ax.set(xlabel=AXES[along], ylabel="seconds", title=points[0]["others"])
            ax.grid(alpha=0.3, which="both")
        figure.legend(handles=[Line2D([], [], color=color, marker=marker, label=name)
                               for name, (color, marker) in CONTENDERS.items()
                               if any(p["seconds"].get(name) for points in sweeps.values()
                                      for p in points)], loc="outside upper center", ncols=3)
        _save(figure, folder / f"curves_{task}.png")
        rows = [[AXES[along], f"{p['at']:,}", *(_time(p["seconds"].get(n)) for n in CONTENDERS),
                 *(_ratio(p["seconds"], n) for n in list(CONTENDERS)[1:])]
                for along, points in sweeps.items() for p in points]
        headers = ["along", "at", *CONTENDERS, "oneDAL / ours", "scikit-learn / ours"]
        parts += [f"### {TITLES[task]}\n", f"![{TITLES[task]}, seconds](curves_{task}.png)\n",
                  ":::{dropdown} The numbers\n", _table(headers, rows), ":::\n"]
    return "\n".join(parts)


def machine(kept):
    """What was measured with, in a list."""
    versions = ", ".join(f"{name} {v or 'not installed'}" for name, v in kept["versions"].items())
    load = kept["load_before"]
    quick = (":::{warning}\nTiny sizes, once: they show that the script runs, and no speed. Run it "
             "without `--quick`.\n:::\n\n" if "--quick" in kept["script"] else "")
    return (f"{quick}- machine: {kept['machine']}\n"
            f"- versions: {versions}\n"
            f"- date: {kept['date']}\n"
            f"- script: `{kept['script']}`\n"
            f"- load of the machine when it began (mean of a minute): {load:.2f} of "
            f"{kept['processors']} processors; best of rounds: {kept['rounds']}, taking turns\n\n")


# --- numerics ------------------------------------------------------------------------------

def shifts(folder):
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    styles = {"emkernels": ("-", "o"), "scikit-learn": ("--", "^")}
    rows = []
    for ax, (dtype, lines) in zip(axes, numerics.shifts().items()):
        for color, (kind, by_package) in zip((PALETTE[0], PALETTE[1], PALETTE[2]), lines.items()):
            for package, points in by_package.items():
                seen = [(s, max(e, 1e-17)) for s, e in points if e is not None]
                style, marker = styles[package]
                ax.loglog(*zip(*seen), style, color=color, marker=marker, markersize=4,
                          label=f"{package}, {kind}")
                last, error = points[-1]
                rows.append([dtype, kind, package, f"{last:g}",
                             "fails" if error is None else f"{error:.1e}"])
        ax.set(xlabel="shift, in standard deviations", title=dtype)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("relative error of the covariance")
    axes[0].legend(fontsize="small")
    _save(figure, folder / "shift.png")
    return _table(["type", "covariances", "package", "largest shift", "error there"], rows)


def threads():
    return _table(["threads", "emkernels, mixture", "emkernels, K-means",
                   "scikit-learn, mixture", "scikit-learn, K-means"], numerics.threads())


def plans():
    return _table(["covariances, rows x columns, K", "copies of the sums", "all copies",
                   *map(str, numerics.PLANNED_COUNTS)], numerics.plans())


def write(app):
    folder = Path(app.srcdir) / "figures"
    kept = json.loads((Path(app.srcdir) / "benchmarks.json").read_text(encoding="utf-8"))
    keep(folder / "curves.md", machine(kept) + curves(kept, folder))
    if not (folder / "plans.md").exists():       # a clean build begins without it
        keep(folder / "numerics.md", shifts(folder))
        keep(folder / "threads.md", threads())
        keep(folder / "plans.md", plans())


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
