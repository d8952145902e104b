"""Packages that only some functions need."""

import importlib


class MissingExtraError(ImportError):
    """A package that belongs to an extra is not installed."""


def optional(module, what, extra):
    """The module, or MissingExtraError with the command that installs it.

    Parameters
    ----------
    module : str
        Dotted name, as in ``import module``.
    what : str
        Who needs it, the beginning of the message: "plotting".
    extra : str
        The extra of emkernels that holds it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        # a package that is there but broken says more itself
        if error.name is None or not module.startswith(error.name.split(".")[0]):
            raise
        package = {"PIL": "Pillow", "skimage": "scikit-image"}.get(
            module.split(".")[0], module.split(".")[0])
        raise MissingExtraError(
            f"{what} needs {package}: pip install 'emkernels[{extra}]'", name=error.name
        ) from error
