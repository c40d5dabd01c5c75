"""What a user did that cannot be done."""


class UsageError(Exception):
    """Bad input. The message is one line: what was expected, what came, what to type instead."""
