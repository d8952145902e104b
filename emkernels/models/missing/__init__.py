"""Missing values: looking at them, testing them, and pooling what came of imputing them."""

from emkernels.models.missing.little import LittleTest, little_mcar_test
from emkernels.models.missing.pooling import PooledEstimates, pool
from emkernels.models.missing.summary import MissingDataSummary, missing_data_summary

__all__ = ["LittleTest", "MissingDataSummary", "PooledEstimates", "little_mcar_test",
           "missing_data_summary", "pool"]
