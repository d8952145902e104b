"""Files that are there whole or not at all."""

import contextlib
import os
import secrets
import sys

from emkernels.cli._formats import STREAM
from emkernels.cli._messages import CommandError, why


def check_output(path, inputs, *, force):
    """The real path of an output that may be written, before any work.

    Parameters
    ----------
    path : str
    inputs : list of str
        Files that are read: never overwritten, under no name and through no link.
    force : bool
        An existing file may be replaced.

    Raises
    ------
    CommandError
    """
    if path == STREAM:
        return path
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.basename(path) or os.path.isdir(target):
        raise CommandError(f"{path}: is a folder; name a file in it")
    if os.path.lexists(target):
        for source in inputs:
            if os.path.exists(source) and os.path.samefile(source, target):
                raise CommandError(f"{path}: is the input {source}, which is never overwritten")
        if not os.path.isfile(target):
            raise CommandError(f"{path}: is not a regular file")
        _check_new(path, target, force)
    check_folder(path, folder)
    return target


def check_folder(path, folder):
    """CommandError about `path` where files cannot be put into a folder."""
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no folder {folder}")
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        raise CommandError(f"{path}: the folder {folder} may not be written to")


def _check_new(path, target, force):
    if not force and os.path.lexists(target):
        raise CommandError(f"{path}: exists; --force writes over it")


@contextlib.contextmanager
def replacing(path, inputs, *, force):
    """A binary file to write, which becomes `path` when all went well, and else is removed.

    It lies in the folder of `path`, with the permissions of any new file. Of standard output
    nothing can be taken back.
    """
    if path == STREAM:
        file = getattr(sys.stdout, "buffer", None)
        if file is None:
            raise CommandError("standard output: is closed")
        sys.stdout.flush()
        yield file
        file.flush()
        return
    target = check_output(path, inputs, force=force)
    temporary = os.path.join(os.path.dirname(target), f".emkernels-{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
        _check_new(path, target, force)     # others may have written it meanwhile
        os.replace(temporary, target)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename not in (None, temporary):
            raise
        raise CommandError(f"{path}: {why(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
