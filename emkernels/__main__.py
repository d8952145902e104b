"""The command line: ``emkernels demo`` and ``emkernels info``."""

import argparse
import sys

import emkernels
from emkernels.demo import MissingExtra, run_demo


def _parser():
    parser = argparse.ArgumentParser(
        prog="emkernels", description="Fast, exact Expectation-Maximisation kernels.")
    parser.add_argument("--version", action="version", version=emkernels.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="fit mixtures to real data, beside scikit-learn",
        description="Fit Gaussian mixtures to data that scikit-learn ships, with emkernels and "
                    "with scikit-learn: the same likelihood, the time of both.")
    demo.add_argument("--threads", type=int, default=None, metavar="N",
                      help="threads for emkernels (default: the CPUs this process may use)")
    commands.add_parser("info", help="print what this installation is made of")
    return parser


def main(argv=None):
    """Run the command line; the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "info":
        emkernels.show_config()
        return 0
    try:
        run_demo(n_threads=arguments.threads)
    except (MissingExtra, ValueError) as error:
        print(f"emkernels: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emkernels: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
