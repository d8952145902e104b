"""The EM loop, and what it asks of a model and of the rows.

:func:`run_em` runs any :class:`~emkernels.em.protocol.Model` over any
:class:`~emkernels.em.protocol.Source`.
"""

from emkernels.em.errors import DegenerateFitError, DegenerateWarning, EMWarning, warn_about
from emkernels.em.loop import EMResult, EMState, run_em
from emkernels.em.progress import Progress

__all__ = ["DegenerateFitError", "DegenerateWarning", "EMResult", "EMState", "EMWarning",
           "Progress", "run_em", "warn_about"]
