"""Rows of data: checked at one door, whole or in chunks, and what their columns are like."""

from emkernels.data.chunks import Chunks
from emkernels.data.journal import Journal
from emkernels.data.rows import Rows

__all__ = ["Chunks", "Journal", "Rows"]
