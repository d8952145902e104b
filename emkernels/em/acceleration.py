"""Extrapolation of the EM map."""

import numpy as np


class Squarem:
    """Squared extrapolation of the EM map, step length scheme 3.

    With r = M(t) - t and v = M(M(t)) - M(t) - r: t' = t - 2 a r + a^2 v, a = -|r| / |v|, in
    an unconstrained parameterisation. The caller rejects t' when its objective is lower.

    R. Varadhan, C. Roland, Simple and globally convergent methods for accelerating the
    convergence of any EM algorithm, Scandinavian Journal of Statistics 35, 2008.
    """

    def __init__(self, model):
        self.model = model
        self.trail = []
        self.longest = 4.0
        self.step = 1.0
        self.last_was_plain = True

    def propose(self, current, new):
        """Extrapolated parameters after every second plain step, else None."""
        self.last_was_plain = True
        if not self.trail:
            self.trail = [self.model.to_vector(current)]
        self.trail.append(self.model.to_vector(new))
        if len(self.trail) < 3:
            return None
        t0, t1, t2 = self.trail
        self.trail = []
        with np.errstate(invalid="ignore", over="ignore"):
            r = t1 - t0
            v = t2 - t1 - r
            size = np.sqrt(v @ v)
            length = np.sqrt(r @ r) / size if size > 0 else 1.0
            if not np.isfinite(length) or length <= 1:
                return None
            self.step = min(length, self.longest)
            vector = t0 + 2 * self.step * r + self.step**2 * v
        if not np.isfinite(vector).all():
            return None
        proposal = self.model.from_vector(vector, new)
        self.last_was_plain = proposal is None
        return proposal

    def pause(self):
        """A plain step comes next, and then two more before the next extrapolation."""
        self.trail, self.last_was_plain = [], True

    def judge(self, accepted):
        """Longer steps while they succeed, shorter ones after a failure."""
        if accepted and self.step == self.longest:
            self.longest *= 4
        elif not accepted:
            self.longest = max(4.0, self.longest / 4)
            self.last_was_plain = True
