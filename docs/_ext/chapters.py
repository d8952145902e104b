"""The pages of the guide in their order: those that are named first, then whatever lies beside."""

from pathlib import Path

CHAPTERS = {
    "guide": ["mixtures", "choosing", "mixed", "missing_values", "multiple_imputation",
              "kmeans_or_em", "segmentation", "factors", "latent_classes", "hidden_markov",
              "large_data", "saving", "kernels", "own_em"],
    "coming": ["scikit-learn", "mclust", "amelia_mice_norm2", "hmmlearn", "stepmix_polca",
               "factor_analyzer_lavaan"],
}
MARK = "<!-- the pages -->"


def pages(docs, folder):
    """Names of the pages of a folder, in the order of a reader."""
    there = {path.stem for path in (docs / folder).glob("*.md")} - {"index"}
    first = [name for name in CHAPTERS[folder] if name in there]
    return first + sorted(there - set(first))


def fill_in(app, docname, source):
    """The table of contents, for the mark in a folder's index."""
    folder, _, name = docname.partition("/")
    if name == "index" and folder in CHAPTERS:
        lines = ["```{toctree}", ":maxdepth: 1", "", *pages(Path(app.srcdir), folder), "```"]
        source[0] = source[0].replace(MARK, "\n".join(lines))


def setup(app):
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}
