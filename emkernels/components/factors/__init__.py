<<<<<<< HEAD
"""Factor models: rows are ``mean + L z + noise``, z standard normal of few dimensions."""
=======
"""Models of few factors behind many columns."""
>>>>>>> rotate
