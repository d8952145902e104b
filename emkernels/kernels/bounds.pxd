"""Nothing to cimport here: bounds live in Python between the passes of a loop."""
