"""The command line: ``emkernels``, which is ``python -m emkernels``.

One module a command; its docstring is the command's help, what it prints with ``--json`` included.
"""

from emkernels.cli._main import main

__all__ = ["main"]
