"""Bars of progress in notebooks, where tqdm is installed, and the progress of several fits."""

import importlib
import importlib.util
import shutil
import sys


def notebook_bar(unit):
    """A tqdm bar of a notebook; None elsewhere, and without tqdm."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if "IPKernelApp" not in getattr(shell, "config", ()) or ("tqdm" not in sys.modules and (
            importlib.util.find_spec("tqdm") is None)):
        return None
    return importlib.import_module("tqdm.auto").tqdm(
        unit=unit, unit_scale=unit == "row", dynamic_ncols=True)


def begin(bar, title, total):
    """The bar from its beginning, of so many; None where that is not known yet."""
    bar.reset(total=total)
    bar.set_description_str(title, refresh=False)
    bar.set_postfix_str("")


def reach(bar, n, text=""):
    """The bar at n, drawn where that is due."""
    bar.set_postfix_str(text, refresh=False)
    bar.update(n - bar.n)


def end(bar, text):
    """The bar says how it ended, and is full: there is no more to come."""
    began = bar.start_t
    n = max(1, bar.n)
    bar.reset(total=n)
    bar.start_t = began
    bar.set_postfix_str(text, refresh=False)
    bar.update(n)
    bar.close()


def is_terminal(stream):
    return bool(getattr(stream, "isatty", lambda: False)())


def renew(text, stream):
    """Write over the line of a terminal, as much as it is wide: a longer one would leave parts."""
    text = text[:shutil.get_terminal_size().columns - 1]
    print(f"\r{text}\033[K", end="", file=stream, flush=True)


class Steps:
    """Fits one after the other: a bar in a notebook, a line that renews itself on a terminal, a
    line for each elsewhere.

    Parameters
    ----------
    total : int
    wanted : bool or callable
        False: nothing is said. A function is called with (done, total, text) instead.
    stream : file, optional
        Standard output when None.
    """

    def __init__(self, total, wanted=True, stream=None):
        self.total, self.n = total, 0
        self.hook = wanted if callable(wanted) else None
        self.said = bool(wanted) and self.hook is None
        self.stream = sys.stdout if stream is None else stream
        self.bar = notebook_bar("fit") if self.said and stream is None else None
        if self.bar is not None:
            begin(self.bar, "fits", total)
        self.terminal = self.bar is None and is_terminal(self.stream)

    def step(self, text):
        """One fit more is done; the text says of it what there is to say."""
        self.n += 1
        if self.hook is not None:
            self.hook(self.n, self.total, text)
        elif self.bar is not None:
            reach(self.bar, self.n, text)
        elif self.said and self.terminal:
            done = 30 * self.n // max(1, self.total)
            renew(f"[{'#' * done}{'.' * (30 - done)}] {self.n}/{self.total} {text}", self.stream)
        elif self.said:
            print(f"{self.n}/{self.total} {text}", file=self.stream, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()
        elif self.said and self.terminal:
            print("\r\033[K", end="", file=self.stream, flush=True)
