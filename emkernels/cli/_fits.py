"""Progress of fits that follow each other."""


class Fits:
    """The callback of several fits one after the other: the first iteration tells a new one."""

    def __init__(self, bar, names):
        self._bar, self._names = bar, iter(names)
        self._first = True

    def __call__(self, state):
        if state.n_iter == 1 and state.init == 0:
            if not self._first:
                self._bar.step()
            self._first = False
            self._bar.rename(f"fitting {next(self._names, '')}")
        self._bar.callback(state)
