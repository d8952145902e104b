"""Nothing to cimport here: exact sums are for the loops of Python."""
