"""Takes the figures of docs/performance.md on a machine with a GPU: `python tests/benchmarks/gpu_benchmark.py`.

Three parts, about eight minutes: the tests that need a GPU, training steps, the paper protocol as a whole. What it
prints is markdown. `--parts steps,paper` leaves one out, `--jobs 1` sets how many processes share the GPU.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

import quantizers
from bench.execution.job import set_up
from bench.kernels.cuda_graphs import Captured
from bench.training.autoencoder import build
from bench.training.loop import train
from bench.training.schedule import History, Schedule

ROOT = Path(__file__).resolve().parents[2]
TESTS = "cuda or replayed or fused or captured or waits"
SEEDS = 5
LONGEST = 420  # seconds for the paper protocol


@dataclass(frozen=True)
class Size:
    """What is trained: the paper protocol's sizes unless told."""

    frames: int = 83_160
    validation: int = 17_820
    width: int = 8
    hidden: int = 256
    batch: int = 256
    epochs: int = 4
    eager_steps: int = 120
    repeats: int = 3

    @property
    def steps(self) -> int:
        return self.epochs * (self.frames // self.batch)


def training(
    label: str, num_codes: int, seeds: Sequence[int], size: Size, device: str, max_steps: int | None = None
) -> Callable[[], list[History]]:
    """A training that is ready to go; the families' warm-up share takes part as it would in a run."""
    schedule = Schedule(warm_up_epochs=0, epochs=size.epochs, batch=size.batch, learning_rate=1e-3)

    def frames(seed: int, count: int) -> torch.Tensor:
        # A closed curve with noise: like motion, it has fewer dimensions than features.
        generator = torch.Generator().manual_seed(seed)
        angle = torch.rand(count, 1, generator=generator) * 6.3
        waves = torch.cat([torch.sin(angle * (1 + index)) for index in range(size.width)], dim=1)
        return (waves + 0.1 * torch.randn(count, size.width, generator=generator)).to(device)

    models = [
        build(label, {}, num_codes=num_codes, width=size.width, hidden=size.hidden, seed=seed).to(device)
        for seed in seeds
    ]
    data = [frames(seed, size.frames) for seed in seeds]
    validation = [frames(1_000 + seed, size.validation) for seed in seeds]
    return lambda: train(models, data, validation, list(seeds), schedule, max_steps)


def step_seconds(label: str, num_codes: int, count: int, size: Size, device: str) -> float:
    """Median seconds of a step of `count` replicas, points of the learning curve included."""
    collected = []
    for repeat in range(size.repeats + 1):
        ready = training(label, num_codes, range(count), size, device)
        collected.append(_timed(ready, device) / size.steps if repeat else 0.0)
    return statistics.median(collected[1:])


def eager_loop_seconds(label: str, num_codes: int, size: Size, device: str) -> float:
    """Seconds of a step of every seed when the seeds are trained one after the other without graphs."""
    with eager():
        _timed(training(label, num_codes, [0], size, device, 10), device)
        ready = training(label, num_codes, [0], size, device, size.eager_steps)
        return SEEDS * _timed(ready, device) / size.eager_steps


def replay_difference(label: str, num_codes: int, size: Size, device: str) -> float:
    """Largest relative difference between the learning curves of replayed and eager steps."""
    replayed = training(label, num_codes, range(SEEDS), size, device, size.eager_steps)()
    with eager():
        called = training(label, num_codes, range(SEEDS), size, device, size.eager_steps)()
    pairs = [
        pair
        for one, other in zip(replayed, called, strict=True)
        for pair in zip(one.validation, other.validation, strict=True)
    ]
    return max(abs(one - other) / abs(other) for one, other in pairs)


@contextmanager
def eager() -> Iterator[None]:
    """Steps are called, not replayed."""
    original = Captured.__call__
    Captured.__call__ = lambda self: self.step()  # type: ignore[method-assign]
    try:
        yield
    finally:
        Captured.__call__ = original  # type: ignore[method-assign]


def _timed(work: Callable[[], object], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def steps_table(size: Size, device: str, cases: Sequence[tuple[str, int]]) -> str:
    """Markdown: each family's step, and what is gained on a loop over the seeds."""
    lines = [
        f"| family | K | 1 seed, µs a step | {SEEDS} seeds | ratio (goal 1.3) | eager loop over {SEEDS} seeds | gain "
        "(goal 10) | replayed - eager, relative |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, num_codes in cases:
        alone, together = (step_seconds(label, num_codes, count, size, device) for count in (1, SEEDS))
        loop = eager_loop_seconds(label, num_codes, size, device)
        apart = replay_difference(label, num_codes, size, device)
        lines.append(
            f"| `{label}` | {num_codes:,} | {alone * 1e6:.0f} | {together * 1e6:.0f} | {together / alone:.2f} | "
            f"{loop * 1e6:.0f} | {loop / together:.1f} | {apart:.1g} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def paper(jobs: int | None, protocol: str = "paper", device: str = "cuda") -> str:
    """Markdown: the whole protocol's wall-clock, and the report's own account of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench", "run", "--quantizers", "all", "--datasets", "lorenz,aist"]
        command += ["--protocol", protocol, "--device", device, "--profile", "--out", folder]
        command += ["--jobs", str(jobs)] if jobs else []
        begun = time.perf_counter()
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
            last = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing printed"])[-1]
        except subprocess.TimeoutExpired:
            last = f"stopped after {LONGEST} s; cells done: {len(list(Path(folder, 'cells').glob('*.json')))}"
        seconds = time.perf_counter() - begun
        output = f"Protocol `{protocol}`, seven families, two datasets: {seconds:.0f} s (goal 180) with "
        output += f"{jobs or 'the default number of'} processes. {last}"
        report = Path(folder, "report.md")
        text = report.read_text(encoding="utf-8") if report.exists() else ""
        section = text.partition("## Where the time goes")[2].partition("\n## ")[0]
        return f"{output}\n{section}"


def tests() -> str:
    """Markdown: how the tests that need a GPU ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", TESTS, "--no-header", "-rf"]
    files = ["tests/bench/kernels", "tests/bench/training", "tests/bench/metrics"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode:
        print(done.stdout[-6_000:], file=sys.stderr)
    return f"Tests on the GPU: {done.stdout.strip().splitlines()[-1]}"


def machine() -> str:
    """Markdown: what the figures were taken on."""
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return (
        f"{torch.cuda.get_device_name()} ({memory:.0f} GiB), {os.cpu_count()} CPU cores, PyTorch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, Python {platform.python_version()}."
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="tests,steps,paper")
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here: the figures are to be taken on a machine that has one")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as the runner sets it
    set_up("cuda")
    print(machine(), flush=True)
    cases = [(name, 1_024) for name in quantizers.families()] + [("vq", 256), ("vq", 4_096), ("som-vq", 4_096)]
    parts: dict[str, Callable[[], str]] = {
        "tests": tests,
        "steps": lambda: steps_table(Size(), "cuda", cases),
        "paper": lambda: paper(options.jobs),
    }
    for name in options.parts.split(","):
        print(f"\n{parts[name]()}", flush=True)


if __name__ == "__main__":
    main()
