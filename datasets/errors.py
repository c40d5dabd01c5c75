"""Data that cannot be used."""


class DataError(ValueError):
    """Data that are not what they should be: a damaged or foreign file, a refused pickle, too few sequences."""
