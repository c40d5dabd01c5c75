import logging
from collections.abc import Callable

import pytest
import torch

from bench.kernels import cuda_graphs
from bench.kernels.cuda_graphs import WARM_UP, Captured

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")


class Counter:
    """Counts its steps in a tensor."""

    def __init__(self, device: str = "cpu") -> None:
        self.count = torch.zeros((), device=device)

    def step(self) -> None:
        self.count.add_(1)


class FakeGraph:
    """Replays by calling, as the driver would by launching."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.step = step
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        self.step()


@pytest.fixture
def on_cuda(monkeypatch: pytest.MonkeyPatch) -> list[FakeGraph]:
    """The captures made, with what needs a driver replaced."""
    made: list[FakeGraph] = []

    def captured(step: Callable[[], None]) -> FakeGraph:
        made.append(FakeGraph(step))
        return made[-1]

    monkeypatch.setattr(cuda_graphs, "_captured", captured)
    monkeypatch.setattr(cuda_graphs, "_on_the_side_stream", lambda step: step())
    return made


def test_on_a_cpu_every_call_is_a_call() -> None:
    counter = Counter()
    for refusal in ("", "it draws numbers"):
        captured = Captured(counter.step, torch.device("cpu"), refusal)
        for _ in range(WARM_UP + 4):
            captured()
        assert captured.reason == ""
    assert counter.count == 2 * (WARM_UP + 4)


def test_every_call_is_one_step_before_and_after_the_capture(on_cuda: list[FakeGraph]) -> None:
    counter = Counter()
    captured = Captured(counter.step, torch.device("cuda"))
    for call in range(1, WARM_UP + 5):
        captured()
        assert counter.count == call
        assert len(on_cuda) == (call > WARM_UP)
    assert on_cuda[0].replays == 4
    assert captured.reason == ""


def test_a_refusal_captures_nothing(on_cuda: list[FakeGraph]) -> None:
    counter = Counter()
    captured = Captured(counter.step, torch.device("cuda"), "it draws numbers")
    for _ in range(WARM_UP + 2):
        captured()
    assert counter.count == WARM_UP + 2
    assert captured.reason == "it draws numbers"
    assert not on_cuda


def test_what_cannot_be_captured_is_called_and_the_reason_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, on_cuda: list[FakeGraph]
) -> None:
    def broken(step: Callable[[], None]) -> None:
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be ...")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr(cuda_graphs, "_captured", broken)
    counter = Counter()
    captured = Captured(counter.step, torch.device("cuda"))
    with caplog.at_level(logging.WARNING):
        for _ in range(WARM_UP + 5):
            captured()
    assert counter.count == WARM_UP + 5
    assert captured.reason == "operation not permitted when stream is capturing"
    assert len(caplog.records) == 1
    assert captured.reason in caplog.text


@needs_cuda
def test_a_captured_step_does_what_its_calls_do() -> None:
    counter = Counter("cuda")
    captured = Captured(counter.step, torch.device("cuda"))
    for _ in range(WARM_UP + 7):
        captured()
    assert counter.count.item() == WARM_UP + 7
    assert captured.reason == ""


@needs_cuda
def test_a_step_that_waits_for_the_device_falls_back_and_harms_nothing() -> None:
    counter = Counter("cuda")

    def waits() -> None:
        counter.step()
        counter.count.item()

    captured = Captured(waits, torch.device("cuda"))
    stream = torch.cuda.current_stream()
    for _ in range(WARM_UP + 3):
        captured()
    assert counter.count.item() == WARM_UP + 3
    assert captured.reason
    assert torch.cuda.current_stream() == stream
    again = Counter("cuda")
    other = Captured(again.step, torch.device("cuda"))
    for _ in range(WARM_UP + 3):
        other()
    assert again.count.item() == WARM_UP + 3
    assert other.reason == ""
