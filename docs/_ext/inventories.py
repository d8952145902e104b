"""Inventories of other packages for intersphinx, written from the names in `inventories/`.

Those that the projects publish are megabytes and on the net; a build fetches nothing. A name that
is not listed and is referred to is a warning: add it to the list. Run as a script, this looks
whether every name that is listed can be imported.
"""

import importlib
import sys
import zlib
from pathlib import Path

SITES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
}
# where a site has the page of a name; {module} has dashes in Python's own
PAGES = {
    "python": "library/{module}.html#$",
    "numpy": "reference/generated/$.html#$",
    "scipy": "reference/generated/$.html#$",
    "sklearn": "modules/generated/$.html#$",
    "pandas": "reference/api/$.html#$",
}


def entries(file):
    """(name, role, page) of each line: `role name`, and the page where it is not the usual one."""
    for line in file.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].split()
        if line:
            role, name, *page = line
            usual = PAGES[file.stem].format(module=name.rpartition(".")[0] or "functions")
            yield name, role, page[0] + "#$" if page else usual


def write(file, target):
    """An inventory in the format that Sphinx reads."""
    head = (f"# Sphinx inventory version 2\n# Project: {file.stem}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n")
    lines = "".join(f"{name} py:{role} 1 {page} -\n" for name, role, page in entries(file))
    target.write_bytes(head.encode() + zlib.compress(lines.encode()))


def mapping(docs):
    """For `intersphinx_mapping`: addresses for readers, files for the build."""
    folder = docs / "inventories"
    for name in SITES:
        write(folder / f"{name}.txt", folder / f"{name}.inv")
    return {name: (site, str(folder / f"{name}.inv")) for name, site in SITES.items()}


def there(name):
    """Whether a dotted name leads to something that is installed."""
    import sklearn.experimental.enable_iterative_imputer  # noqa: F401

    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
            for part in parts[cut:]:
                found = getattr(found, part)
        except ImportError:
            continue
        except AttributeError:
            return False
        return True
    import builtins

    return hasattr(builtins, name)


if __name__ == "__main__":
    missing = [name for file in sorted((Path(__file__).parents[1] / "inventories").glob("*.txt"))
               for name, _, _ in entries(file) if not there(name)]
    sys.exit(f"not there: {', '.join(missing)}" if missing else 0)
