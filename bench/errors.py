"""Every way in which a command, a job or a metric fails."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, an exhausted quota, and a file that has its largest size."""


class UsageError(Exception):
    """Bad input. The message is one line: what was expected, what came, what to type instead."""


class UnsuitableError(UsageError):
    """A row that cannot have this codebook size or frame width, which is no mistake where `all` stood for it."""


class LostError(Exception):
    """The executor of the jobs is gone. The message is one line; cells that are done are kept."""


class GivenUpError(Exception):
    """Training ended early, above its ceiling."""


class MetricError(RuntimeError):
    """A metric raised an exception, or returned something that is no number."""


class DivergedError(RuntimeError):
    """A number that should be finite is not."""


class ContractError(RuntimeError):
    """A quantizer returned something that breaks the contract of quantizers."""


class ChangedError(RuntimeError):
    """The code or the data on disk have changed since the run was planned."""


class DamagedError(ValueError):
    """A file of tensors cannot be read."""
