"""Tuning: studies of parameters on validation data, and their confirmation (`bench tune`, `bench confirm`)."""
