"""See mixtures, clusters, gaps and a photograph on real data.

Eight things on real data, beside scikit-learn and without a network: Gaussian mixtures; K-means and
EM on long clusters; rows far out; values knocked out of tables and restored; the factors of a
psychology table with gaps; classes of members of parliament by their votes; the states of a river;
a photograph in segments. Prints a table of each, and writes them with
pictures into a folder: report.html, which needs no other file, and the pictures as PNG. Times are
the shortest of two to five rounds in which all take turns. Takes half a minute on a quiet machine.

examples:
  emkernels demo
  emkernels demo -o report --seed 7

--json prints: command, emkernels, scikit_learn (versions), threads, output, files, mixtures,
clusters, outliers, imputation, factors, classes, states, photograph (lists, one entry a row of the
table, with its rounds), warnings.
"""

import os
import time
from textwrap import fill

import emkernels
from emkernels._extras import optional
from emkernels.cli import _options as options_of
from emkernels.cli._demo import _report
from emkernels.cli._demo.classes import latent_classes
from emkernels.cli._demo.clusters import clusters
from emkernels.cli._demo.factors import factors
from emkernels.cli._demo.gaps import gaps
from emkernels.cli._demo.mixtures import mixtures
from emkernels.cli._demo.outliers import outliers
from emkernels.cli._demo.photograph import photograph_in_segments
from emkernels.cli._demo.states import states_of_a_river
from emkernels.kernels.dispatch import simd_level
from emkernels.kernels.threads import effective_n_threads

PACKAGES = ()
FOLDER = "emkernels-demo"
WIDTH = 96
FILES = (_report.PAGE, "iris.png", "clusters.png", "outliers.png", "imputation.png",
         "factors.png", "classes.png", "states.png", "photograph-em.png",
         "photograph-kmeans.png", "photograph-smoothed.png")
SECTIONS = (("mixtures", mixtures), ("clusters", clusters), ("outliers", outliers),
            ("missing values", gaps), ("factors", factors),
            ("classes", latent_classes), ("states", states_of_a_river),
            ("photograph", photograph_in_segments))


def add_arguments(parser):
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", metavar="FOLDER", default=None,
                       help=f"folder for the report (default: {FOLDER}, or the first of "
                            f"{FOLDER}-2, -3 ... that does not exist)")
    group.add_argument("--force", action="store_true",
                       help="write over a report that is in FOLDER; other files there stay")
    options_of.add_common(parser)


def run(options, console):
    """Show all sections and write the report."""
    for package in ("rich", "matplotlib", "PIL"):
        optional(package, "emkernels demo", "demo")
    folder = _report.folder_for(options.output, FILES, force=options.force, default=FOLDER)
    sklearn = optional("sklearn", "emkernels demo", "demo").__version__
    photograph = optional("sklearn.datasets", "emkernels demo", "demo").load_sample_image(
        "china.jpg")
    began = time.perf_counter()
    threads = options.threads
    shown = "all" if threads == -1 else threads or effective_n_threads()
    machine = (f"emkernels {emkernels.__version__} ({simd_level()}, threads: {shown}), "
               f"scikit-learn {sklearn}")
    console.say(machine)
    sections = []
    with console.progress("demo", total=len(SECTIONS)) as bar:
        for title, show in SECTIONS:
            bar.rename(title)
            section = show(photograph, options.seed, threads)
            sections.append(section)
            console.say(f"\n{section.title}\n{fill(section.text, WIDTH)}\n")
            console.table(section.heads, section.rows, left=section.left)
            console.say(f"\n{fill(section.verdict, WIDTH)}")
            bar.step()
        pictures = {name: _report.png(figure)
                    for section in sections for name, _, figure in section.pictures}
    page = _report.page("emkernels on real data", machine, sections, pictures)
    _report.write_files(folder, {_report.PAGE: page.encode(), **pictures})
    console.say(f"\n{os.path.join(folder, _report.PAGE)}: written, with {len(pictures)} pictures "
                f"({time.perf_counter() - began:.0f} s)")
    return {"emkernels": emkernels.__version__, "scikit_learn": sklearn, "threads": shown,
            "output": folder, "files": list(FILES),
            **{section.name: section.records for section in sections}}
