"""Metrics of what a model of tokens learns."""
