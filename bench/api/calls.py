"""Functions of the Python door: run, open, tune, check, export."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api.decide import MOST_SEEDS, run_until_decided
from bench.api.finished import Run
from bench.api.preparation import Setting, prepare
from bench.api.tuned import Tuning, tune_task
from bench.errors import LostError
from bench.gate import baseline as baselines
from bench.gate.check import Verdict
from bench.gate.check import check as compare_with_baseline
from bench.planning.finished import FinishedRun, existing
from bench.planning.request import Request
from bench.publishing import export as exporting
from bench.publishing import finished_runs
from bench.tuning.task import task_of


def run(
    quantizers: str | Sequence[str] = "",
    datasets: str | Sequence[str] = "",
    *,
    suite: str = "",
    protocol: str = "",
    seeds: int | str | Sequence[int] = "",
    codebook_size: int | None = None,
    settings: Mapping[str, Any] | None = None,
    params: Path | str = "",
    capacity: str = "matched",
    device: str = "auto",
    jobs: int | None = None,
    executor: str = "local",
    out: Path | str | None = None,
    rerun: str = "missing",
    timeout: float | None = None,
    plugins: Sequence[str] = (),
    data_dir: Path | str | None = None,
    require_real: bool = False,
    until_decided: bool = False,
    max_seeds: int = MOST_SEEDS,
    profile: bool = False,
    progress: bool = True,
) -> Run:
    """Train every quantizer on every dataset over seeds, and measure.

    The same call again resumes the run. Cells that fail are in the results, with their status.

    Args:
        quantizers: Names, `name:preset`, `name@K`, `name@KxM`, references (`none`, `kmeans`), `name+control`, or "all".
        datasets: Names of datasets, or "all".
        suite: Name of a suite, which brings its own rows, datasets and protocol.
        protocol: Name of the protocol: quick (default), paper, paper-cold or tiny.
        seeds: Number of seeds, or the seeds themselves; by default the protocol's number.
        codebook_size: Codebook size K of every family; by default the protocol's.
        settings: "QUANTIZER.PARAMETER" or "DATASET.PARAMETER" -> value, such as {"vq.decay": 0.95}.
        params: Path of a tuned.toml that `bench.tune` wrote.
        capacity: Rule for network sizes, "matched" or "published".
        device: Device, "auto", "cpu" or "cuda".
        jobs: Number of jobs at a time; by default one per core on a CPU, and at most three on a GPU.
        executor: Executor of the jobs: local, dask:local, dask:tcp://HOST:PORT or the name of an installed one.
        out: Folder of the run; by default runs/[SUITE-]PROTOCOL.
        rerun: Cells with a record that run again: "missing" for none, "failed" or "all".
        timeout: Seconds that a job may take; by default no limit.
        plugins: Python files or modules that register quantizers, datasets or metrics.
        data_dir: Folder of imported data, from now on in this process; by default that of BENCH_DATA.
        require_real: Whether to refuse a stand-in for absent data.
        until_decided: Whether to add seeds until no comparison of a primary column is undecided.
        max_seeds: Largest number of seeds with `until_decided`.
        profile: Whether the report shows where the time went.
        progress: Whether to show the run while it goes on: a live table on a terminal and in a notebook with
            ipywidgets, and a line per cell elsewhere.

    Raises:
        UsageError: A name or a value is wrong; the message says what to use instead.
        KeyboardInterrupt: The user interrupted the run; the same call goes on from there.
        LostError: The executor is gone; the same call goes on from there.
    """
    request = Request(
        quantizers=_joined(quantizers),
        datasets=_joined(datasets),
        suite=suite,
        protocol=protocol,
        seeds=_typed_seeds(seeds),
        codebook_size=codebook_size,
        settings=_typed_settings(settings or {}),
        capacity=capacity,
        require_real=require_real,
        params=str(params),
    )
    setting = Setting(device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugins, data_dir=data_dir)
    if until_decided:
        launched = run_until_decided(
            request,
            setting,
            out=out,
            rerun=rerun,
            max_seeds=max_seeds,
            command=["bench.run"],
            profile=profile,
            progress=progress,
        )
    else:
        preparation = prepare(request, setting, out=out, rerun=rerun)
        launched = preparation.launch(["bench.run"], profile=profile, progress=progress)
    if launched.end == "interrupted":
        raise KeyboardInterrupt(f"{launched.summary}; the same call goes on from here")
    if launched.end == "lost":
        raise LostError(f"{launched.cause}: {launched.summary}; the same call goes on from here")
    return Run(launched.run)


def open_run(folder: Path | str) -> Run:
    """Open the folder of a run, finished or cut off; nothing is run, and its plug-ins are not needed.

    Raises:
        UsageError: There is no run in the folder, or nothing has run there yet.
    """
    return Run(finished_runs.load(Path(folder)))


def tune(
    quantizers: str | Sequence[str],
    datasets: str | Sequence[str],
    *,
    trials: int = 40,
    objective: str = "mse",
    constraint: str = "",
    protocol: str = "quick",
    seeds: int | None = None,
    device: str = "auto",
    jobs: int | None = None,
    executor: str = "local",
    out: Path | str | None = None,
    timeout: float | None = None,
    plugins: Sequence[str] = (),
    data_dir: Path | str | None = None,
    require_real: bool = False,
    progress: bool = True,
) -> Tuning:
    """Give every family the same number of trials, on validation data and seeds that no run uses.

    The same call again goes on, and so does one with more trials.

    Args:
        quantizers: Names of families, or "all"; presets keep their values.
        datasets: Names of datasets, or "all".
        trials: Number of trials of every family on every dataset.
        objective: Metric, or several separated by commas, measured on the validation split.
        constraint: Bound that winners keep, such as "topographic_error<=0.1".
        protocol: Name of the protocol: quick, paper, paper-cold or tiny.
        seeds: Number of seeds per trial; by default the protocol's.
        device: Device, "auto", "cpu" or "cuda".
        jobs: Number of jobs at a time; by default as many as suit the device.
        executor: Executor of the jobs, as in `run`.
        out: Folder of the study; by default runs/tune-PROTOCOL.
        timeout: Seconds that a job may take; by default no limit.
        plugins: Python files or modules that register quantizers, datasets or metrics.
        data_dir: Folder of imported data, from now on in this process; by default that of BENCH_DATA.
        require_real: Whether to refuse to tune on a stand-in.
        progress: Whether to print a line per finished trial.

    Returns:
        The folder, the file of tuned parameters (for `run(params=...)`), and a line per study.

    Raises:
        UsageError: A name or a value is wrong; the message says what to use instead.
        KeyboardInterrupt: The user interrupted the study; every finished trial is kept.
        LostError: The executor is gone; every finished trial is kept.
    """
    setting = Setting(device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugins, data_dir=data_dir)
    options = setting.options()
    request = Request(
        quantizers=_joined(quantizers), datasets=_joined(datasets), protocol=protocol, require_real=require_real
    )
    task = task_of(request, objective=objective, constraint=constraint, seeds=seeds, trials=trials)
    return tune_task(task, options, executor=executor, jobs=jobs, out=out, command=["bench.tune"], progress=progress)


def check(run: Run | Path | str, baseline: Path | str) -> Verdict:
    """Compare a run with a baseline: has quality fallen by more than chance?

    Args:
        run: Run, or its folder.
        baseline: File that `bench baseline` wrote.

    Returns:
        The verdict: `code` is 0 where quality holds, 1 where it fell, 2 where something was not measured or is not
        comparable, and 3 where a cell failed.

    Raises:
        UsageError: The baseline or the run cannot be read.
    """
    kept = baselines.read(Path(baseline))
    finished = run.finished if isinstance(run, Run) else FinishedRun.read(existing(Path(run)))[0]
    return compare_with_baseline(kept, finished)


def export(
    run: Run | Path | str, out: Path | str, *, quantizer: str = "", dataset: str = "", seed: int | None = None
) -> Path:
    """Write the trained tokenizer of one cell as a folder that `quantizers.load_tokenizer` reads.

    Args:
        run: Run, its folder, or RUN/cells/KEY.
        out: Folder to make; it must be absent or empty.
        quantizer: Row of the run; needed where it has several.
        dataset: Dataset of the run; needed where it has several.
        seed: Seed of the run; needed where it has several.

    Raises:
        UsageError: No cell or several are meant, the cell has no tokenizer of its own, or the folder holds something.
    """
    place = run.folder if isinstance(run, Run) else Path(run)
    exporting.export(place, Path(out), quantizer=quantizer, dataset=dataset, seed=seed)
    return Path(out)


def _joined(names: str | Iterable[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _typed_seeds(seeds: int | str | Sequence[int]) -> str:
    """Seeds as the command line takes them: a count, or a list with a comma."""
    if isinstance(seeds, int | str):
        return str(seeds)
    return "".join(f"{seed}," for seed in seeds)


def _typed_settings(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings as the command line takes them: NAME.PARAMETER=VALUE."""
    texts = []
    for name, value in settings.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        texts.append(f"{name}={text}")
    return tuple(texts)
