"""What a user did that cannot be done."""


class UsageError(Exception):
    """Bad input. The message is one line: what was expected, what came, what to type instead."""


class UnsuitableError(UsageError):
    """A row that cannot be at this codebook size or on frames of this width: no mistake where `all` stood for it."""
