"""Errors of data that cannot be used."""


class DataError(ValueError):
    """Unusable data: a damaged or foreign file, a refused pickle, too few sequences."""
