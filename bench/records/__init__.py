"""The folder of a run: its records, files and environment."""
