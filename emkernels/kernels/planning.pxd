"""Nothing to cimport here: plans are looked at from Python."""
