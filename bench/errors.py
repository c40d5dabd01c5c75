"""What a user did that cannot be done, and what a disk could not hold."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of errors that say that a disk, a quota, or the size that a file may have is at its end."""


class UsageError(Exception):
    """Bad input. The message is one line: what was expected, what came, what to type instead."""


class UnsuitableError(UsageError):
    """A row that cannot be at this codebook size or on frames of this width: no mistake where `all` stood for it."""
