"""Every way in which a command, a job or a metric fails."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of errors that say that a disk, a quota, or the size that a file may have is at its end."""


class UsageError(Exception):
    """Bad input. The message is one line: what was expected, what came, what to type instead."""


class UnsuitableError(UsageError):
    """A row that cannot be at this codebook size or on frames of this width: no mistake where `all` stood for it."""


class LostError(Exception):
    """What runs the jobs is gone: one line. Cells that are done are kept."""


class GivenUpError(Exception):
    """Training ended early, above its ceiling."""


class MetricError(RuntimeError):
    """A metric raised, or gave what is no number."""


class DivergedError(RuntimeError):
    """A number that should be finite is not."""


class ContractError(RuntimeError):
    """A quantizer returns what no quantizer may."""


class ChangedError(RuntimeError):
    """The code or the data on disk are not what the run was planned with."""


class DamagedError(ValueError):
    """A file of tensors cannot be read."""
