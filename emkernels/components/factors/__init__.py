"""Models of few factors behind many columns."""
