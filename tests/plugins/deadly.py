"""A quantizer that kills the process which started its job, as one that eats a worker's memory does."""

import os
import signal

from quantizers import LearnedCodebook, register


@register("kills-its-worker")
class KillsItsWorker(LearnedCodebook):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim, commitment=0.25)

    def update(self, z, codes, progress):
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)  # before it is somebody else's child
