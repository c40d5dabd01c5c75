"""Clock for the cost of a piece of work."""

import time

import torch


def seconds(device: str) -> float:
    """CPU time of this process; for a GPU the time of day, once it has done what it was given."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
