"""The scripts of `examples/` as a gallery: a title, cells, and the pictures that they write.

The scripts stay as they are. What sphinx-gallery runs are copies in which the first words of the
docstring are the title and comments after an empty line begin a cell; they write their pictures
into a folder, from which a scraper takes them.
"""

import ast
import atexit
import re
import shutil
import tempfile
from pathlib import Path

from matplotlib import pyplot

# gone when the build ends
MADE = tempfile.mkdtemp(prefix="emkernels-gallery-")
atexit.register(shutil.rmtree, MADE, ignore_errors=True)
PICTURES, SOURCES = Path(MADE, "pictures"), Path(MADE, "sources")
PICTURES.mkdir()
LIST = re.compile(r"^\| \[(\S+?)\]", re.MULTILINE)
# a script in a folder of its own becomes one of the gallery's, with what lies beside it
FLAT = {"cython_client/run.py": "cython_client.py"}
# where the first words of the docstring are no title
TITLES = {"streaming.py": "A fit block by block", "cython_client/run.py": "A kernel from Cython",
          "factors.py": "Factors of wines", "states.py": "States of the Nile"}


def names(examples):
    """The scripts, in the order of the list in examples/README.md."""
    return LIST.findall((examples / "README.md").read_text(encoding="utf-8"))


def titled(source, title=None):
    """The script with a title of its own line above what its docstring says else."""
    module = ast.parse(source)
    text = " ".join(ast.get_docstring(module).split())
    if title is None:
        title, _, text = text.partition(":")
    text = text.strip()
    text = text[:1].upper() + text[1:]
    body = "\n".join(source.splitlines()[module.body[0].end_lineno:])
    return f'"""\n{title}\n{"=" * len(title)}\n\n{text}\n"""\n{body}\n'


def in_cells(source):
    """Comments in the first column after an empty line begin a cell."""
    return re.sub(r"\n\n+(?=# )", "\n\n# %%\n", source)


def prepare(docs):
    """The folder of sources for sphinx-gallery."""
    examples = docs.parent / "examples"
    folder = SOURCES
    folder.mkdir(exist_ok=True)
    (folder / "GALLERY_HEADER.rst").write_text(
        "Gallery\n=======\n\nScripts that run as they stand, on data that come with scikit-learn, "
        "scikit-image and this package. Each takes a folder for its pictures as its argument.\n",
        encoding="utf-8")
    for name in names(examples):
        target = folder / FLAT.get(name, name)
        source = (examples / name).read_text(encoding="utf-8")
        # sphinx-gallery runs a script without a __file__, in its folder
        source = source.replace("Path(__file__).resolve().parent", "Path.cwd()")
        target.write_text(in_cells(titled(source, TITLES.get(name))), encoding="utf-8")
        if name in FLAT:
            for beside in (examples / name).parent.glob("*.pyx"):
                shutil.copy(beside, folder)
    in_order.of = [FLAT.get(name, name) for name in names(examples)]
    return folder


def in_order(file):
    """Key of sorting: the place in the list."""
    return in_order.of.index(Path(file).name)


def arguments(configuration, script):
    """What a script gets on its command line: the folder for its pictures."""
    return [str(PICTURES)]


def _get_sg_image_scraper():
    return pictures


def pictures(block, block_vars, gallery_conf):
    """Takes the pictures that a cell has written."""
    from sphinx_gallery.scrapers import figure_rst

    taken = []
    for picture in sorted(PICTURES.glob("*.png"), key=lambda path: path.stat().st_mtime_ns):
        taken.append(next(block_vars["image_path_iterator"]))
        shutil.move(picture, taken[-1])
    pyplot.close("all")
    return figure_rst(taken, gallery_conf["src_dir"])
