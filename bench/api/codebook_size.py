"""A sweep of codebook sizes run to its end, with the size that it suggests."""

from pathlib import Path

from bench.api.launch import Launched
from bench.api.preparation import Preparation, Setting
from bench.errors import LostError, UsageError
from bench.planning.request import Request
from bench.tuning.codebook_size import QUANTIZER, Suggestion, suggestion, sweep


def suggest(
    request: Request,
    setting: Setting,
    *,
    sizes: tuple[int, ...],
    within: float,
    seeds: int,
    out: Path | str | None,
    command: list[str],
    progress: bool,
) -> tuple[Launched, Suggestion | None]:
    """Run a sweep, which resumes from what its folder holds.

    Args:
        request: One family, one dataset and a protocol.
        setting: Choices that do not decide what is measured.
        sizes: Codebook sizes; empty for the default ones.
        within: Share by which the mean error may exceed the best.
        seeds: Number of seeds per size.
        out: Folder of the run; None for runs/suggest-k-PROTOCOL.
        command: Command to record, as a list of words.
        progress: Whether to show the run while it goes on.

    Returns:
        The run, and the suggestion; None where the run did not end.

    Raises:
        UsageError: A name or a value is wrong, or a size has no result.
    """
    if not 0 < within < 10:
        raise UsageError(f"expected --within between 0 and 1000 %, got {100 * within:g}")
    options = setting.options()
    planned = sweep(request, sizes=sizes, seeds=seeds)
    folder = Path("runs") / f"suggest-k-{planned.plan.protocol.name}" if out is None else Path(out)
    preparation = Preparation(
        plan=planned.plan, options=options, folder=folder, executor=setting.executor, jobs=setting.jobs
    )
    launched = preparation.launch(command, progress=progress)
    if launched.end != "finished":
        return launched, None
    return launched, suggestion(launched.run, planned.train_frames, within)


def suggest_k(
    dataset: str,
    *,
    quantizer: str = QUANTIZER,
    within: float = 0.1,
    sizes: tuple[int, ...] = (),
    seeds: int = 2,
    protocol: str = "quick",
    device: str = "auto",
    jobs: int | None = None,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: bool = True,
) -> Suggestion:
    """Suggest a codebook size: the smallest K whose error on validation data is near the best of a sweep.

    The same call again resumes the sweep. It trains on the tuner's seeds, so that no run is measured on data that
    decided its size.

    Args:
        dataset: Name of the dataset; the protocol's number of sequences is the subsample.
        quantizer: Family that is trained.
        within: Share by which the error may exceed the best.
        sizes: Codebook sizes; by default powers of two from 16 to 1,024 with four training frames per code or more.
        seeds: Number of seeds per size.
        protocol: Name of the protocol: quick, paper, paper-cold or tiny.
        device: Device, "auto", "cpu" or "cuda".
        jobs: Number of jobs at a time; by default as many as suit the device.
        out: Folder of the run; by default runs/suggest-k-PROTOCOL.
        data_dir: Folder of imported data, from now on in this process; by default that of BENCH_DATA.
        progress: Whether to show the run while it goes on.

    Raises:
        UsageError: A name or a value is wrong, or a size has no result.
        KeyboardInterrupt: The user interrupted the sweep; the same call goes on from there.
        LostError: The jobs are gone; the same call goes on from there.
    """
    request = Request(quantizers=quantizer, datasets=dataset, protocol=protocol)
    setting = Setting(device=device, jobs=jobs, data_dir=data_dir)
    launched, suggested = suggest(
        request,
        setting,
        sizes=tuple(sizes),
        within=within,
        seeds=seeds,
        out=out,
        command=["bench.suggest_k"],
        progress=progress,
    )
    if launched.end == "interrupted":
        raise KeyboardInterrupt(f"{launched.summary}; the same call goes on from here")
    if suggested is None:
        raise LostError(f"{launched.cause}: {launched.summary}; the same call goes on from here")
    return suggested
