"""Estimates, comparisons with the best, and noise."""
