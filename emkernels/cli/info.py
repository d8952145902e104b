"""Print what this installation is made of.

Versions, the vector instructions and threads in use, and which of the packages that only some
functions need are there.

examples:
  emkernels info

--json prints: command, the facts by name, packages (name: version or null), warnings.
"""

import importlib.metadata

from emkernels import _config

PACKAGES = ()
OPTIONAL = ("imagecodecs", "matplotlib", "pandas", "pillow", "pyarrow", "rich", "scikit-image",
            "tifffile")


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options, console):
    """Print the facts, one a line."""
    facts = _config.config()
    packages = {name: _version(name) for name in OPTIONAL}
    for name, value in [*facts.items(), *packages.items()]:
        console.say(f"{name:<15} {'not installed' if value is None else value}")
    return {**facts, "packages": packages}


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
