"""The stopping rule by the distance that is left."""

import collections

import numpy as np


class Distance:
    """What the steps to come would still add, judged by how fast steps shrink.

    Where each step is rho times the last, those after a step of length d add up to
    ``d rho / (1 - rho)``, and after a gain g of the objective ``g rho^2 / (1 - rho^2)`` is to
    come. A step is short where rho is near one, and says nothing without it.

    rho comes from ratios of consecutive plain steps, and rho^2 from those of their gains: the
    objective weighs a direction by what it matters. Directions in which EM is fast hide the
    slow ones for a while, above all after an extrapolation that was aimed at these; so the
    largest of many ratios counts, and only after `PLAIN` steps without an extrapolation.
    (Too large a rho costs few iterations, as it enters by its logarithm.)

    A. C. Aitken, Proceedings of the Royal Society of Edinburgh 46, 1926; G. J. McLachlan,
    T. Krishnan, The EM Algorithm and Extensions, 2008, section 4.9.
    """

    RATIOS = 30
    PLAIN = 2

    def __init__(self, model, resolution, objective_scale):
        self.model, self.resolution = model, resolution
        self.objective_scale = objective_scale
        self.last, self.size, self.gain = None, np.inf, np.inf
        self.squares = collections.deque(maxlen=self.RATIOS)    # of rho
        self.n_plain = 0
        self.confirmed = False

    def left(self, current, new, change, bound):
        """The larger of the two distances after the step from `current` to `new`; `change` is
        what the objective gained on the way to `current`. To be believed when `confirmed`."""
        before, gain = self.size, self.gain
        self.size, self.gain = self.model.relative_change(current, new), change
        self.n_plain = self.n_plain + 1 if current is self.last else 0
        self.last = new
        rounding = self.resolution
        seen = abs(change) > rounding * max(1.0, abs(bound))
        if self.size <= rounding:       # no shorter step can be seen, but its gain may be
            self.confirmed = True
            return abs(change) * self.objective_scale if seen and self.size else 0.0
        self.confirmed = self.n_plain >= self.PLAIN
        if self.n_plain == 0 or not self.size < before:
            return np.inf               # a first step, or one from extrapolated parameters
        square = (self.size / before) ** 2
        if self.confirmed and seen and 0 < change < gain:
            square = max(square, change / gain)
        self.squares.append(square)
        square = max(self.squares)
        steps = self.size * np.sqrt(square) / (1 - np.sqrt(square))
        if not seen:
            return steps
        # a fall within rounding is as good as no gain, one beyond it is not
        gains = change * square / (1 - square) if change > 0 else -change
        return max(steps, gains * self.objective_scale)
