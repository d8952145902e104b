"""Nothing to cimport here: the compiled face of conditional moments is in incomplete.pxd."""
