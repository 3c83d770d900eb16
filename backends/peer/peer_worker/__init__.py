"""The common part of workers; runs in other interpreters, with the standard library and NumPy."""
