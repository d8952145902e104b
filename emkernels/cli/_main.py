"""The commands, and what becomes of their failures.

A command is a module with ``add_arguments(parser)``, ``run(options, console) -> dict`` (the result
for JSON, reported to the console on the way) and ``PACKAGES``, what it cannot do without. Its name
is the command's, its docstring the help. To add one, name it here.
"""

import argparse
import contextlib
import difflib
import io
import os
import re
import signal
import sys

import emkernels
from emkernels._extras import MissingExtraError, optional
from emkernels.cli import (
    bench,
    classes,
    cluster,
    completions,
    demo,
    describe,
    factors,
    impute,
    info,
    predict,
    segment,
    states,
)
from emkernels.cli._blocks import saying_how_to_go_on
from emkernels.cli._console import Console
from emkernels.cli._formats import STREAM
from emkernels.cli._messages import CommandError, one_line, why

COMMANDS = (impute, cluster, classes, states, factors, predict, segment, describe, bench, info,
            completions, demo)


class _Parser(argparse.ArgumentParser):
    """argparse, with its complaints in one line."""

    def error(self, message):
        message = one_line(message)
        wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        if wrong:
            near = difflib.get_close_matches(wrong[1], re.findall(r"[\w-]+", wrong[2]), 1)
            message += f"; did you mean {near[0]!r}?" if near else ""
        raise CommandError(f"{message} (see {self.prog} --help)")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Commands stand further in than argparse reckons with."""

    def add_argument(self, action):
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def make_parser():
    """The parser of all commands."""
    parser = _Parser(
        prog="emkernels", allow_abbrev=False, formatter_class=_Help,
        description="Missing values, clusters, classes, states, factors and image segments by "
                    "Expectation-Maximisation.",
        epilog="'emkernels COMMAND --help' explains a command, with examples.\n\n"
               "Exit status: 0 done, 2 something to mend (one line on standard error says what), "
               "130 interrupted, 141 nobody reads the output any more (as | head -1).")
    parser.add_argument("--version", action="version", version=emkernels.__version__)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for module in COMMANDS:
        summary, _, text = (module.__doc__ or "").partition("\n")
        description, _, examples = text.partition("\nexamples:\n")
        command = commands.add_parser(
            module.__name__.rpartition(".")[2], help=summary.rstrip(".").lower(),
            description=f"{summary}\n{description.rstrip()}",
            epilog=f"examples:\n{examples.rstrip()}", allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(module=module, parser=command, commands=commands.choices)
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments without the program's name; None: those of this process.

    Returns
    -------
    int
        The exit status: 0, 2 for what a user can mend, 130 after Ctrl-C (143 when terminated), 141
        where nobody reads standard output any more: what a shell sees of a program that ends by
        SIGPIPE, as most do then.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:          # closed by whoever started the process
            setattr(sys, name, io.StringIO())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):      # names of columns may not fit its encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ending_in_order():
            status = _run(argv)
            sys.stdout.flush()
            return status
    except CommandError as error:
        return _fail(2, error)
    except MissingExtraError as error:
        return _fail(2, error)
    except MemoryError as error:
        return _fail(2, f"not enough memory ({one_line(error) or 'no more to be had'}): use fewer "
                        "columns or rows")
    except BrokenPipeError:
        _nobody_reads()
        return 141
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _nobody_reads()     # it was standard output that failed
        return _fail(2, (f"{error.filename}: " if error.filename else "") + why(error))
    except KeyboardInterrupt as end:
        return _fail(end.args[0] if end.args else 130,
                     "; ".join(["interrupted", *getattr(end, "__notes__", [])]))
    except SystemExit as end:       # of --help, of --version and of rich on a broken pipe
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _nobody_reads()
            return 141
        return end.code or 0


def _run(argv):
    parser = make_parser()
    # argparse drops a value that is --, where a text of blanks and dashes is one
    argv = [f"{text[:-2]} --" if text.startswith("--") and text.endswith("=--") else text
            for text in (sys.argv[1:] if argv is None else argv)]
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        getattr(options, "parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    for package in options.module.PACKAGES:
        optional(package, f"emkernels {options.command}", "cli")
    console = Console(as_json=getattr(options, "json", False),
                      quiet=getattr(options, "quiet", False),
                      aside=getattr(options, "output", None) == STREAM)
    with console.catching_warnings(), saying_how_to_go_on(options):
        result = options.module.run(options, console)
    console.result({"command": options.command, **(result or {})})
    return 0


@contextlib.contextmanager
def _ending_in_order():
    """A request to end unwinds as Ctrl-C does: nothing half-written is left behind."""
    def end(number, frame):
        raise KeyboardInterrupt(128 + number)

    before = {}
    with contextlib.suppress(ValueError):       # signals are the main thread's
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(status, message):
    with contextlib.suppress(BrokenPipeError):
        print(f"emkernels: {one_line(message)}", file=sys.stderr)
    return status


def _nobody_reads():
    """Keep the interpreter from a second complaint when it flushes standard output."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass
