"""The mixture of Student t distributions."""

from emkernels.models.student.estimator import StudentTMixture

__all__ = ["StudentTMixture"]
