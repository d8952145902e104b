"""Fit mixtures to real data, beside scikit-learn.

Gaussian mixtures of data that scikit-learn ships, with emkernels and with scikit-learn: the same
likelihood, the time of both.

examples:
  emkernels demo
"""

from emkernels.cli import _options as options_of
from emkernels.cli._messages import CommandError
from emkernels.demo import MissingExtra, run_demo

PACKAGES = ()


def add_arguments(parser):
    parser.add_argument("--threads", type=options_of.threads, default=None, metavar="N",
                        help="threads for emkernels (default: the CPUs this process may use)")


def run(options, console):
    """Run the demo; it prints for itself."""
    try:
        run_demo(n_threads=options.threads)
    except (MissingExtra, ValueError) as error:
        raise CommandError(str(error)) from error
