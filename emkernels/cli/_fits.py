"""Progress of several fits one after the other."""


class Fits:
    """The callback of several fits one after the other: the first iteration tells a new one.

    Parameters
    ----------
    bar : progress bar
    name : callable
        ``name(parameters)``: what the fit of these parameters is called.
    """

    def __init__(self, bar, name):
        self._bar, self._name, self._first = bar, name, True

    def __call__(self, state):
        if state.n_iter == 1 and state.init == 0:
            if not self._first:
                self._bar.step()
            self._first = False
            self._bar.rename(f"fitting {self._name(state.parameters)}")
        self._bar.callback(state)
