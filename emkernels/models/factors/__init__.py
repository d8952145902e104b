"""Few factors behind many columns."""
