"""Whole pages: a run, a comparison of runs, a tuning, a model card."""
