"""Steps replayed as CUDA graphs: on a GPU the models here are bound by kernel launches, and a replay launches once."""

import logging
from collections.abc import Callable
from functools import cache

import torch

WARM_UP = 3  # calls before the capture, in which libraries choose kernels and allocate their workspaces


class Captured:
    """A step without arguments; on a GPU it is captured in its fourth call and replayed from then on.

    Every call does the work of exactly one call of `step`, so that a loop need not know which it is. What `step` reads
    and writes must be tensors that stay in place; what it does in Python alone is done once, when it is captured. Where
    it cannot be captured (it waits for the device, say) it is called as it is, on a CPU too.

    Args:
        step: Function to capture and replay.
        device: Device of its tensors.
        refusal: Why it must not be captured; empty where it may.

    Attributes:
        reason: Why it is not replayed, on a GPU; else empty.
    """

    def __init__(self, step: Callable[[], None], device: torch.device, refusal: str = "") -> None:
        self.step = step
        self.reason = refusal if device.type == "cuda" else ""
        self._eager = bool(refusal) or device.type != "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Do one step."""
        if self._calls == WARM_UP and self._graph is None and not self._eager:
            self._capture()
        if self._graph is not None:
            self._graph.replay()
        elif self._eager:
            self.step()
        else:
            self._calls += 1
            _on_the_side_stream(self.step)

    def _capture(self) -> None:
        try:
            self._graph = _captured(self.step)
        except RuntimeError as error:
            first = error
            while isinstance(first.__context__, RuntimeError):  # the end of a broken capture raises once more
                first = first.__context__
            self._eager, self.reason = True, str(first).partition("\n")[0]
            logging.getLogger(__name__).warning("a step is not replayed as a CUDA graph: %s", self.reason)


def _captured(step: Callable[[], None]) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.stream(_side_stream()):  # not `torch.cuda.graph`, which stays on its stream when a capture breaks
        graph.capture_begin()
        try:
            step()
        finally:
            graph.capture_end()
    return graph


def _on_the_side_stream(step: Callable[[], None]) -> None:
    """A capture cannot use the default stream, so neither may the calls that prepare it."""
    stream = _side_stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)


@cache
def _side_stream() -> torch.cuda.Stream:
    """One for all: libraries keep a workspace for every stream that they see."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]
